//! HTTP/2 by its rules, and beyond them.
//!
//! Frames that break RFC 9113, each on a connection of its own; floods of frames; streams that stand still. Nothing of it reaches an
//! upstream in another form, nobody else is held up, and the proxy does not grow.

use harness::{Lab, Running, Settings, User, Versions, for_each_user, processes, wait};
use serde_json::Value;

use crate::programs::{H2_FLOODS, H2_RULES, H2_STALLS, PYTHON};

for_each_user!(
    rules,
    floods,
    streams_that_stand_still,
    streams_that_never_move,
    a_response_that_is_not_taken_to_its_end
);

const POLICY: &str = "allowedHosts: [api.example.test]";
/// What one connection of 128 streams, and what is under way for it, may cost.
const MAY_GROW_KIB: u64 = 96 * 1024;

fn rules(user: User) {
    let lab = Lab::new(user);
    for versions in [Versions::Http1, Versions::Http2] {
        let origin = lab.origin(Settings { versions, ..Settings::default() });
        let finished = lab.run(POLICY, &[&origin]).start(&[PYTHON, "-c", H2_RULES]).finish_abrupt().ok();
        let told = finished.json_lines().remove(0);
        let cases = told.as_object().unwrap();
        assert!(cases.len() > 90, "{}", cases.len());
        let wrong: Vec<_> =
            cases.iter().filter(|(_, case)| !case[0].as_array().unwrap().contains(&case[1])).collect();
        assert!(wrong.is_empty(), "{versions:?}: {wrong:#?}");
        let requests = origin.requests();
        let mut paths = requests.iter().map(|seen| seen.uri.path());
        assert!(paths.all(|path| ["/", "/hold", "*"].contains(&path)), "{requests:#?}");
        let heard = String::from_utf8_lossy(&origin.heard()).to_lowercase();
        assert!(!heard.contains("evil"), "{heard}");
        if versions == Versions::Http1 {
            let heads = heard.matches(" http/1.1\r\n").count();
            assert!(heads >= requests.len());
            assert_eq!(heard.matches("\r\nhost: api.example.test\r\n").count(), heads);
            assert_eq!(heard.matches("\r\nhost:").count(), heads);
        }
        finished.audit.assert_one_record_each();
    }
}

/// Floods that the proxy's own budget ends, and those that the HTTP library ends.
const BUDGET: &str = "workload_flood";
const LIBRARY: &str = "workload_http";
const FLOODS: [(&str, &str); 22] = [
    ("rapid reset, one by one", ""),
    ("rapid reset", ""),
    ("reset of what is held", ""),
    ("made to reset, by a window of nothing", ""),
    ("made to reset, by a window too large", ""),
    ("made to reset, by priority", ""),
    ("made to reset, by data after the end", ""),
    ("made to reset, by headers that are none", LIBRARY),
    ("empty CONTINUATION", LIBRARY),
    ("CONTINUATION", LIBRARY),
    ("empty DATA", ""),
    ("DATA of nothing but padding", LIBRARY),
    ("bomb of one field", LIBRARY),
    ("cookies", LIBRARY),
    ("large lists", LIBRARY),
    ("PING", BUDGET),
    ("SETTINGS", BUDGET),
    ("PRIORITY", BUDGET),
    ("WINDOW_UPDATE", BUDGET),
    ("WINDOW_UPDATE of a stream", BUDGET),
    ("unknown frames", BUDGET),
    ("more and more streams", LIBRARY),
];

/// Whatever is sent without an end is ended, soon, and nobody else feels it.
fn floods(user: User) {
    let lab = Lab::new(user);
    // One of HTTP/2 has one connection for all of the workload's, and may end it for so many resets.
    let origin = lab.origin(Settings { versions: Versions::Http1, ..Settings::default() });
    let mut running = lab.run(POLICY, &[&origin]).start(&[PYTHON, "-c", H2_FLOODS]);
    assert_eq!(running.hear(), "ready 200");
    let before = processes::resident_kib(running.pid()).unwrap();
    for (name, _) in FLOODS {
        let already = origin.requests().len();
        let told: Value = serde_json::from_str(&running.ask(name)).unwrap();
        let requests = origin.requests().len() - already;
        assert!(
            ["closed", "goaway 1", "goaway 11"].contains(&told["end"].as_str().unwrap()),
            "{name}: {told}"
        );
        assert!(told["seconds"].as_f64() < Some(5.0) && told["bystander"] == "200", "{name}: {told}");
        // Of 20,000, and one of the bystander.
        assert!(requests < 500, "{name}: {requests} requests");
    }
    let peak = processes::peak_kib(running.pid()).unwrap();
    assert!(peak < before + MAY_GROW_KIB, "the proxy grew from {before} KiB to {peak} KiB");
    let finished = running.finish_abrupt().ok();
    finished.audit.assert_one_record_each();
    assert!(finished.audit.exchanges().len() >= origin.requests().len(), "a request without a record");
    let connections = finished.audit.connections();
    let words: Vec<_> = connections.iter().map(|record| record["error"].as_str().unwrap_or("")).collect();
    let expected = FLOODS.iter().filter(|(_, word)| *word == BUDGET).count();
    assert!(words.iter().filter(|word| **word == BUDGET).count() >= expected, "{words:?}");
}

fn ask(running: &mut Running<'_>, line: &str) -> Value {
    serde_json::from_str(&running.ask(line)).unwrap()
}

/// Who reads nothing, or is not read from, holds up nobody: neither on the same connection nor at the same upstream.
fn streams_that_stand_still(user: User) {
    let lab = Lab::new(user);
    for versions in [Versions::Http1, Versions::Http2] {
        let origin = lab.origin(Settings { versions, ..Settings::default() });
        let mut running = lab.run(POLICY, &[&origin]).start(&[PYTHON, "-c", H2_STALLS]);
        let before = processes::resident_kib(running.pid()).unwrap();
        assert_eq!(ask(&mut running, "read"), serde_json::json!([4_000_000, 4_000_000, 4_000_000]));
        if versions == Versions::Http1 {
            // An upstream of HTTP/2 has a window for all of its connection, too.
            assert_eq!(ask(&mut running, "write"), 8 * 16384);
        }
        let peak = processes::peak_kib(running.pid()).unwrap();
        assert!(peak < before + MAY_GROW_KIB, "{versions:?}: from {before} KiB to {peak} KiB");
        let connections: Vec<_> = origin.requests().iter().map(|seen| seen.connection).collect();
        assert!(versions == Versions::Http1 || connections.iter().all(|one| *one == connections[0]));
        origin.release();
        let _ = running.finish_abrupt();
    }
}

/// What is left of a response is held back by nobody whom the proxy could ask; its connection ends.
fn a_response_that_is_not_taken_to_its_end(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = format!("{POLICY}\nlimits: {{ bodyIdleTimeoutMs: 200, keepAliveTimeoutMs: 200 }}");
    let mut running = lab.run(&policy, &[&origin]).start(&[PYTHON, "-c", H2_STALLS]);
    assert_eq!(running.ask("dribble"), "1");
    let _ = running.finish_abrupt().ok();
}

/// They end on schedule, one by one.
fn streams_that_never_move(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = format!("{POLICY}\nlimits: {{ bodyIdleTimeoutMs: 1000 }}");
    let mut running = lab.run(&policy, &[&origin]).start(&[PYTHON, "-c", H2_STALLS]);
    let before = processes::resident_kib(running.pid()).unwrap();
    assert_eq!(running.ask("stall 4 125"), "500");
    let peak = processes::peak_kib(running.pid()).unwrap();
    assert!(peak < before + 4 * MAY_GROW_KIB, "from {before} KiB to {peak} KiB");
    wait::until("500 records", || (running.audit().exchanges().len() == 500).then_some(()));
    let finished = running.finish_abrupt().ok();
    for record in finished.audit.exchanges() {
        assert_eq!((&record["status"], &record["error"]), (&200.into(), &"body_stalled".into()), "{record}");
    }
}
