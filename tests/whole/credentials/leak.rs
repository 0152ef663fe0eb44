//! Everything that is done with secrets, at the most talkative level of the log, and then a search of all that was said, written and
//! answered: standard error, audit, every answer of the admin API, the state folder, what processes show of themselves.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

use harness::{Certificate, HOST, Lab, Running, Settings, Transport, User, for_each_user, processes, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::server::{ONE, Server, TWO};
use crate::handlers::built_example;
use crate::programs::{CURL, SH};

for_each_user!(nothing_tells_them, no_memory_is_left_behind);

/// Also of the parts of libraries that see whole messages.
const LOG: &str = "trace,h2::codec=trace,h2::frame=trace,h2::hpack=trace,h2::proto=trace,hyper::client=trace,hyper::proto=trace,\
    hyper_util::client=trace,rustls::client=trace";

/// Kinds of use, each at a host of its own.
const USES: [&str; 9] = ["inject", "aws", "hook", "script", "fake", "gone", "other", "broken", "oauth"];

/// A command of root's has no program that it could not change.
fn policy(lab: &Lab, token_url: &str) -> String {
    let wasm = built_example(lab, "hostile");
    let handled = USES.iter().filter(|name| **name != "fake");
    let bound: String = handled.map(|name| format!("  {name}.example.test: {name}\n")).collect();
    format!(
        r#"
allowedHosts: ["*.example.test"]
deniedHosts: [denied.example.test]
outboundByHost:
{bound}  {ONE}: inject
  {TWO}: inject
handlers:
  inject: {{ inject: {{ x-auth-token: "${{ENV}}", x-other: "<${{FILE}}>" }}, basic: {{ username: me, password: "${{ENV2}}" }}, query: {{ key: "${{FILE}}" }} }}
  aws: {{ sign: {{ aws: {{ accessKeyId: ENV, secretAccessKey: FILE, sessionToken: ENV2, region: eu-west-1, service: s3 }} }} }}
  hook: {{ sign: {{ hmac: {{ secret: FILE, header: x-signature, timestampHeader: x-timestamp, over: [timestamp, method, path, body] }} }} }}
  script: {{ wasm: {wasm:?}, params: {{ deed: logs-secrets }}, secrets: [ENV], config: {{ PLAIN: x }}, keyvalue: {{ KEYS: keys }}, rateLimits: {{ LIMITER: {{ limit: 100, periodMs: 60000 }} }} }}
  gone: {{ bearer: "${{GONE}}" }}
  other: {{ bearer: "${{BOUND}}" }}
  broken: {{ bearer: "${{FILE}}" }}
  oauth: {{ bearer: "${{OAUTH}}" }}
stores: {{ keys: {{ memory: {{}} }} }}
secrets:
  ENV: {{ env: API_TOKEN }}
  FILE: {{ file: secret.txt }}
  GONE: {{ file: gone.txt }}
  ENV2: {{ env: API_TOKEN }}
  BOUND: {{ env: API_TOKEN, hosts: [elsewhere.example.test] }}
  FAKE: {{ file: secret.txt, hosts: [fake.example.test], placeholder: {{ env: FAKE }} }}
  OAUTH: {{ oauth2: {{ tokenUrl: "{token_url}/oauth", clientId: me, clientSecret: ENV }} }}
"#,
    )
}

/// Of every kind at least one, good and bad.
fn requests() -> String {
    let at = |host: &str| format!("https://{host}.example.test/echo?x=1");
    let mut all: Vec<String> = USES.iter().map(|host| at(host)).collect();
    all.extend([
        format!("-d body {}", at("hook")),
        format!("-T secretless {}", at("aws")),
        format!(r#"-u "me:$FAKE" -H "x: $FAKE" -d "$FAKE" '{}&k='"$FAKE""#, at("fake")),
        format!(r#"-H "x: $FAKE" {}"#, at("inject")),
        format!(r#"-d "$FAKE" {}"#, at("denied")),
        "http://inject.example.test/".to_owned(),
        format!("-X TRACE {}", at("inject")),
        format!("-r 0-0 {}", at("inject")),
        format!("https://{ONE}/basic/br/bytes/body"),
        format!("https://{TWO}/raw/gzip/bytes/trailer"),
        format!("https://{TWO}/reset"),
        format!("--http1.1 https://{ONE}/bomb/zstd"),
    ]);
    all.iter().map(|one| format!("{CURL} -s -o /dev/null -w '%{{http_code}} ' {one}\n")).collect()
}

fn nothing_tells_them(user: User) {
    let lab = Lab::new(user);
    let server = Server::start(&lab);
    let names: Vec<String> =
        USES.iter().filter(|name| **name != "broken").map(|name| format!("{name}.example.test")).collect();
    let origin = lab.origin(Settings { names, ..Settings::default() });
    let broken = Settings {
        names: vec!["broken.example.test".to_owned()],
        transport: Transport::Tls(Certificate::WrongName),
        ..Settings::default()
    };
    let broken = lab.origin(broken);
    let value = lab.canary.value();
    lab.write("secret.txt", value);
    let gone = lab.write("gone.txt", value);
    lab.write("work/secretless", "text");
    let text = policy(&lab, &server.plain_url());
    let entries = [server.resolve_entries(), origin.resolve_entries(), broken.resolve_entries()].concat();
    let text = format!("{text}\nresolve:\n{entries}");
    let script = format!("echo ready\nread line\n{}\necho done\nread line", requests());
    let run = lab.run(&text, &[]).env("PROXY_EVERYTHING_LOG", LOG).arguments(&["--class", "builder"]);
    let mut running = run.start(&[SH, "-c", &script]);
    assert_eq!(running.hear(), "ready");
    fs::write(&gone, format!("{value}\n{value}")).unwrap();
    running.say("");
    let statuses = running.hear();
    assert!(statuses.ends_with("done"), "{statuses}");
    // Values that are none.
    lab.write("bad.txt", &format!("{value}\u{1}{value}"));
    let refused = running.apply("secrets: { BAD: { file: bad.txt } }");
    assert!(!refused.status.success());
    lab.canary.assert_absent("the answer to a bad value", &[refused.stdout, refused.stderr].concat());
    admin_answers(&lab, &running);
    folder(&lab, &lab.path("state"));
    folder(&lab, &lab.path("components"));
    workload_shows_none(&lab, &running);
    running.say("");
    let finished = running.finish_abrupt();
    let told: Vec<&str> = finished.audit.exchanges().iter().filter_map(|one| one["error"].as_str()).collect();
    for error in [
        "secret_unavailable",
        "secret_not_bound",
        "placeholder_elsewhere",
        "secret_on_plaintext",
        "handler_failed",
        "body_broke",
    ] {
        assert!(told.contains(&error), "{error} did not happen: {told:?} {statuses}");
    }
    let styles: Vec<String> =
        finished.audit.exchanges().iter().map(|one| one["secrets"].to_string()).collect();
    for style in ["inject", "basic", "query", "sign", "placeholder", "handler"] {
        assert!(styles.iter().any(|one| one.contains(&format!("\"{style}\""))), "{style}: {styles:?}");
    }
    assert!(finished.stderr.contains("TRACE"), "the log says little");
    assert!(lab.canary.found(&origin.heard()).is_some() && lab.canary.found(&broken.heard()).is_none());
}

fn admin_answers(lab: &Lab, running: &Running<'_>) {
    let paths =
        "status metrics policy policy/parts overrides rules handlers placeholders ca ca/bundle nothing";
    let gets = paths.split(' ').map(|path| ("GET", path, ""));
    let explain = ("POST", "explain", r#"{ "url": "https://inject.example.test/" }"#);
    for (method, path, body) in gets.chain([explain]) {
        let answer = running.admin(method, &format!("/v1/{path}"), body);
        assert!(answer.status == 200 || path == "nothing", "{path}: {answer:?}");
        lab.canary.assert_absent(path, format!("{}{}", answer.head, answer.body).as_bytes());
    }
}

fn folder(lab: &Lab, path: &Path) {
    for entry in fs::read_dir(path).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            folder(lab, &entry.path());
        } else if kind.is_file() {
            lab.canary.assert_absent(&entry.path().display().to_string(), &fs::read(entry.path()).unwrap());
        }
    }
}

/// The proxy's own environment is where a secret may come from, and is nobody's to read; of all others there is nothing to see.
fn workload_shows_none(lab: &Lab, running: &Running<'_>) {
    let proxy = running.pid();
    let mut looked_at = 0;
    for pid in [&[proxy][..], &processes::descendants(proxy)].concat() {
        let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        lab.canary.assert_absent("a command line", &read("cmdline"));
        if processes::program(pid) == "sh" {
            looked_at += 1;
            lab.canary.assert_absent("the workload's environment", &read("environ"));
        }
    }
    assert_eq!(looked_at, 1);
    if lab.user == User::Nobody {
        for name in ["environ", "mem", "maps"] {
            let read = lab.user.command("/bin/cat").arg(format!("/proc/{proxy}/{name}")).output().unwrap();
            assert!(!read.status.success() && read.stdout.is_empty(), "{name} can be read");
        }
    }
}

/// Neither when it crashes, whatever its limits are, nor for another process of the same user.
fn no_memory_is_left_behind(user: User) {
    let lab = Lab::new(user);
    let unlimited = [SH, "-c", "ulimit -c unlimited && exec \"$@\"", "sh"];
    let run = lab.run(harness::TOKEN_POLICY, &[]).through(&unlimited);
    let mut process = run.process(&["/bin/cat"], 0);
    let mut child =
        process.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let socket = lab.path("state/run-0.sock");
    wait::until("the admin socket", || socket.exists().then_some(()));
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    // Processes that may be dumped belong to their user there, all others to root.
    let owner = fs::metadata(format!("/proc/{}/environ", child.id())).unwrap().uid();
    assert_eq!(owner, 0, "{core}");
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGABRT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.signal(), status.core_dumped()), (Some(Signal::SIGABRT as i32), false), "{core}");
    let is_core = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("core");
    assert!(!fs::read_dir(lab.path("work")).unwrap().flatten().any(|entry| is_core(&entry)), "{HOST}");
}
