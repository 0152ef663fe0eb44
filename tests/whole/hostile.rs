//! Handlers that do all the harm they can, through the whole proxy.
//!
//! Each leaves its own exchange with a status, the right word and none of its text, and one record; bystanders beside them are served
//! as quickly as without; and in the end the proxy holds no more than before.

use std::collections::BTreeMap;
use std::fs;

use harness::{HOST, Lab, Running, Settings, User, for_each_user, processes};
use serde_json::{Value, json};

use crate::guests;
use crate::handlers::built_example;
use crate::programs::{ASK, BYSTANDERS, PYTHON};

for_each_user!(
    each_harms_only_its_own_exchange,
    a_tail_that_loops_delays_nobody,
    names_that_objects_have_are_names_like_others,
);

/// What a guest's own words hold, so that they can be told from ours.
const WORDS: &str = "GUEST-WORDS";
/// A host that a well-behaved handler answers for.
const HANDLED: &str = "handled.example.test";
/// Quiet rounds, and as many with hostile handlers, in turn.
const ROUNDS: usize = 3;
const SECONDS: u64 = 5;
/// Below this the difference is the machine's: two cores are shared by the workload, the proxy, the origin and who else is there.
const NOISE_MS: f64 = 20.0;
/// What the allocator and warm instances keep differs from moment to moment.
const MAY_GROW_KIB: u64 = 48 * 1024;
const MAY_OPEN: usize = 16;

const CPU: (u16, &str) = (504, "handler_cpu");
const DEADLINE: (u16, &str) = (504, "handler_deadline");
const MEMORY: (u16, &str) = (502, "handler_memory");
const TRAPPED: (u16, &str) = (502, "handler_trapped");
const FAILED: (u16, &str) = (502, "handler_failed");
const NOT_REACHED: (u16, &str) = (502, "upstream_failed");

/// Deeds of `hostile.js` that end in an error.
const JAVASCRIPT: &[(&str, (u16, &str))] = &[
    ("spin", CPU),
    ("microtasks", CPU),
    ("arrays", MEMORY),
    ("strings", FAILED),
    ("bodies", FAILED),
    ("fetches", FAILED),
    ("itself", FAILED),
    ("other-host", NOT_REACHED),
    ("private-address", NOT_REACHED),
    ("metadata", NOT_REACHED),
    ("other-scheme", FAILED),
    ("bad-value", FAILED),
    ("bad-path", FAILED),
    ("crash", FAILED),
    ("huge", FAILED),
    ("recursion", TRAPPED),
    ("half", FAILED),
    ("never", DEADLINE),
    ("late", DEADLINE),
    ("nothing", FAILED),
    ("logs", CPU),
    ("logs-secrets", FAILED),
    ("prototypes", FAILED),
    ("random", CPU),
    ("key", FAILED),
    ("value", FAILED),
    ("rate-keys", CPU),
    ("bad-status", FAILED),
];

/// Deeds of it that begin after an answer.
const LATER: &[&str] = &["loops-after", "throws-after", "waits-after"];

/// Deeds of `handler.wat`: what `handle` does.
const TEXT: &[(&str, &str, (u16, &str))] = &[
    ("loop", "(loop (br 0)) unreachable", CPU),
    ("trap", "unreachable", TRAPPED),
    ("memory", "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable", MEMORY),
    ("table", "(loop (br_if 0 (i32.ne (table.grow $table (ref.null func) (i32.const 999)) (i32.const -1)))) unreachable", MEMORY),
    ("deep", "(call $deep) unreachable", TRAPPED),
    ("bad-address", "(i32.const -8)", TRAPPED),
    ("error", "(drop (memory.grow (i32.const 64))) (memory.fill (i32.const 131072) (i32.const 71) (i32.const 4000000))
        (i32.store (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (i32.const 131072))
        (i32.store (i32.const 8) (i32.const 4000000)) (i32.const 0)", FAILED),
    ("status-0", "(call $answer (i32.const 0) (i32.const 64) (i32.const 1))", FAILED),
    ("status-99", "(call $answer (i32.const 99) (i32.const 64) (i32.const 1))", FAILED),
    ("status-101", "(call $answer (i32.const 101) (i32.const 64) (i32.const 1))", FAILED),
    ("status-1000", "(call $answer (i32.const 1000) (i32.const 64) (i32.const 1))", FAILED),
    ("crlf", "(call $answer (i32.const 200) (i32.const 64) (i32.const 17))", FAILED),
    ("nul", "(call $answer (i32.const 200) (i32.const 96) (i32.const 12))", FAILED),
    ("large-field", "(drop (memory.grow (i32.const 64))) (memory.fill (i32.const 131072) (i32.const 71) (i32.const 4000000))
        (call $answer (i32.const 200) (i32.const 131072) (i32.const 4000000))", FAILED),
    ("fields", "(drop (memory.grow (i32.const 64)))
        (i32.store16 (i32.const 4) (i32.const 200)) (i32.store (i32.const 8) (i32.const 8192))
        (i32.store (i32.const 12) (i32.const 100000)) (i32.const 0)", FAILED),
    ("method", "(local.set 0 (i32.const 64)) (local.set 1 (i32.const 17)) (call $go)", FAILED),
    ("scheme", "(local.set 2 (i32.const 144)) (local.set 3 (i32.const 3)) (call $go)", FAILED),
    ("authority", "(local.set 4 (i32.const 176)) (local.set 5 (i32.const 12)) (call $go)", FAILED),
    ("address", "(local.set 4 (i32.const 160)) (local.set 5 (i32.const 8)) (call $go)", NOT_REACHED),
    ("path", "(local.set 6 (i32.const 176)) (local.set 7 (i32.const 12)) (call $go)", FAILED),
    ("sends", "(loop (drop (call $send (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
        (br 0)) unreachable", MEMORY),
    ("pipes", "(loop (call $pipe (i32.const 16)) (br 0)) unreachable", TRAPPED),
    ("resources", "(local.set 0 (i32.const 10000))
        (loop (drop (call $resource-new (i32.const 0))) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (call $answer (i32.const 200) (i32.const 64) (i32.const 1))", TRAPPED),
    ("streams-of-it", "(loop (drop (call $stream-new)) (br 0)) unreachable", TRAPPED),
    ("futures", "(loop (drop (call $future-new)) (br 0)) unreachable", TRAPPED),
    ("sets", "(local.set 0 (i32.const 10000))
        (loop (drop (call $set-new)) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (call $answer (i32.const 200) (i32.const 64) (i32.const 1))", TRAPPED),
];

/// A response of 299, and what is done after it.
const RESPOND: &str = "(call $respond (i32.const 299) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 32))";

/// What one round came to.
struct Round {
    /// 99th percentiles in milliseconds.
    plain: f64,
    handled: f64,
    others: Vec<(String, u64, String)>,
}

fn each_harms_only_its_own_exchange(user: User) {
    let lab = Lab::new(user);
    let fetching =
        ["bodies", "fetches", "itself", "half", "endless"].map(|name| format!("{name}.hostile.test"));
    let names = fetching.into_iter().chain([HOST.to_owned()]).collect();
    let origin = lab.origin(Settings { names, ..Settings::default() });
    let cases = cases();
    let asked: Vec<_> = cases.iter().map(|(name, ..)| (name.clone(), path(name))).collect();
    let mut running = lab
        .run(&policy(&lab, &cases), &[&origin])
        .env("PROXY_EVERYTHING_LOG", "info")
        .start(&[PYTHON, "-c", BYSTANDERS, HOST, HANDLED, "100"]);
    assert_eq!(running.hear(), "ready");
    round(&mut running, &asked);
    let before = Used::of(&running);
    let (mut quiet, mut hostile) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        quiet.push(round(&mut running, &[]));
        hostile.push(round(&mut running, &asked));
    }
    round(&mut running, &[]);
    let after = Used::of(&running);
    let median = |rounds: &[Round], of: fn(&Round) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    for (name, of) in [("plain", (|it: &Round| it.plain) as fn(&Round) -> f64), ("handled", |it| it.handled)]
    {
        let (without, with) = (median(&quiet, of), median(&hostile, of));
        println!("{name}: p99 {without:.1} ms without, {with:.1} ms with hostile handlers");
        assert!(with < 2.0 * without.max(NOISE_MS), "{name}: {without} ms became {with} ms");
    }
    println!("{before:?} then {after:?}");
    assert!(after.kib < before.kib + MAY_GROW_KIB, "the proxy grew from {before:?} to {after:?}");
    assert!(after.descriptors < before.descriptors + MAY_OPEN, "descriptors: {before:?} then {after:?}");
    for round in &hostile {
        for ((name, status, text), (expected, end)) in
            round.others.iter().zip(cases.iter().map(|it| (&it.0, it.2)))
        {
            assert_eq!(name, expected);
            end.check(name, *status, text);
        }
    }
    let finished = running.finish_abrupt().ok();
    finished.audit.assert_one_record_each();
    let mut told: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for record in finished.audit.exchanges() {
        told.entry(record["handlers"][0].as_str().unwrap_or("")).or_default().push(record);
    }
    for (name, _, end) in &cases {
        let words: Vec<_> = told[&**name].iter().map(|record| record["error"].as_str()).collect();
        assert_eq!(words, vec![end.word(); ROUNDS + 1], "{name}: {:?}", told[&**name]);
    }
}

/// How an exchange ends.
#[derive(Clone, Copy)]
enum End {
    /// With our own text: the status and the word.
    Refused(u16, &'static str),
    /// With the guest's answer.
    Answered(u16),
    /// With the head of the guest's answer.
    CutOff(u16, &'static str),
}

impl End {
    fn check(self, name: &str, status: u64, text: &str) {
        let expected = match self {
            // It may break off before the head is on its way.
            Self::CutOff(..) if status == 0 => 0,
            Self::Refused(status, _) | Self::Answered(status) | Self::CutOff(status, _) => status,
        };
        assert_eq!(status, u64::from(expected), "{name}: {text}");
        assert!(!text.contains(WORDS), "{name}: {text}");
        match self {
            Self::Answered(_) => {}
            Self::CutOff(..) => assert_eq!(text, "cut off", "{name}"),
            Self::Refused(_, word) => {
                let problem: Value = serde_json::from_str(text).unwrap();
                assert_eq!(
                    (&problem["reason"], &problem["detail"]),
                    (&word.into(), &"a handler failed".into()),
                    "{name}"
                );
            }
        }
    }

    fn word(self) -> Option<&'static str> {
        match self {
            Self::Answered(_) => None,
            Self::Refused(_, word) | Self::CutOff(_, word) => Some(word),
        }
    }
}

/// Every hostile handler: its name, which is its host's too, what it is in the policy, and how its exchanges end.
fn cases() -> Vec<(String, Guest, End)> {
    let refused = |(status, word): (u16, &'static str)| End::Refused(status, word);
    let mut all = Vec::new();
    let mut add = |name: &str, guest, end| all.push((name.to_owned(), guest, end));
    for (deed, end) in JAVASCRIPT {
        add(deed, Guest::JavaScript, refused(*end));
    }
    for deed in LATER {
        add(deed, Guest::JavaScript, End::Answered(200));
    }
    add("unfinished", Guest::JavaScript, End::CutOff(200, "body_broke"));
    for (name, deed, end) in TEXT {
        add(&format!("wat-{name}"), Guest::Text(text(deed, "")), refused(*end));
    }
    let start = "(func $spin (loop (br 0))) (start $spin)";
    add("wat-start", Guest::Text(text("unreachable", "").replace(";; FUNCTIONS", start)), refused(CPU));
    let part = "(core instance (instantiate $more))".repeat(3);
    let parts = format!("(core module $more (memory 500)) {part}");
    add("wat-memories", Guest::Text(text("unreachable", &parts)), refused(MEMORY));
    for (name, then, end) in [
        ("twice", format!("{RESPOND} (call $answer (i32.const 298) (i32.const 64) (i32.const 1))"), 299),
        ("loop-after", "(loop (br 0)) unreachable".to_owned(), 299),
        ("trap-after", "unreachable".to_owned(), 299),
    ] {
        add(&format!("wat-{name}"), Guest::Text(text(&format!("{RESPOND} {then}"), "")), End::Answered(end));
    }
    let unfinished = "(call $pipe (i32.const 16))
        (i32.store16 (i32.const 4) (i32.const 200)) (i32.store8 (i32.const 16) (i32.const 2)) (i32.const 0)";
    add("wat-unfinished", Guest::Text(text(unfinished, "")), End::CutOff(200, "body_broke"));
    let silent = include_str!("../../handlers/tests/guests/hostile/silent.wat");
    add("wasi-silent", Guest::Text(silent.to_owned()), refused(FAILED));
    for (name, deed, end) in
        [("spin", guests::SPIN, CPU), ("trap", guests::TRAP, TRAPPED), ("hoard", guests::HOARD, MEMORY)]
    {
        add(&format!("request-{name}"), Guest::Text(guests::filter(Some(deed), None)), refused(end));
        add(&format!("response-{name}"), Guest::Text(guests::filter(None, Some(deed))), refused(end));
    }
    all
}

/// What a hostile handler is made of.
enum Guest {
    /// The deed of its name in `hostile.js`.
    JavaScript,
    /// A component as text.
    Text(String),
}

fn text(deed: &str, parts: &str) -> String {
    let locals: String = (0..13).map(|word| format!("(local.get {word}) ")).collect();
    let stores: String = (0..13)
        .map(|word| format!("(i32.store (i32.const {}) (local.get {word}))", 1024 + 4 * word))
        .collect();
    include_str!("../../handlers/tests/guests/hostile/handler.wat")
        .replace(";; STORE", &stores)
        .replace(";; PARTS", parts)
        .replace(";; FUNCTIONS", "(func $deep (call $deep) (call $deep)) ;; FUNCTIONS")
        .replace(";; DEED", &deed.replace("(call $go)", &format!("(call $forward {locals})")))
}

fn path(name: &str) -> String {
    match name {
        "half" => format!("/stream/{}", 64 << 20),
        "endless" => "/events".to_owned(),
        _ => "/".to_owned(),
    }
}

fn policy(lab: &Lab, cases: &[(String, Guest, End)]) -> String {
    let (hostile, good) = (built_example(lab, "hostile"), built_example(lab, "synthetic"));
    let mut bound = format!("  {HANDLED}: good\n");
    let mut handlers = format!("  good: {{ wasm: {good:?}, params: {{ pages: {{ /: fine }} }} }}\n");
    handlers += "  canned: { respond: { status: 200 } }\n";
    for (name, guest, _) in cases {
        let chain = if name.starts_with("response-") { format!("[{name}, canned]") } else { name.clone() };
        bound += &format!("  {name}.hostile.test: {chain}\n");
        handlers += &match guest {
            Guest::JavaScript => format!(
                "  {name}: {{ wasm: {hostile:?}, params: {{ deed: {name} }}, secrets: [SECRET], config: {{ PLAIN: x }},
    keyvalue: {{ KEYS: scratch }}, rateLimits: {{ LIMITER: {{ limit: 1000000, periodMs: 60000 }} }} }}\n"
            ),
            Guest::Text(text) => {
                lab.write(&format!("{name}.wat"), text);
                format!("  {name}: {{ wasm: {name}.wat }}\n")
            }
        };
    }
    format!(
        "allowedHosts: [{HOST}, {HANDLED}, \"*.hostile.test\"]
limits: {{ handlerCpuMs: 300, handlerMemoryMib: 64, handlerTimeoutMs: 8000 }}
stores: {{ scratch: {{ memory: {{}} }} }}
secrets: {{ SECRET: {{ env: API_TOKEN }} }}
outboundByHost:\n{bound}handlers:\n{handlers}"
    )
}

fn round(running: &mut Running<'_>, others: &[(String, String)]) -> Round {
    let told = running.ask(&json!({ "seconds": SECONDS, "others": others }).to_string());
    let told: Value = serde_json::from_str(&told).unwrap();
    let of = |host: &str| {
        assert_eq!(told["bystanders"][host][1], 0, "failed requests to {host}");
        told["bystanders"][host][0].as_f64().unwrap()
    };
    let others = serde_json::from_value(told["others"].clone()).unwrap();
    Round { plain: of(HOST), handled: of(HANDLED), others }
}

#[derive(Debug)]
struct Used {
    kib: u64,
    descriptors: usize,
}

impl Used {
    fn of(running: &Running<'_>) -> Self {
        let pid = running.pid();
        let kib = processes::resident_kib(pid).expect("the proxy runs");
        Self { kib, descriptors: fs::read_dir(format!("/proc/{pid}/fd")).expect("the proxy runs").count() }
    }
}

/// It is told again and again, and never done; whoever it is told of has long been served.
fn a_tail_that_loops_delays_nobody(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let tail = built_example(&lab, "hostile-tail");
    let policy = format!(
        "allowedHosts: [{HOST}]\ntail: [tail]\nlimits: {{ handlerCpuMs: 100 }}
handlers: {{ tail: {{ wasm: {tail:?}, onError: pass }} }}"
    );
    let url = format!("https://{HOST}/");
    let finished = lab.run(&policy, &[&origin]).finish(&[PYTHON, "-c", ASK, &url, &url, &url]).ok();
    let statuses: Vec<_> = finished.json_lines().iter().map(|answer| answer["status"].clone()).collect();
    assert_eq!(statuses, [200, 200, 200]);
    assert!(finished.stderr.contains("CPU budget spent"), "{}", finished.stderr);
    assert_eq!(finished.audit.exchanges().len(), 3);
}

/// A program chooses a function by the handler's name and the request's host.
fn names_that_objects_have_are_names_like_others(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let doors = built_example(&lab, "doors");
    for name in ["constructor", "toString", "__proto__", "hasOwnProperty"] {
        let policy = format!(
            "outbound: {name}\nallowedHosts: [{HOST}, constructor]\nhandlers: {{ {name}: {{ wasm: {doors:?} }} }}"
        );
        let finished =
            lab.run(&policy, &[&origin]).finish(&[PYTHON, "-c", ASK, &format!("https://{HOST}/")]).ok();
        assert_eq!(
            finished.json_lines()[0]["body"],
            format!("hello from {HOST}\n"),
            "{name}: {}",
            finished.stderr
        );
    }
}
