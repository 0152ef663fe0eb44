//! The admin API: out of the workload's reach by every route, and unmoved by callers that make no sense.
//!
//! A document that is refused changes nothing, a good caller is answered whatever the others do, and of two changes that were made
//! for the same generation one is made.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::{Authority, Engine, Image, Lab, Program, User, Workload, for_each_user, request, wait};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{RData, RecordType};
use serde_json::{Value, json};

use crate::programs::{ADMIN_ROUTES, MANY, PYTHON, SH};
use crate::tunnel::this_machine;

for_each_user!(a_command_cannot_reach_it, what_makes_no_sense_changes_nothing, a_good_caller_is_answered);

/// Policies that allow whatever can be allowed without naming an address.
const OPEN: &str = "enableInternet: true\noutboundByHost: { redirect.test: away }\n";

/// Where the machine itself passes connections on to an admin socket, as somebody may do by mistake; counted.
struct Forwarded {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Forwarded {
    fn new() -> (Self, impl FnOnce(PathBuf)) {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let others: [IpAddr; 2] = [Ipv6Addr::LOCALHOST.into(), this_machine()];
        let others = others.map(|address| TcpListener::bind((address, port)).unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let begin = move |socket: PathBuf| {
            for listener in [first].into_iter().chain(others) {
                let (socket, counted) = (socket.clone(), Arc::clone(&counted));
                std::thread::spawn(move || {
                    for stream in listener.incoming() {
                        counted.fetch_add(1, Ordering::Relaxed);
                        pass_on(stream.unwrap(), UnixStream::connect(&socket).unwrap());
                    }
                });
            }
        };
        (Self { port, connections }, begin)
    }
}

fn pass_on(mut outside: TcpStream, mut inside: UnixStream) {
    let (mut from, mut to) = (outside.try_clone().unwrap(), inside.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    std::thread::spawn(move || {
        let copied = std::io::copy(&mut inside, &mut outside);
        let _ = outside.shutdown(Shutdown::Both);
        copied
    });
}

fn lead_inside(name: &str, kind: RecordType) -> Option<Vec<RData>> {
    let v6 = |text: &str| RData::AAAA(AAAA(text.parse().unwrap()));
    Some(match (name, kind) {
        ("mapped.test", RecordType::AAAA) => vec![v6("::ffff:127.0.0.1")],
        (_, RecordType::A) => vec![RData::A(A::new(127, 0, 0, 1))],
        (_, RecordType::AAAA) => vec![v6("::1")],
        _ => vec![],
    })
}

/// A policy under which names lead to the machine's own loopback, and one host redirects there.
fn open_policy(authority: &Authority, port: u16) -> String {
    let away =
        format!("respond: {{ status: 302, headers: {{ location: 'http://127.0.0.1:{port}/v1/status' }} }}");
    format!("{OPEN}handlers: {{ away: {{ {away} }} }}\n{}", authority.entry())
}

fn assert_out_of_reach(told: &str, forwarded: &Forwarded) {
    let results: BTreeMap<String, String> = serde_json::from_str(told).unwrap();
    assert!(results.len() > 80, "{results:#?}");
    for (name, result) in &results {
        let refused = result.starts_with('E')
            || result == "unknown name"
            || ["sockets []", "not listed"].contains(&result.as_str())
            || result.starts_with("HTTP/1.1 4") && result.ends_with(" by the proxy")
            || name == "host of a socket" && result == "HTTP/1.1 400 Bad Request";
        assert!(refused, "{name}: {result}");
    }
    assert_eq!(forwarded.connections.load(Ordering::Relaxed), 0, "{results:#?}");
}

/// The way that was not found is there.
fn assert_leads(forwarded: &Forwarded) {
    for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into(), this_machine()] {
        let mut stream = TcpStream::connect((address, forwarded.port)).unwrap();
        stream.set_read_timeout(Some(wait::DEADLINE)).unwrap();
        stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("\"generation\":1"), "{address}: {answer}");
    }
}

fn a_command_cannot_reach_it(user: User) {
    let lab = Lab::new(user);
    let authority = Authority::start(lead_inside);
    let (forwarded, begin) = Forwarded::new();
    let socket = lab.path("state/run-0.sock");
    symlink(&socket, lab.path("work/link")).unwrap();
    let run = lab.run(&open_policy(&authority, forwarded.port), &[]);
    let command = [
        SH,
        "-c",
        "read go && \"$@\" && read end",
        "sh",
        PYTHON,
        "-c",
        ADMIN_ROUTES,
        socket.to_str().unwrap(),
        &lab.path("work").display().to_string(),
        &forwarded.port.to_string(),
        &this_machine().to_string(),
    ];
    let mut running = run.start(&command);
    wait::until("the instance", || UnixStream::connect(&socket).is_ok().then_some(()));
    begin(socket);
    let told = running.ask("go");
    assert_out_of_reach(&told, &forwarded);
    assert_leads(&forwarded);
    running.say("end");
    let _ = running.finish().ok();
}

#[test]
fn a_container_cannot_reach_it() {
    let lab = Lab::new(User::Root);
    let authority = Authority::start(lead_inside);
    let (forwarded, begin) = Forwarded::new();
    let shared = format!("{0}:{0}", lab.path("work").display());
    let options = ["--network", "none", "--volume", &shared];
    let container = Engine::docker().run(&options, Image::Host, &["sleep", "infinity"]);
    let engine = Engine::docker().socket();
    let arguments = ["--engine", engine.to_str().unwrap(), "--container", container.name(), "--id", "box"];
    let mut attached = lab.attach(&open_policy(&authority, forwarded.port), &[], &arguments);
    assert_eq!(attached.hear(), "attached box");
    let socket = attached.socket("box");
    symlink(&socket, lab.path("work/link")).unwrap();
    begin(socket.clone());
    let (folder, port) = (lab.path("work").display().to_string(), forwarded.port.to_string());
    let machine = this_machine().to_string();
    let told =
        container.ask(&[PYTHON, "-c", ADMIN_ROUTES, socket.to_str().unwrap(), &folder, &port, &machine]);
    assert_out_of_reach(&told, &forwarded);
    assert_leads(&forwarded);
    assert_eq!(attached.stop().code(), 0);
}

/// Sends these bytes and nothing more; gives what comes until the end.
fn raw(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(wait::DEADLINE)).unwrap();
    // Who is refused early cannot send the rest.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn put(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("PUT /v1/policy HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn local(body: &[u8]) -> Vec<u8> {
    put("host: localhost\r\n", body)
}

/// What is sent, the status, and a word of the answer.
fn nonsense() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    let deep = 100_000;
    let utf16: Vec<u8> = "\u{feff}enableInternet: true".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let chunked = [
        &b"PUT /v1/policy HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n500000\r\n"[..],
        &vec![b'#'; 0x50_0000],
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    vec![
        ("unknown key", local(b"enableInternets: true"), 422, "did you mean"),
        ("duplicate key", local(b"{\"enableInternet\": true, \"enableInternet\": true}"), 422, "\"line\":1"),
        ("cut JSON", local(b"{\"enableInternet\": true"), 422, "\"line\":1"),
        ("cut YAML", local(b"allowedHosts: ["), 422, "\"line\":"),
        ("deep list", local("[".repeat(deep).as_bytes()), 422, "\"line\":"),
        ("deep map", local("{\"a\":".repeat(deep).as_bytes()), 422, "\"line\":"),
        ("not UTF-8", local(b"enableInternet: true # \xff"), 422, "not UTF-8"),
        ("UTF-16", local(&utf16), 422, "not UTF-8"),
        ("too large", local(&vec![b'#'; 5 << 20]), 413, "4 MiB"),
        ("too large, in chunks", chunked, 413, "4 MiB"),
        ("no tag", put("host: localhost\r\nif-match: 1\r\n", b""), 400, "If-Match"),
        ("a page", put("host: localhost\r\norigin: http://evil.test\r\n", b""), 403, "browsers"),
        ("a page without a name", put("host: localhost\r\norigin: null\r\n", b""), 403, "browsers"),
        ("another host", put("host: evil.test\r\n", b""), 403, "browsers"),
        ("an address", put("host: 127.0.0.1\r\n", b""), 403, "browsers"),
        ("no host", put("", b""), 403, "browsers"),
        ("two lengths", put("host: localhost\r\ncontent-length: 1\r\n", b""), 400, ""),
        ("no HTTP", b"\x16\x03\x01 hello\r\n\r\n".to_vec(), 400, ""),
        ("a long head", put(&format!("host: localhost\r\nx: {}\r\n", "x".repeat(1 << 20)), b""), 431, ""),
        (
            "cut body",
            b"PUT /v1/policy HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{}".to_vec(),
            408,
            "in time",
        ),
    ]
}

fn what_makes_no_sense_changes_nothing(user: User) {
    let lab = Lab::new(user);
    let mut running = lab.run("allowedHosts: [a.test]", &[]).start(&["/bin/cat"]);
    assert_eq!(running.ask("ready"), "ready");
    let state = || {
        (
            running.admin("GET", "/v1/policy", "").body,
            running.admin("GET", "/v1/status", "").json()["generation"].clone(),
        )
    };
    let before = state();
    for (name, bytes, status, word) in nonsense() {
        let answer = raw(&running.socket(), &bytes);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
        assert!(answer.contains(word), "{name}: {answer}");
        assert_eq!(state(), before, "{name}");
    }
    // A mark in front of UTF-8 is part of YAML.
    let marked = raw(&running.socket(), &local("\u{feff}allowedHosts: [b.test]".as_bytes()));
    assert!(marked.starts_with("HTTP/1.1 200 ") && marked.contains("etag: \"2\""), "{marked}");
    assert_eq!(running.admin("GET", "/v1/status", "").json()["fault"], Value::Null);
    // A head that does not come to its end.
    let start = Instant::now();
    assert_eq!(raw(&running.socket(), b"GET /v1/status HTTP/1.1\r\nhost: loc"), "");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let _ = running.finish().ok();
}

#[test]
fn an_instance_that_makes_no_sense_is_not_attached() {
    let lab = Lab::new(User::Root);
    let control = lab.path("control.sock");
    let running = lab.attach("", &[], &["--control", control.to_str().unwrap()]);
    wait::until("the control socket", || UnixStream::connect(&control).is_ok().then_some(()));
    for body in [
        "{\"pid\": 1, \"bogus\": 1}",
        "{\"pid\": 1, \"pid\": 1}",
        "{\"pid\": 1",
        "\u{feff}{\"pid\": 1}",
        &"[".repeat(100_000),
        &"{\"policy\":".repeat(100_000),
    ] {
        let answer = request(&control, "POST", "/v1/instances", body);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answer:?}");
        assert_eq!(request(&control, "GET", "/v1/instances", "").json(), json!({ "instances": [] }));
    }
    assert_eq!(running.stop().code(), 0);
}

fn a_good_caller_is_answered(user: User) {
    let lab = Lab::new(user);
    let mut running = lab.run("allowedHosts: [a.test]", &[]).start(&["/bin/cat"]);
    assert_eq!(running.ask("ready"), "ready");
    let socket = running.socket();
    for text in ["", "GET /v1/status HTTP/1.1\r\n"] {
        let mut many = user.command(PYTHON);
        many.args(["-c", MANY, socket.to_str().unwrap(), "1000", text]);
        let mut many = Program::start(many);
        assert_eq!(many.hear(), "open");
        let start = Instant::now();
        let answer = running.admin("PUT", "/v1/policy", "allowedHosts: [b.test]");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(
            start.elapsed() < Duration::from_secs(3),
            "{:?} beside those who say nothing",
            start.elapsed()
        );
        assert_eq!(many.ask("end"), "over");
    }
    let _ = running.finish().ok();
}

/// Who could open the socket, were its folder and mode not what they are.
#[test]
fn another_user_is_not_answered() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let mut attached = lab.attach("", &[], &["--pid", &workload.pid().to_string()]);
    assert_eq!(attached.hear(), format!("attached {}", workload.id()));
    let socket = attached.socket(&workload.id());
    let ask = "import socket, sys
stream = socket.socket(socket.AF_UNIX)
try:
    stream.connect(sys.argv[1])
    stream.sendall(b'GET /v1/status HTTP/1.1\\r\\nhost: localhost\\r\\n\\r\\n')
    print(stream.recv(100))
except OSError as error:
    print(type(error).__name__)";
    let told = |user: User| {
        let output = user.command(PYTHON).args(["-c", ask, socket.to_str().unwrap()]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(told(User::Nobody), "PermissionError\n");
    for (path, mode) in [(lab.root(), 0o755), (socket.parent().unwrap(), 0o755), (&socket, 0o777)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    assert!(["b''\n", "ConnectionResetError\n", "BrokenPipeError\n"].contains(&told(User::Nobody).as_str()));
    assert!(told(User::Root).starts_with("b'HTTP/1.1 200"));
    assert!(
        attached.log().contains("another user") || attached.log().contains("user tried"),
        "{}",
        attached.log()
    );
    assert_eq!(attached.stop().code(), 0);
}

#[test]
fn what_is_counted_is_shown_and_described() {
    let lab = Lab::new(User::Nobody);
    let url = "http://192.0.2.1/";
    let class = "a \"class\"\\";
    let run = lab.run("", &[]).arguments(&["--class", class]);
    let mut running = run.start(&[SH, "-c", "read go; curl -s -o /dev/null $0; echo done; read end", url]);
    let socket = running.socket();
    wait::until("the instance", || UnixStream::connect(&socket).is_ok().then_some(()));
    let printed = |arguments: &[&str]| {
        let output = lab.cli(&[arguments, &["--socket", socket.to_str().unwrap()]].concat());
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let metrics = || -> BTreeMap<String, f64> {
        let (code, text) = printed(&["status", "--metrics"]);
        assert_eq!(code, Some(0), "{text}");
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples.map(|line| sample(line, "{instance=\"run-0\",class=\"a \\\"class\\\"\\\\\"")).collect()
    };
    assert_eq!(running.ask("go"), "done");
    let (good, bad) = (lab.write("good.yaml", "# good"), lab.write("bad.yaml", "bogus: 1"));
    let apply = |file: &Path, generation: &str| {
        printed(&["policy", "apply", file.to_str().unwrap(), "--if-generation", generation])
    };
    assert_eq!(apply(&good, "1"), (Some(0), "generation 2\n".to_owned()));
    let (code, told) = apply(&good, "1");
    assert_eq!((code, told.contains("generation 2 is in force")), (Some(3), true), "{told}");
    let (code, told) = apply(&bad, "2");
    assert_eq!((code, told.contains("bad.yaml:1:1: unknown key")), (Some(2), true), "{told}");
    wait::until("the records", || (metrics()["audit_records_written_total"] == 2.0).then_some(()));
    let found = metrics();
    let manual = include_str!("../../docs/operating.md");
    assert!(found.keys().all(|name| manual.contains(&format!("| `{name}` |"))), "undocumented: {found:?}");
    for (name, value) in [
        ("build_info", 1.0),
        ("policy_generation", 2.0),
        ("policy_changes_accepted_total", 1.0),
        ("policy_changes_refused_total", 1.0),
        ("policy_fault", 1.0),
        ("connections_total", 1.0),
        ("requests_total", 1.0),
        ("audit_records_lost_total", 0.0),
        ("audit_failing", 0.0),
    ] {
        assert_eq!(found[name], value, "{name}");
    }
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((now - 600.0..=now).contains(&found["start_time_seconds"]), "{found:?}");
    running.say("end");
    let _ = running.finish().ok();
}

/// Name and value of a sample with these labels.
fn sample(line: &str, labels: &str) -> (String, f64) {
    let (name, rest) = line.split_once(labels).unwrap_or_else(|| panic!("other labels: {line}"));
    let name = name.strip_prefix("proxy_everything_").unwrap_or_else(|| panic!("another name: {line}"));
    (name.to_owned(), rest.rsplit(' ').next().unwrap().parse().unwrap())
}

/// An operation on the socket: when it ran, for which generation it was meant, and what it found in force or put there.
struct Operation {
    began: Instant,
    ended: Instant,
    meant: Option<u64>,
    made: bool,
    generation: u64,
}

/// One operation of a thread that takes the last generation it heard of for the one in force.
fn operate(socket: &Path, thread: usize, number: usize, known: u64) -> Operation {
    let began = Instant::now();
    if number.is_multiple_of(4) {
        let generation = request(socket, "GET", "/v1/status", "").json()["generation"].as_u64().unwrap();
        return Operation { began, ended: Instant::now(), meant: None, made: false, generation };
    }
    let body = format!("# {known} {thread} {number}\n");
    let text = put(&format!("host: localhost\r\nif-match: \"{known}\"\r\n"), body.as_bytes());
    let answer = raw(socket, &text);
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let generation = body["generation"].as_u64().unwrap();
    let made = answer.starts_with("HTTP/1.1 200 ");
    assert!(made || answer.starts_with("HTTP/1.1 412 "), "{answer}");
    assert!(answer.contains(&format!("etag: \"{generation}\"\r\n")), "{answer}");
    Operation { began, ended: Instant::now(), meant: Some(known), made, generation }
}

#[test]
fn ten_thousand_operations_are_in_one_order() {
    const THREADS: usize = 16;
    const EACH: usize = 625;
    let lab = Lab::new(User::Nobody);
    let mut running = lab.run("", &[]).start(&["/bin/cat"]);
    assert_eq!(running.ask("ready"), "ready");
    let socket = running.socket();
    let heard = AtomicU64::new(1);
    let operations: Vec<Operation> = std::thread::scope(|scope| {
        let work = |thread: usize| {
            let (socket, heard) = (&socket, &heard);
            move || -> Vec<Operation> {
                let next = |number| {
                    let operation = operate(socket, thread, number, heard.load(Ordering::SeqCst));
                    heard.fetch_max(operation.generation, Ordering::SeqCst);
                    operation
                };
                (0..EACH).map(next).collect()
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(work(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let made: Vec<_> = operations.iter().filter(|operation| operation.made).collect();
    println!("{} of {} operations changed the policy", made.len(), operations.len());
    assert_eq!(operations.len(), 10_000);
    assert!(made.len() > 100, "only {} changes", made.len());
    // Each change follows the generation it was meant for, and each generation was made by one.
    assert!(made.iter().all(|operation| Some(operation.generation - 1) == operation.meant));
    let mut generations: Vec<_> = made.iter().map(|operation| operation.generation).collect();
    generations.sort_unstable();
    assert_eq!(generations, (2..made.len() as u64 + 2).collect::<Vec<_>>());
    assert!(
        operations.iter().all(|one| one.made || one.meant != Some(one.generation)),
        "refused without a reason"
    );
    assert_in_time(&operations);
    assert_eq!(running.admin("GET", "/v1/status", "").json()["generation"], made.len() as u64 + 1);
    let _ = running.finish().ok();
}

/// Nobody finds less than what was found or made before, nor what was begun to be made after. With changes that each follow the one
/// before, that is an order of all operations that agrees with the clock.
fn assert_in_time(operations: &[Operation]) {
    let mut by_end: Vec<_> = operations.iter().collect();
    by_end.sort_by_key(|operation| operation.ended);
    let mut most = 0;
    let highest: Vec<u64> = by_end
        .iter()
        .map(|operation| {
            most = most.max(operation.generation);
            most
        })
        .collect();
    let began: BTreeMap<u64, Instant> =
        operations.iter().filter(|one| one.made).map(|one| (one.generation, one.began)).collect();
    for operation in operations {
        let before = by_end.partition_point(|other| other.ended < operation.began);
        let known = before.checked_sub(1).map_or(1, |last| highest[last]);
        assert!(operation.generation >= known, "{} after {known}", operation.generation);
        assert!(began.get(&operation.generation).is_none_or(|began| *began < operation.ended));
    }
}
