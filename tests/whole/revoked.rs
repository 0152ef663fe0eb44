//! A change of policy reaches what is under way: what it denies ends within a second, wherever it stood, and nothing new reaches the
//! upstream once the change is acknowledged. What it still allows goes on as if nothing had happened.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use harness::{
    Authority, Finished, HOST, Lab, Origin, Running, Settings, User, Versions, for_each_user, origin, wait,
};
use hickory_proto::rr::RecordType;
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, SockaddrIn};
use serde_json::{Value, json};

use crate::programs::{CURL, PYTHON, SH, TUNNEL, WIRE};

for_each_user!(
    a_stream_is_cut_off,
    many_streams_are_cut_off,
    a_client_that_does_not_read_is_cut_off,
    an_upload_ends,
    both_directions_at_once,
    a_long_poll_is_refused,
    half_a_head_meets_the_new_policy,
    an_idle_connection_meets_the_new_policy,
    a_look_up_is_given_up,
    connecting_is_given_up,
    a_connection_that_nobody_waits_for_is_given_up,
    a_tunnel_is_not_opened,
    a_handshake_is_given_up,
    an_address_that_is_denied_now,
    what_is_still_allowed_goes_on,
);

const ALLOW: &str = "allowedHosts: [api.example.test]";
const DENY: &str = "deniedHosts: [api.example.test]";
/// Of nobody.
const SOMEWHERE: &str = "192.0.2.66";
const BOTH_VERSIONS: [Versions; 2] = [Versions::Http1, Versions::Http2];

fn origin(lab: &Lab, versions: Versions) -> Origin {
    lab.origin(Settings { versions, ..Settings::default() })
}

fn start<'a>(lab: &'a Lab, policy: &str, origin: &'a Origin) -> Running<'a> {
    lab.run(policy, &[origin]).start(&[PYTHON, "-c", WIRE, HOST, HOST])
}

fn request(running: &mut Running<'_>, head: &str) {
    let text = json!(format!("{head} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(running.ask(&format!("send {text}")), "sent");
}

/// Returns once the change is acknowledged.
fn change(running: &Running<'_>, policy: &str) -> Instant {
    let output = running.apply(policy);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Instant::now()
}

/// The promise is one second; the rest is for a busy machine.
fn assert_soon(since: Instant) {
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
}

fn no_connection(origin: &Origin) {
    wait::until("the upstream connection to be closed", || (origin.open() == 0).then_some(()));
}

/// Whether a connection to it is open on the proxy's side, or has still something to send; it may not notice.
fn is_connected_to(origin: &Origin) -> bool {
    let ports = origin.addresses().map(|address| format!(":{:04X} ", address.port()));
    let tables = ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/net/{table}")).unwrap());
    let mut lines = tables.iter().flat_map(|table| table.lines().skip(1));
    lines.any(|line| {
        let remote = line.split_whitespace().skip(2).take(2).collect::<Vec<_>>();
        // 06 is TIME_WAIT.
        ports.iter().any(|port| format!("{} ", remote[0]).ends_with(port)) && remote[1] != "06"
    })
}

/// The only exchange, which was let pass by the first generation and ended by the second.
fn only_exchange(finished: &Finished) -> Value {
    let exchanges = finished.audit.exchanges();
    assert_eq!(exchanges.len(), 1, "{exchanges:#?}");
    assert_revoked(exchanges[0]);
    exchanges[0].clone()
}

fn assert_revoked(record: &Value) {
    let told = (&record["decision"], &record["error"], &record["generation"]);
    assert_eq!(told, (&"allow".into(), &"revoked".into(), &1.into()), "{record}");
}

fn refused(running: &mut Running<'_>, reason: &str) {
    assert_eq!(running.ask("head"), "403");
    let problem: Value = serde_json::from_str(&running.ask("body")).unwrap();
    assert_eq!(problem["reason"], reason, "{problem}");
}

fn a_stream_is_cut_off(user: User) {
    for versions in BOTH_VERSIONS {
        let lab = Lab::new(user);
        let origin = origin(&lab, versions);
        let mut running = start(&lab, ALLOW, &origin);
        request(&mut running, "GET /events");
        assert_eq!((running.ask("head"), running.ask("some")), ("200".into(), "some".into()));
        let changed = change(&running, DENY);
        assert_eq!(running.ask("rest"), "cut off");
        no_connection(&origin);
        assert_soon(changed);
        let finished = running.finish_abrupt().ok();
        let record = only_exchange(&finished);
        assert!(finished.audit.connections()[0]["error"].is_null(), "that is the exchange's");
        assert_eq!(record["status"], 200, "{record}");
        assert!(record["upstream"].is_string() && record["bytesToWorkload"].as_u64() > Some(0), "{record}");
    }
}

fn many_streams_are_cut_off(user: User) {
    const STREAMS: usize = 50;
    let lab = Lab::new(user);
    let origin = origin(&lab, Versions::Http2);
    let url = format!("https://{HOST}/events?[1-{STREAMS}]");
    let command = [CURL, "-sS", "--http2", "-Z", "--parallel-max", "60", &url, "-o", "/dev/null", "-w"];
    let command = [&command[..], &["%{exitcode} %{http_code} %{http_version}\n"]].concat();
    let mut running = lab.run(ALLOW, &[&origin]).start(&command);
    wait::until("the requests", || (origin.requests().len() == STREAMS).then_some(()));
    let changed = change(&running, DENY);
    let ended: Vec<_> = (0..STREAMS).map(|_| running.hear()).collect();
    no_connection(&origin);
    assert_soon(changed);
    // 92: the stream was reset, perhaps before its head was sent. Some requests may still have waited for theirs.
    let cut = ended.iter().filter(|line| ["92 200 2", "92 000 0"].contains(&line.as_str())).count();
    let told = ended.iter().filter(|line| *line == "0 403 2").count();
    assert_eq!(cut + told, STREAMS, "{ended:?}");
    let finished = running.finish_abrupt();
    assert_eq!((origin.requests().len(), finished.audit.exchanges().len()), (STREAMS, STREAMS));
    finished.audit.exchanges().into_iter().for_each(assert_revoked);
}

/// Nothing asks for more of such a response, so that it would stay for ever, with its upstream.
fn a_client_that_does_not_read_is_cut_off(user: User) {
    for (versions, flag) in BOTH_VERSIONS.into_iter().zip(["--http1.1", "--http2"]) {
        let lab = Lab::new(user);
        let origin = origin(&lab, versions);
        let get = format!("{CURL} -sS {flag} https://{HOST}/stream/1000000000");
        let script = format!("exec 3<&0; {{ {get}; echo $? >&2; }} | {{ read go <&3; cat >/dev/null; }}");
        let mut running = lab.run(ALLOW, &[&origin]).start(&[SH, "-c", &script]);
        wait::until("the request", || (origin.requests().len() == 1).then_some(()));
        let changed = change(&running, DENY);
        no_connection(&origin);
        wait::until("the record", || (running.audit().exchanges().len() == 1).then_some(()));
        assert_soon(changed);
        running.say("go");
        let finished = running.finish_abrupt().ok();
        let record = only_exchange(&finished);
        assert!(record["bytesToWorkload"].as_u64() < Some(100_000_000), "{record}");
        assert_ne!(finished.stderr.lines().last(), Some("0"), "it was told nothing");
    }
}

/// Also where the origin has stopped reading it.
fn an_upload_ends(user: User) {
    for (versions, path) in BOTH_VERSIONS.into_iter().flat_map(|one| [(one, "/upload"), (one, "/hold")]) {
        let lab = Lab::new(user);
        let origin = origin(&lab, versions);
        let mut running = start(&lab, ALLOW, &origin);
        let head = format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(running.ask(&format!("send {}", json!(head))), "sent");
        assert_eq!(running.ask("pour"), "pouring");
        wait::until("the request", || (origin.requests().len() == 1).then_some(()));
        if path == "/upload" {
            wait::until("some of the upload", || (origin.received() > 1_000_000).then_some(()));
        }
        let changed = change(&running, DENY);
        // It is closed, so nothing comes any more, however much the client goes on sending.
        wait::until("the upstream connection to be closed", || (!is_connected_to(&origin)).then_some(()));
        assert_soon(changed);
        refused(&mut running, "revoked");
        let record = only_exchange(&running.finish_abrupt().ok());
        assert_eq!(record["status"], 403, "{record}");
    }
}

fn both_directions_at_once(user: User) {
    for versions in BOTH_VERSIONS {
        let lab = Lab::new(user);
        let origin = origin(&lab, versions);
        let mut running = start(&lab, ALLOW, &origin);
        let head = format!("POST /duplex HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(running.ask(&format!("send {}", json!(head))), "sent");
        assert_eq!((running.ask("head"), running.ask("pour")), ("200".into(), "pouring".into()));
        wait::until("some of the upload", || (origin.received() > 1_000_000).then_some(()));
        let changed = change(&running, DENY);
        no_connection(&origin);
        assert_eq!(running.ask("rest"), "cut off");
        assert_soon(changed);
        let _ = only_exchange(&running.finish_abrupt().ok());
    }
}

fn a_long_poll_is_refused(user: User) {
    for versions in BOTH_VERSIONS {
        let lab = Lab::new(user);
        let origin = origin(&lab, versions);
        let mut running = start(&lab, ALLOW, &origin);
        request(&mut running, "GET /hold");
        wait::until("the request", || (origin.requests().len() == 1).then_some(()));
        let changed = change(&running, DENY);
        refused(&mut running, "revoked");
        no_connection(&origin);
        assert_soon(changed);
        // The connection is as good as before, and the next request is decided anew.
        request(&mut running, "GET /hold");
        refused(&mut running, "host_denied");
        let finished = running.finish_abrupt().ok();
        let exchanges = finished.audit.exchanges();
        assert_revoked(exchanges[0]);
        assert_eq!((exchanges.len(), &exchanges[1]["generation"]), (2, &2.into()), "{exchanges:#?}");
        assert_eq!(exchanges[0]["connection"], exchanges[1]["connection"]);
    }
}

fn half_a_head_meets_the_new_policy(user: User) {
    let lab = Lab::new(user);
    let origin = origin(&lab, Versions::Both);
    let mut running = start(&lab, ALLOW, &origin);
    assert_eq!(
        running.ask(&format!("send {}", json!(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n")))),
        "sent"
    );
    change(&running, DENY);
    assert_eq!(running.ask(&format!("send {}", json!("\r\n"))), "sent");
    refused(&mut running, "host_denied");
    let finished = running.finish().ok();
    assert_eq!(finished.audit.exchanges()[0]["generation"], 2);
    assert_eq!((origin.requests().len(), origin.open()), (0, 0));
}

/// On both sides: the workload's connection stays, and the upstream's is closed, denied or not.
fn an_idle_connection_meets_the_new_policy(user: User) {
    for versions in BOTH_VERSIONS {
        let lab = Lab::new(user);
        let origin = origin(&lab, versions);
        let mut running = start(&lab, ALLOW, &origin);
        request(&mut running, "GET /");
        assert_eq!((running.ask("head"), running.ask("body")), ("200".into(), format!("hello from {HOST}")));
        assert_eq!(origin.open(), 1);
        change(&running, &format!("{ALLOW}\nenableInternet: true"));
        no_connection(&origin);
        request(&mut running, "GET /");
        assert_eq!((running.ask("head"), running.ask("body")), ("200".into(), format!("hello from {HOST}")));
        change(&running, DENY);
        no_connection(&origin);
        request(&mut running, "GET /");
        refused(&mut running, "host_denied");
        let finished = running.finish().ok();
        let generations: Vec<_> =
            finished.audit.exchanges().iter().map(|one| one["generation"].clone()).collect();
        assert_eq!(generations, [1, 2, 3]);
    }
}

/// Both a question of the workload and a request that waits for one of the proxy's own.
fn a_look_up_is_given_up(user: User) {
    const RESOLVE: &str = "
import socket, sys
for name in sys.stdin:
    try: print(socket.getaddrinfo(name.strip(), 443))
    except socket.gaierror as error: print(error.errno == socket.EAI_NONAME, flush=True)";
    let lab = Lab::new(user);
    let authority = Authority::start(|_, _| Some(vec![]));
    let asked = |name: &str| authority.questions().iter().filter(|(asked, _)| asked == name).count();
    let policy = |denied: &str| {
        format!(
            "deniedHosts: [{denied}]\nallowedHosts: ['*.test']\n{}limits: {{ dnsTimeoutMs: 2000 }}",
            authority.entry()
        )
    };
    let mut running = lab.run(&policy(""), &[]).start(&[PYTHON, "-c", RESOLVE]);
    running.say("silent.a.test");
    wait::until("the questions", || (asked("silent.a.test") == 2).then_some(()));
    let changed = change(&running, &policy("silent.a.test"));
    assert_eq!(running.hear(), "True", "it does not exist");
    assert_soon(changed);
    // Another question outlasts every repetition that there could be.
    assert_eq!(running.ask("silent.b.test"), "False");
    assert_eq!(asked("silent.a.test"), 2);
    let finished = running.finish().ok();
    let questions = finished.audit.questions();
    let denied: Vec<_> = questions.iter().filter(|one| one["authority"] == "silent.a.test").collect();
    assert_eq!(denied.len(), 2, "{questions:#?}");
    for record in denied {
        let told = (&record["decision"], &record["error"], &record["generation"], &record["status"]);
        assert_eq!(told, (&"deny".into(), &"host_denied".into(), &2.into(), &3.into()), "{record}");
    }

    let name = "silent.c.test";
    let mut running = lab.run(&policy(""), &[]).start(&[PYTHON, "-c", WIRE, name, SOMEWHERE]);
    assert_eq!(
        running.ask(&format!("send {}", json!(format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n")))),
        "sent"
    );
    wait::until("the questions", || (asked(name) == 2).then_some(()));
    let changed = change(&running, &policy(name));
    refused(&mut running, "revoked");
    assert_soon(changed);
    let record = only_exchange(&running.finish().ok());
    assert!(record["upstream"].is_null(), "{record}");
    assert!(authority.questions().iter().all(|(_, kind)| matches!(kind, RecordType::A | RecordType::AAAA)));
}

/// A listener whose queue is full: the kernel drops what knocks, which then knocks again.
struct Full {
    listener: TcpListener,
    queued: Vec<TcpStream>,
}

impl Full {
    fn new() -> Self {
        let mut full = Self::empty();
        full.fill();
        full
    }

    fn empty() -> Self {
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket::socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
        socket::bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
        socket::listen(&fd, Backlog::new(0).unwrap()).unwrap();
        Self { listener: TcpListener::from(fd), queued: Vec::new() }
    }

    fn fill(&mut self) {
        let address = self.address();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        self.queued.extend(std::iter::from_fn(connect));
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Whether somebody knocks.
    fn is_knocked_at(&self) -> bool {
        let port = format!(":{:04X} 02 ", self.address().port());
        std::fs::read_to_string("/proc/net/tcp").unwrap().lines().any(|line| line.contains(&port))
    }
}

fn connecting_is_given_up(user: User) {
    let lab = Lab::new(user);
    let full = Full::new();
    let resolve = format!("resolve: {{ {HOST}: \"{}\" }}", full.address());
    let mut running = lab.run(&format!("{ALLOW}\n{resolve}"), &[]).start(&[PYTHON, "-c", WIRE, HOST, HOST]);
    request(&mut running, "GET /");
    wait::until("the connection attempt", || full.is_knocked_at().then_some(()));
    let changed = change(&running, &format!("{DENY}\n{resolve}"));
    wait::until("the end of the attempt", || (!full.is_knocked_at()).then_some(()));
    refused(&mut running, "revoked");
    assert_soon(changed);
    let record = only_exchange(&running.finish().ok());
    assert!(record["upstream"].is_null(), "{record}");
}

/// The request that it was begun for went over another one, which became free sooner.
fn a_connection_that_nobody_waits_for_is_given_up(user: User) {
    let lab = Lab::new(user);
    let mut full = Full::empty();
    let resolve = format!("resolve: {{ {HOST}: \"{}\" }}", full.address());
    let script = format!("{CURL} -sS http://{HOST}/1 & read go && {CURL} -sS http://{HOST}/2; wait; read go");
    let policy = format!("{ALLOW}\n{resolve}");
    let mut running = lab.run(&policy, &[]).start(&[SH, "-c", &script]);
    let (mut upstream, _) = full.listener.accept().unwrap();
    let mut head = BufReader::new(upstream.try_clone().unwrap()).lines().map_while(Result::ok);
    let mut ask = |path: &str| {
        assert_eq!(head.next().unwrap(), format!("GET {path} HTTP/1.1"));
        head.find(String::is_empty).unwrap();
    };
    ask("/1");
    full.fill();
    running.say("go");
    wait::until("the connection attempt", || full.is_knocked_at().then_some(()));
    for path in ["/1", "/2"] {
        upstream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\ndone\n").unwrap();
        if path == "/1" {
            ask("/2");
        }
        assert_eq!(running.hear(), "done");
    }
    assert!(full.is_knocked_at(), "it is not tried any more, although it might be of use");
    change(&running, &format!("{DENY}\n{resolve}"));
    let changed = Instant::now();
    wait::until("the end of the attempt", || (!full.is_knocked_at()).then_some(()));
    assert_soon(changed);
    running.say("go");
    let finished = running.finish_abrupt().ok();
    assert_eq!(finished.audit.exchanges().len(), 2);
}

fn a_tunnel_is_not_opened(user: User) {
    let lab = Lab::new(user);
    let full = Full::new();
    let resolve = format!("resolve: {{ {SOMEWHERE}: \"{}\" }}", full.address());
    let policy = format!("raw: ['{SOMEWHERE}:5432']\n{resolve}");
    let mut running = lab.run(&policy, &[]).start(&[PYTHON, "-c", TUNNEL, SOMEWHERE, "5432"]);
    wait::until("the connection attempt", || full.is_knocked_at().then_some(()));
    let changed = change(&running, &resolve);
    wait::until("the end of the attempt", || (!full.is_knocked_at()).then_some(()));
    assert_eq!(running.hear(), "end");
    assert_soon(changed);
    let finished = running.finish().ok();
    assert_eq!(finished.audit.connections().len(), 1);
    assert_revoked(finished.audit.connections()[0]);
}

/// A server that takes the ClientHello and says nothing.
fn a_handshake_is_given_up(user: User) {
    let lab = Lab::new(user);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let resolve = format!("resolve: {{ {HOST}: \"{}\" }}", listener.local_addr().unwrap());
    let mut running = lab.run(&format!("{ALLOW}\n{resolve}"), &[]).start(&[PYTHON, "-c", WIRE, HOST, HOST]);
    request(&mut running, "GET /");
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(wait::DEADLINE)).unwrap();
    assert_eq!(std::io::Read::read(&mut stream, &mut [0; 1]).unwrap(), 1);
    let changed = change(&running, &format!("{DENY}\n{resolve}"));
    std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    refused(&mut running, "revoked");
    assert_soon(changed);
    let _ = only_exchange(&running.finish().ok());
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "it was tried again");
}

/// The name is allowed still, and where it leads is not.
fn an_address_that_is_denied_now(user: User) {
    let lab = Lab::new(user);
    let origin = origin(&lab, Versions::Both);
    let mut running = start(&lab, ALLOW, &origin);
    request(&mut running, "GET /events");
    assert_eq!((running.ask("head"), running.ask("some")), ("200".into(), "some".into()));
    let changed = change(&running, &format!("{ALLOW}\ndeniedHosts: [127.0.0.0/8, '::1']"));
    assert_eq!(running.ask("rest"), "cut off");
    no_connection(&origin);
    assert_soon(changed);
    let _ = only_exchange(&running.finish_abrupt().ok());
}

/// Down and up at the same time, while handlers come and go.
fn what_is_still_allowed_goes_on(user: User) {
    const SWAPS: u64 = 20;
    const STEP: u64 = 200_000;
    const LENGTH: u64 = (SWAPS + 1) * STEP;
    let lab = Lab::new(user);
    let origin = origin(&lab, if user == User::Root { Versions::Http1 } else { Versions::Http2 });
    let policies = [
        "allowedHosts: ['*.example.test']\ndeniedHosts: [other.example.test]".to_owned(),
        format!("{ALLOW}\noutbound: teapot\nhandlers: {{ teapot: {{ respond: {{ status: 418 }} }} }}"),
    ];
    let mut running = start(&lab, ALLOW, &origin);
    request(&mut running, &format!("GET /stream/{LENGTH}"));
    assert_eq!((running.ask("head"), running.ask(&format!("take {STEP}"))), ("200".into(), "taken".into()));
    for swap in 0..SWAPS {
        change(&running, &policies[(swap % 2) as usize]);
        assert_eq!(running.ask(&format!("take {STEP}")), "taken");
    }
    assert_eq!(running.ask("sum"), origin::pattern_sha256(LENGTH));
    // And the other way.
    change(&running, ALLOW);
    let head = format!("POST /upload HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {LENGTH}\r\n\r\n");
    assert_eq!(running.ask(&format!("send {}", json!(head))), "sent");
    for swap in 0..=SWAPS {
        assert_eq!(running.ask(&format!("put {STEP}")), "sent");
        wait::until("the upload", || (origin.received() == (swap + 1) * STEP).then_some(()));
        change(&running, &policies[(swap % 2) as usize]);
    }
    assert_eq!(running.ask("head"), "200");
    let answer: Value = serde_json::from_str(&running.ask("body")).unwrap();
    assert_eq!(answer["length"], LENGTH);
    let finished = running.finish().ok();
    let generations: Vec<_> =
        finished.audit.exchanges().iter().map(|one| one["generation"].clone()).collect();
    assert_eq!(generations, [1, 2 + SWAPS]);
    for record in finished.audit.exchanges() {
        assert!(record["error"].is_null() && record["status"] == 200, "{record}");
    }
}
