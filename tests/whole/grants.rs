//! What handlers are granted by name: values, state, objects and counters, kept where the document says, seen by nobody else, and
//! there again after a change of policy; and what they write, in the record of their exchange.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use harness::{HOST, Lab, Running, User, for_each_user};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::handlers::built_example;
use crate::programs::{DIALOGUE, PYTHON, SH};

for_each_user!(
    values_in_memory_outlive_changes,
    values_in_a_file_outlive_the_proxy,
    values_in_redis_are_the_servers,
    state_belongs_to_one_instance,
    stores_are_hidden_from_the_workload,
    objects_in_a_folder,
    objects_in_a_bucket,
    a_limit_counts_on,
    lines_and_programs_are_in_the_record,
);

/// Everything goes through the guest, which is granted this.
fn policy(lab: &Lab, grants: &str, rest: &str) -> String {
    let wasm = built_example(lab, "grants").display().to_string();
    format!("outbound: grants\nhandlers: {{ grants: {{ wasm: {wasm:?}, {grants} }} }}\n{rest}\n")
}

fn start<'a>(lab: &'a Lab, policy: &str) -> Running<'a> {
    lab.run(policy, &[]).start(&[PYTHON, "-c", DIALOGUE, HOST])
}

fn apply(running: &Running<'_>, policy: &str) {
    let output = running.apply(policy);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn values_in_memory_outlive_changes(user: User) {
    let lab = Lab::new(user);
    let with = |more: &str| {
        let rest = format!("stores: {{ scratch: {{ memory: {{}} }} }}\n{more}");
        policy(&lab, "keyvalue: { KEYS: scratch }", &rest)
    };
    let mut running = start(&lab, &with(""));
    assert_eq!(running.ask("GET /set/a/1"), "200 set");
    apply(&running, &with("deniedHosts: [other.example.test]"));
    assert_eq!(running.ask("GET /get/a"), "200 1");
    let wasm = json!({ "name": "grants", "wasm": lab.path("grants.wasm") });
    assert_eq!(running.admin("POST", "/v1/setHandler", &wasm.to_string()).status, 200);
    assert_eq!(running.ask("GET /get/a"), "200 1");
    let _ = running.finish().ok();
    let mut running = start(&lab, &with(""));
    assert_eq!(running.ask("GET /get/a"), "200 none");
    let _ = running.finish().ok();
}

/// Even one that is killed, right after the answer.
fn values_in_a_file_outlive_the_proxy(user: User) {
    let lab = Lab::new(user);
    let policy = policy(&lab, "keyvalue: { KEYS: keys }", "stores: { keys: { file: keys.db } }");
    for sum in 1..=3 {
        let mut running = start(&lab, &policy);
        assert_eq!(running.ask("GET /sum/a"), format!("200 {sum}"));
        running.signal(Signal::SIGKILL);
        let _ = running.finish_abrupt();
    }
}

/// A real server, on a port of its own.
struct Redis {
    child: Child,
    port: String,
    password: String,
}

impl Redis {
    fn start(password: &str) -> Self {
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
            let arguments = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--requirepass", password];
            let mut command = Command::new("redis-server");
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
            let mut child = command.spawn().expect("start redis-server");
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            if lines.map_while(Result::ok).any(|line| line.contains("Ready to accept connections")) {
                return Self { child, port, password: password.to_owned() };
            }
            // Somebody else took the port meanwhile.
            let _ = child.wait();
        }
    }

    fn ask(&self, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port]).args(words).env("REDISCLI_AUTH", &self.password);
        String::from_utf8(command.output().expect("run redis-cli").stdout).unwrap().trim_end().to_owned()
    }

    fn stores(&self) -> String {
        format!(
            "secrets: {{ API_TOKEN: {{ env: API_TOKEN }} }}\nstores:\n  shared: {{ redis: {{ url: \"redis://127.0.0.1:{}\", password: API_TOKEN, prefix: \"pe:\" }} }}",
            self.port
        )
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next request sees what was changed there meanwhile.
fn values_in_redis_are_the_servers(user: User) {
    let lab = Lab::new(user);
    let redis = Redis::start(lab.canary.value());
    let mut running = start(&lab, &policy(&lab, "keyvalue: { KEYS: shared }", &redis.stores()));
    assert_eq!(running.ask("GET /get/a"), "200 none");
    assert_eq!(redis.ask(&["SET", "pe:a", "outside"]), "OK");
    assert_eq!(running.ask("GET /get/a"), "200 outside");
    assert_eq!(running.ask("GET /set/a/inside"), "200 set");
    assert_eq!(redis.ask(&["GET", "pe:a"]), "inside");
    drop(redis);
    assert!(running.ask("GET /get/a").starts_with("502 "));
    let _ = running.finish().ok();
}

fn state_belongs_to_one_instance(user: User) {
    let lab = Lab::new(user);
    let redis = Redis::start(lab.canary.value());
    let file = "stores: { shared: { file: keys.db } }".to_owned();
    for stores in [file, redis.stores()] {
        let policy = policy(&lab, "state: { STATE: shared }", &stores);
        for (id, word, all) in [("one", "x", "x"), ("two", "y", "y"), ("one", "z", "x,z")] {
            let run = lab.run(&policy, &[]).id(id);
            let mut running = run.start(&[PYTHON, "-c", DIALOGUE, HOST]);
            assert_eq!(running.ask(&format!("GET /own/{word}")), format!("200 {all}"));
            assert!(running.ask("GET /other/three").starts_with("502 "));
            let _ = running.finish().ok();
        }
    }
}

/// Nor can one be opened later that the workload was able to see.
fn stores_are_hidden_from_the_workload(user: User) {
    let lab = Lab::new(user);
    lab.directory("objects");
    lab.write("objects/kept", "kept");
    let stores = |file: &str| {
        let rest = format!("stores: {{ keys: {{ file: {file} }}, objects: {{ folder: objects }} }}");
        policy(&lab, "keyvalue: { KEYS: keys }, blobstore: { FILES: objects }", &rest)
    };
    let script = r#"cat "$1/keys.db" "$1/objects/kept"; echo forged >> "$1/keys.db"; echo forged > "$1/objects/kept"; touch "$1/objects/new"
rm -rf "$1/objects/kept" "$1/keys.db"; exec "$2" -c "$3" "$4""#;
    let root = lab.root().to_str().unwrap();
    let command = [SH, "-c", script, "sh", root, PYTHON, DIALOGUE, HOST];
    let mut running = lab.run(&stores("keys.db"), &[]).start(&command);
    assert_eq!(running.ask("GET /sum/a"), "200 1");
    assert_eq!(fs::read_to_string(lab.path("objects/kept")).unwrap(), "kept");
    assert!(!lab.path("objects/new").exists());
    let output = running.apply(&stores("other.db"));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("was not hidden from the workload"), "{told}");
    assert_eq!(running.ask("GET /sum/a"), "200 2");
    let _ = running.finish().ok();
}

/// Larger than one part of an upload.
const LENGTH: usize = 9_000_000;

fn objects_in_a_folder(user: User) {
    let lab = Lab::new(user);
    lab.directory("objects");
    objects(&lab, "stores: { objects: { folder: objects } }", &[]);
    assert_eq!(fs::metadata(lab.path("objects/one/two")).unwrap().len(), LENGTH as u64);
}

/// The server checks the signatures.
fn objects_in_a_bucket(user: User) {
    let lab = Lab::new(user);
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/moto/bin/python");
    assert!(python.exists(), "{} is missing; build it first: make target/moto", python.display());
    let server = include_str!("../../proxy-everything/src/stores/tests/s3_server.py");
    let mut command = Command::new(python);
    // It ends with its standard input.
    command.args(["-c", server]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("start the server");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).expect("the server's words");
    let stores = format!(
        "secrets: {{ S3_ID: {{ env: S3_ID }}, S3_KEY: {{ env: S3_KEY }} }}\nstores:\n  objects: {{ s3: {{ bucket: bucket, endpoint: {}, region: us-east-1, accessKeyId: S3_ID, secretAccessKey: S3_KEY, prefix: \"x/\" }} }}",
        told["endpoint"]
    );
    let text = |name: &str| told[name].as_str().unwrap();
    objects(&lab, &stores, &[("S3_ID", text("id")), ("S3_KEY", text("key"))]);
    drop(child.stdin.take());
    let _ = child.wait();
}

/// Streamed in and out, read in part, listed, and missed.
fn objects(lab: &Lab, stores: &str, environment: &[(&str, &str)]) {
    let [files, grants] = ["stores", "grants"].map(|name| built_example(lab, name).display().to_string());
    let policy = format!(
        "outboundByHost: {{ files.internal: files, {HOST}: grants }}\nhandlers:\n  files: {{ wasm: {files:?}, blobstore: {{ FILES: objects }} }}\n  grants: {{ wasm: {grants:?}, blobstore: {{ FILES: objects }} }}\n{stores}\n"
    );
    let script = format!(
        "set -e; head -c {LENGTH} /dev/urandom > whole; curl -sS -T whole http://files.internal/two | grep -c etag
curl -sS http://files.internal/two | cmp - whole && echo same
curl -sS https://{HOST}/range/8388600/16 > part; tail -c +8388601 whole | head -c 16 | cmp - part && echo part
curl -sS https://{HOST}/list; echo; curl -sS -o none -w '%{{http_code}}' http://files.internal/none"
    );
    let mut run = lab.run(&policy, &[]).id("one");
    for (name, value) in environment {
        run = run.env(name, value);
    }
    let finished = run.finish(&[SH, "-c", &script]).ok();
    assert_eq!(finished.stdout, format!("1\nsame\npart\none/two {LENGTH}\n404"));
}

/// For each key, whatever becomes of the policy.
fn a_limit_counts_on(user: User) {
    let lab = Lab::new(user);
    let limited = built_example(&lab, "limited").display().to_string();
    let origin = lab.origin(harness::Settings::default());
    let with = |more: &str| {
        let limits = "rateLimits: { LIMITER: { limit: 2, periodMs: 3600000 } }";
        format!("outbound: limited\nhandlers: {{ limited: {{ wasm: {limited:?}, {limits} }} }}\n{more}\n")
    };
    let mut running = lab.run(&with(""), &[&origin]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
    assert_eq!(running.ask("GET /"), "200 hello from api.example.test");
    apply(&running, &with("deniedHosts: [other.example.test]"));
    assert_eq!(running.ask("GET /"), "200 hello from api.example.test");
    apply(&running, &with(""));
    assert_eq!(running.ask("GET /"), "429 too many requests");
    let _ = running.finish().ok();
    assert_eq!(origin.requests().len(), 2);

    let keys = policy(&lab, "rateLimits: { LIMITER: { limit: 1, periodMs: 3600000 } }", "");
    let mut running = start(&lab, &keys);
    for (key, within) in [("a", "true"), ("a", "false"), ("b", "true"), ("b", "false")] {
        assert_eq!(running.ask(&format!("GET /limit/{key}")), format!("200 {within}"));
    }
    let _ = running.finish().ok();
}

/// That no secret is among them, the harness sees to.
fn lines_and_programs_are_in_the_record(user: User) {
    let lab = Lab::new(user);
    let secrets = "secrets: { SECRET: { env: API_TOKEN } }";
    let mut running = start(&lab, &policy(&lab, "version: \"1.2.0\", secrets: [SECRET]", secrets));
    assert_eq!(running.ask("GET /log/150"), "200 logged");
    assert_eq!(running.ask("GET /log/2"), "200 logged");
    let finished = running.finish().ok();
    let sha256 = format!("{:x}", Sha256::digest(fs::read(lab.path("grants.wasm")).unwrap()));
    let exchanges = finished.audit.exchanges();
    for (record, lines, dropped) in [(exchanges[0], 100, json!(50)), (exchanges[1], 2, Value::Null)] {
        let component = json!({ "handler": "grants", "version": "1.2.0", "sha256": sha256 });
        assert_eq!(record["components"], json!([component]));
        let log = record["log"].as_array().unwrap();
        assert_eq!((log.len(), &record["logDropped"]), (lines, &dropped), "{record}");
        assert_eq!((&log[0]["handler"], &log[0]["level"]), (&json!("grants"), &json!("warn")));
        assert!(log[0]["message"].as_str().unwrap().starts_with("the secret is "), "{record}");
        assert_eq!(log[1], json!({ "handler": "grants", "level": "info", "message": "1" }));
    }
}
