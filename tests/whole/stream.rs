//! A gigabyte in each direction arrives whole, and the proxy does not hold it.
//!
//! One user streams over HTTP/2, the other over HTTP/1.1. The proxy's memory is sampled all the while.

use harness::{HOST, Lab, Settings, TOKEN_POLICY, User, for_each_user, origin, processes, wait};
use serde_json::Value;

use crate::programs::{CURL, GENERATE, PYTHON, SH};

for_each_user!(up, down, an_early_answer_is_seen);

const LENGTH: u64 = 1 << 30;
const MAY_GROW_KIB: u64 = 30 * 1024;

fn up(user: User) {
    let script = format!(
        "{PYTHON} -c \"$1\" {LENGTH} 2> ../home/sum | {CURL} -sS {} -T - https://{HOST}/upload && echo",
        version(user)
    );
    let lab = Lab::new(user);
    let line = measured(&lab, &script);
    let sum = std::fs::read_to_string(lab.path("home/sum")).unwrap();
    let received: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&received["length"], &received["sha256"]), (&LENGTH.into(), &sum.trim().into()));
}

fn down(user: User) {
    let lab = Lab::new(user);
    let script = format!("{CURL} -sS {} https://{HOST}/stream/{LENGTH} | sha256sum", version(user));
    let line = measured(&lab, &script);
    assert_eq!(line.split(' ').next().unwrap(), origin::pattern_sha256(LENGTH));
}

fn version(user: User) -> &'static str {
    if user == User::Root { "--http2" } else { "--http1.1" }
}

/// What `script` prints; fails if the proxy grows while it runs. A first request warms the proxy up.
fn measured(lab: &Lab, script: &str) -> String {
    let origin = lab.origin(Settings::default());
    let script = format!("{CURL} -sS https://{HOST}/token && read go && {script}");
    let mut running = lab.run(TOKEN_POLICY, &[&origin]).start(&[SH, "-c", &script, "sh", GENERATE]);
    assert_eq!(running.hear(), "the token is right");
    let proxy = running.pid();
    let before = processes::resident_kib(proxy).expect("the proxy runs");
    running.say("go");
    let mut most = before;
    let ended = wait::within(4 * wait::DEADLINE, || {
        let now = processes::resident_kib(proxy).unwrap_or(0);
        most = most.max(now);
        (now == 0).then_some(())
    });
    assert!(ended.is_some(), "the stream does not end");
    let line = running.hear();
    let finished = running.finish().ok();
    assert!(most - before < MAY_GROW_KIB, "the proxy grew from {before} KiB to {most} KiB");
    let record = finished.audit.exchanges()[1].clone();
    let bytes =
        record["bytesFromWorkload"].as_u64().unwrap().max(record["bytesToWorkload"].as_u64().unwrap());
    assert!(bytes >= LENGTH, "{record}");
    line
}

/// A refusal comes while the body is still on its way, larger than any buffer; the client must get to see it.
fn an_early_answer_is_seen(user: User) {
    let lab = Lab::new(user);
    let script = "for version in --http1.1 --http2; do
        head -c 100000000 /dev/zero | \"$1\" -sS $version -o /dev/null -w '%{http_code}\\n' -H 'Expect:' -T - \\
            --connect-to ::198.51.100.1:443 https://denied.example.test/ || exit 1
    done";
    let finished = lab.run(TOKEN_POLICY, &[]).finish(&[SH, "-c", script, "sh", CURL]).ok();
    assert_eq!(finished.stdout, "403\n403\n", "{}", finished.stderr);
}
