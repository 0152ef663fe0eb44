//! Connections on which nothing happens cost little, however many, and those that never say what they want are closed on time.
//!
//! What a connection costs is resident memory of the proxy: TLS, HTTP, buffers, record, and what the allocator rounds up.

use harness::{HOST, Lab, Settings, Transport, User, processes};

use crate::programs::{IDLE, PYTHON};

/// Connections in one test.
const MANY: u64 = 5_000;
/// Resident memory of one idle connection, at most.
const KIB_EACH: u64 = 64;
const POLICY: &str = "allowedHosts: [\"*.example.test\"]";

#[test]
fn five_thousand_over_http1() {
    cheap("h1", Settings::default());
}

#[test]
fn five_thousand_over_http2() {
    cheap("h2", Settings::default());
}

#[test]
fn five_thousand_without_tls() {
    cheap("plain", Settings { transport: Transport::Plain, ..Settings::default() });
}

fn cheap(kind: &str, settings: Settings) {
    let lab = Lab::new(User::Root);
    let origin = lab.origin(settings);
    let run = lab.run(POLICY, &[&origin]);
    let mut running = run.start(&[PYTHON, "-c", IDLE, HOST, kind, &MANY.to_string()]);
    let before = processes::resident_kib(running.pid()).expect("the proxy runs");
    assert_eq!(running.hear(), "open");
    let after = processes::resident_kib(running.pid()).expect("the proxy runs");
    let each = after.saturating_sub(before) / MANY;
    println!("an idle connection over {kind} takes {each} KiB");
    assert!(each <= KIB_EACH, "{each} KiB each: {before} KiB, then {after} KiB");
    assert_eq!(running.ask("again"), MANY.to_string());
    let _ = running.finish().ok();
}

#[test]
fn half_a_handshake_is_closed_on_time() {
    let lab = Lab::new(User::Root);
    let policy = format!("{POLICY}\nlimits: {{ tlsHandshakeTimeoutMs: 1500 }}");
    let origin = lab.origin(Settings::default());
    let mut running = lab.run(&policy, &[&origin]).start(&[PYTHON, "-c", IDLE, HOST, "half", "500"]);
    assert_eq!(running.hear(), "open");
    let waited = running.hear();
    let waited: Vec<f64> = waited.split(' ').map(|seconds| seconds.parse().expect(&waited)).collect();
    assert!(waited[0] >= 1.4 && waited[1] < 10.0, "closed after {waited:?} seconds");
    let finished = running.finish().ok();
    let late =
        finished.audit.connections().iter().filter(|one| one["error"] == "workload_tls_timeout").count();
    assert_eq!(late, 500);
}
