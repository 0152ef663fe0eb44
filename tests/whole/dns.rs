//! Names: what the policy may let through has an address, everything else does not exist.
//!
//! Whatever server the workload asks, the proxy answers, at once, over v4 and v6, UDP and TCP; and who runs the servers of a
//! domain learns of a question only if the policy says so.

use std::process::Command;

use harness::{Authority, Lab, Settings, User, for_each_user, processes};
use hickory_proto::rr::rdata::svcb::{Alpn, EchConfigList, IpHint, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, HTTPS, SVCB, TXT};
use hickory_proto::rr::{Name, RData, RecordType};

use crate::programs::{CURL, NAMES, PYTHON, QUESTIONS};

for_each_user!(
    names,
    answers,
    what_leads_inside_is_not_handed_out,
    a_name_of_handlers_is_not_asked_for_before_a_request,
    a_tunnel_is_cut,
    a_request_is_no_way_round_the_bounds,
    too_many_questions_are_refused,
    nothing_is_waited_for_without_end,
    a_connection_carries_many_questions,
    a_resolver_behind_a_translation_is_ours_too,
);

fn names(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = "allowedHosts: [api.example.test]";
    let command = [PYTHON, "-c", NAMES, "api.example.test", "evil.test", "sub.api.example.test"];
    let finished = lab.run(policy, &[&origin]).finish(&command).ok();
    let expected = "api.example.test AF_INET AF_INET6
evil.test unknown True
sub.api.example.test unknown True
198.51.100.53 rcode=0 answers=1 rcode=3 answers=0
2001:db8::53 rcode=0 answers=1 rcode=3 answers=0
127.0.0.53 rcode=0 answers=1 rcode=3 answers=0
other type rcode=5 answers=0
after nonsense rcode=0 answers=1
";
    assert_eq!(finished.stdout, expected, "{}", finished.stderr);
    let questions = finished.audit.questions();
    for (name, decision) in [("api.example.test", "allow"), ("evil.test", "deny")] {
        let found = questions.iter().any(|record| {
            record["decision"] == decision
                && record["authority"].as_str().is_some_and(|one| one.starts_with(name))
        });
        assert!(found, "{name} {decision}: {questions:?}");
    }
}

/// Documentation addresses are the outside world here: the policies name them.
const OUTSIDE: &str = "192.0.2.0/24, '2001:db8::/32'";

fn script(name: &str, kind: RecordType) -> Option<Vec<RData>> {
    let v4 = |last| RData::A(A::new(192, 0, 2, last));
    let many = |count: u8| (1..=count).map(v4).collect();
    Some(match (name, kind) {
        ("missing.allowed.test", _) => return None,
        ("mixed.allowed.test", RecordType::A) => vec![v4(7), RData::A(A::new(169, 254, 169, 254))],
        ("rebound.allowed.test", RecordType::A) => {
            vec![
                RData::A(A::new(169, 254, 169, 254)),
                RData::A(A::new(127, 0, 0, 1)),
                RData::A(A::new(10, 0, 0, 1)),
            ]
        }
        ("rebound.allowed.test", RecordType::AAAA) => ["::ffff:10.0.0.1", "::1", "64:ff9b::a9fe:a9fe"]
            .map(|v6| RData::AAAA(AAAA(v6.parse().unwrap())))
            .into(),
        ("alias.allowed.test", _) => vec![RData::CNAME(CNAME(Name::from_ascii("exact.test.").unwrap()))],
        ("many.allowed.test", RecordType::A) => many(60),
        ("local.allowed.test", RecordType::A) => vec![RData::A(A::new(127, 0, 0, 1))],
        (_, RecordType::A) => vec![v4(1)],
        (_, RecordType::AAAA) => vec![RData::AAAA(AAAA("2001:db8::1".parse().unwrap()))],
        (_, RecordType::TXT) => vec![RData::TXT(TXT::new(vec!["hello".to_owned()]))],
        (_, RecordType::HTTPS) => vec![RData::HTTPS(HTTPS(service()))],
        _ => vec![],
    })
}

fn service() -> SVCB {
    let alpn = Alpn(vec!["h3".to_owned(), "h2".to_owned()]);
    let parameters = vec![
        (SvcParamKey::Alpn, SvcParamValue::Alpn(alpn)),
        (SvcParamKey::Port, SvcParamValue::Port(8443)),
        (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(vec![A::new(192, 0, 2, 1)]))),
        (SvcParamKey::EchConfigList, SvcParamValue::EchConfigList(EchConfigList(vec![0xec; 40]))),
    ];
    SVCB::new(1, Name::root(), parameters)
}

/// Runs the questions under a policy and compares the lines that come back.
fn ask<'a>(lab: &'a Lab, policy: &str, rows: &[(&str, &str)]) -> harness::Running<'a> {
    let mut running = lab.run(policy, &[]).start(&[PYTHON, "-c", QUESTIONS]);
    for (question, expected) in rows {
        assert_eq!(fresh(&running.ask(question)), *expected, "{question}");
    }
    running
}

/// A TTL may have been counted down for some seconds.
fn fresh(line: &str) -> String {
    (540..600).fold(line.to_owned(), |line, ttl| line.replace(&format!("/{ttl}"), "/600"))
}

/// `*` is looked at more closely.
const ANSWERS: &[(&str, &str)] = &[
    ("edns 198.51.100.53 exact.test A", "edns exact.test 0 192.0.2.1/600 -"),
    ("udp 198.51.100.53 exact.test AAAA", "udp exact.test 0 2001:db8::1/600 -"),
    ("udp 2001:db8::53 other.allowed.test A", "udp other.allowed.test 0 192.0.2.1/600 -"),
    ("tcp 198.51.100.53 third.allowed.test A", "tcp third.allowed.test 0 192.0.2.1/600 -"),
    ("tcp 2001:db8::53 fourth.allowed.test A", "tcp fourth.allowed.test 0 192.0.2.1/600 -"),
    ("tcp 127.0.0.53 fifth.allowed.test A", "tcp fifth.allowed.test 0 192.0.2.1/600 -"),
    ("edns 127.0.0.53 missing.allowed.test A", "edns missing.allowed.test 3 - -"),
    // Each refusal says why: blocked, prohibited, filtered (RFC 8914, 4).
    ("edns 198.51.100.53 no.allowed.test A", "edns no.allowed.test 3 - 15"),
    ("edns 198.51.100.53 denied.test A", "edns denied.test 3 - 18"),
    ("tcp 198.51.100.53 x.denied.test TXT", "tcp x.denied.test 3 - 18"),
    ("udp 198.51.100.53 denied.test A", "udp denied.test 3 - -"),
    ("edns 198.51.100.53 rebound.allowed.test A", "edns rebound.allowed.test 0 - 17"),
    ("edns 198.51.100.53 rebound.allowed.test AAAA", "edns rebound.allowed.test 0 - 17"),
    ("edns 198.51.100.53 mixed.allowed.test A", "edns mixed.allowed.test 0 192.0.2.7/600 -"),
    // What an alias leads to stands under the name that was asked for.
    ("edns 198.51.100.53 alias.allowed.test A", "edns alias.allowed.test 0 192.0.2.1/600 -"),
    ("edns 198.51.100.53 alias.allowed.test CNAME", "edns alias.allowed.test 0 exact.test/600 -"),
    ("edns 198.51.100.53 exact.test ANY", "edns exact.test 5 - 18"),
    ("edns 198.51.100.53 exact.test TXT", "edns exact.test 0 0568656c6c6f/600 -"),
    // Priority 1, target `.`, alpn h2, port 8443; no HTTP/3, no hint, no ECH.
    ("edns 198.51.100.53 exact.test HTTPS", "edns exact.test 0 000100000100030268320003000220fb/600 -"),
    ("edns 198.51.100.53 1.2.0.192.in-addr.arpa PTR", "*"),
    ("edns 198.51.100.53 8.8.8.8.in-addr.arpa PTR", "edns 8.8.8.8.in-addr.arpa 3 - -"),
    ("udp 198.51.100.53 many.allowed.test A", "udp many.allowed.test 0 cut - -"),
    ("count 198.51.100.53 exact.test A", "counted down"),
];

fn answers(user: User) {
    let (lab, authority) = (Lab::new(user), Authority::start(script));
    let policy = format!(
        "{}allowedHosts: [exact.test, '*.allowed.test', {OUTSIDE}]\ndeniedHosts: [no.allowed.test]",
        authority.entry()
    );
    let mut running = ask(&lab, &policy, &[]);
    for (question, expected) in ANSWERS {
        let told = running.ask(question);
        match *expected {
            "*" => assert!(told.contains("exact.test/5") && told.contains("third.allowed.test/5"), "{told}"),
            expected => assert_eq!(fresh(&told), expected, "{question}"),
        }
    }
    running.say("");
    let audit = running.finish().ok().audit;
    let questions = authority.questions();
    for (name, kind) in &questions {
        assert!(
            name == "exact.test" || name.ends_with(".allowed.test") && name != "no.allowed.test",
            "{name} {kind}"
        );
    }
    // Counted down from the cache.
    assert_eq!(
        questions.iter().filter(|asked| **asked == ("exact.test".to_owned(), RecordType::A)).count(),
        1
    );
    let rebound =
        audit.questions().into_iter().filter(|record| record["authority"] == "rebound.allowed.test");
    for record in rebound {
        assert_eq!((&record["decision"], &record["error"]), (&"deny".into(), &"address_refused".into()));
    }
}

/// What an address of this machine means outside, it does not mean inside: the name gets an address of its own.
fn what_leads_inside_is_not_handed_out(user: User) {
    let (lab, authority) = (Lab::new(user), Authority::start(script));
    let policy = format!("{}allowedHosts: ['*.allowed.test', 127.0.0.0/8]", authority.entry());
    let rows = [
        ("edns 198.51.100.53 local.allowed.test A", "edns local.allowed.test 0 198.18.0.1/5 -"),
        (
            "edns 198.51.100.53 1.0.18.198.in-addr.arpa PTR",
            "edns 1.0.18.198.in-addr.arpa 0 local.allowed.test/5 -",
        ),
        ("edns 198.51.100.53 1.0.0.127.in-addr.arpa PTR", "edns 1.0.0.127.in-addr.arpa 3 - -"),
    ];
    let mut running = ask(&lab, &policy, &rows);
    running.say("");
    let _ = running.finish().ok();
}

fn a_name_of_handlers_is_not_asked_for_before_a_request(user: User) {
    let (lab, authority) = (Lab::new(user), Authority::start(script));
    let policy = format!(
        "{}outboundByHost: {{'*.bound.test': hello}}\nallowedHosts: ['*.bound.test', stated.test]\n\
         handlers: {{hello: {{respond: {{body: hello}}}}}}\nresolve: {{stated.test: 192.0.2.9}}",
        authority.entry()
    );
    let rows = [
        ("edns 198.51.100.53 a.bound.test A", "edns a.bound.test 0 198.18.0.1/5 -"),
        ("edns 198.51.100.53 a.bound.test AAAA", "edns a.bound.test 0 2001:2::1/5 -"),
        ("edns 198.51.100.53 b.bound.test AAAA", "edns b.bound.test 0 2001:2::2/5 -"),
        ("edns 198.51.100.53 stated.test A", "edns stated.test 0 198.18.0.3/5 -"),
        ("edns 198.51.100.53 a.bound.test HTTPS", "edns a.bound.test 0 - -"),
        ("edns 198.51.100.53 a.bound.test TXT", "edns a.bound.test 0 - -"),
    ];
    let mut running = ask(&lab, &policy, &rows);
    running.say("");
    let _ = running.finish().ok();
    assert_eq!(authority.questions(), [], "a resolver was asked");
}

/// iodine and its like: whoever runs the servers of `t.allowed.test` would read what is written into names.
fn a_tunnel_is_cut(user: User) {
    let (lab, authority) = (Lab::new(user), Authority::start(script));
    let policy = format!(
        "{}allowedHosts: ['*.allowed.test', spelled.out.test, {OUTSIDE}]\nlimits: {{dnsNewNamesPerMinute: 10}}",
        authority.entry()
    );
    let mut running = ask(&lab, &policy, &[]);
    let base32 = |number: usize, length: usize| -> String {
        let digit = |at: usize| b"qw7e5rtz3uiop2asdf6ghjk4lyxcvbnm"[(number * 7 + at * 11) % 32] as char;
        (0..length).map(digit).chain(number.to_string().chars()).collect()
    };
    for number in 0..20 {
        let dense = format!("edns 198.51.100.53 {}.t.allowed.test A", base32(number, 50));
        assert!(running.ask(&dense).ends_with(" 3 - 17"), "{dense}");
    }
    assert_eq!(authority.questions(), [], "data left in a name");
    let sparse = |number| running.ask(&format!("edns 198.51.100.53 {}.t.allowed.test A", base32(number, 20)));
    let told: Vec<_> = (0..40).map(sparse).collect();
    let refused = told.iter().filter(|line| line.ends_with(" 5 - 17")).count();
    let asked = authority.questions().len();
    assert_eq!(refused + asked, 40, "{told:#?}");
    // Ten at once, and one more every six seconds.
    assert!((10..20).contains(&asked), "{asked} names left");
    assert_eq!(
        running.ask("edns 198.51.100.53 spelled.out.test A"),
        "edns spelled.out.test 0 192.0.2.1/600 -"
    );
    running.say("");
    let audit = running.finish().ok().audit;
    let count = |word: &str| audit.questions().into_iter().filter(|record| record["error"] == word).count();
    assert_eq!((count("dns_tunnel"), count("dns_rate")), (20, refused));
}

/// A `Host` header is looked up too.
fn a_request_is_no_way_round_the_bounds(user: User) {
    let (lab, authority) = (Lab::new(user), Authority::start(script));
    let policy = format!("{}allowedHosts: ['*.allowed.test', {OUTSIDE}]", authority.entry());
    let name = "qw7e5rtz3uiop2asdf6ghjk4lyxcvbnm.allowed.test";
    let (resolve, url) = (format!("{name}:80:192.0.2.1"), format!("http://{name}/"));
    let finished = lab.run(&policy, &[]).finish(&[CURL, "-s", "--resolve", &resolve, &url]).ok();
    assert!(finished.stdout.contains("\"reason\":\"dns_tunnel\""), "{}", finished.stdout);
    let exchange = &finished.audit.exchanges()[0];
    assert_eq!((&exchange["decision"], &exchange["status"]), (&"deny".into(), &403.into()));
    assert_eq!(authority.questions(), [], "a resolver was asked");
}

fn too_many_questions_are_refused(user: User) {
    let (lab, authority) = (Lab::new(user), Authority::start(script));
    let policy =
        format!("{}allowedHosts: [exact.test]\nlimits: {{dnsQuestionsPerSecond: 1}}", authority.entry());
    let mut running = ask(&lab, &policy, &[("edns 198.51.100.53 no.test A", "edns no.test 3 - 18")]);
    let told: Vec<_> = (0..20).map(|_| running.ask("edns 198.51.100.53 no.test A")).collect();
    assert!(told.iter().any(|line| line == "edns no.test 5 - 17"), "{told:#?}");
    running.say("");
    let audit = running.finish().ok().audit;
    assert_eq!(audit.questions().len(), 21);
}

fn nothing_is_waited_for_without_end(user: User) {
    let (lab, authority) = (Lab::new(user), Authority::start(script));
    let policy = format!(
        "{}allowedHosts: ['*.allowed.test']\nlimits: {{dnsTimeoutMs: 300, requestHeadTimeoutMs: 300}}",
        authority.entry()
    );
    let rows = [
        ("edns 198.51.100.53 silent.allowed.test A", "edns silent.allowed.test 2 - 22"),
        ("silence 198.51.100.53 allowed.test A", "closed"),
    ];
    let mut running = ask(&lab, &policy, &rows);
    running.say("");
    let audit = running.finish().ok().audit;
    assert_eq!(audit.questions()[0]["error"], "dns_failed");
    assert_eq!(audit.connections()[0]["error"], "idle");
}

fn a_connection_carries_many_questions(user: User) {
    let (lab, authority) = (Lab::new(user), Authority::start(script));
    let policy = format!("{}allowedHosts: ['*.allowed.test', {OUTSIDE}]", authority.entry());
    let rows = [("pipeline 198.51.100.53 allowed.test A", "40 True {'0 192.0.2.1/600 -'}")];
    let mut running = ask(&lab, &policy, &rows);
    running.say("");
    let audit = running.finish().ok().audit;
    let connections: Vec<_> = audit.connections();
    assert_eq!(connections.len(), 1, "{connections:#?}");
    assert_eq!((&connections[0]["protocol"], &connections[0]["decision"]), (&"dns".into(), &"allow".into()));
    let on_it =
        audit.questions().into_iter().filter(|record| record["connection"] == connections[0]["connection"]);
    assert_eq!(on_it.count(), 40);
}

/// As Docker does for its resolver: the address is translated on the way out, to where somebody else answers.
fn a_resolver_behind_a_translation_is_ours_too(user: User) {
    let (lab, authority) = (Lab::new(user), Authority::start(script));
    let policy = format!("{}allowedHosts: [exact.test, {OUTSIDE}]", authority.entry());
    let mut running =
        ask(&lab, &policy, &[("udp 127.0.0.11 exact.test A", "udp exact.test 0 192.0.2.1/600 -")]);
    let pid = processes::sandboxed(running.pid(), "python3").expect("the command in its network");
    let rules = "table ip nat { chain output { type nat hook output priority -100; \
                 ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:35053; \
                 ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:35053; }; }";
    let status = Command::new("/usr/bin/nsenter")
        .args(["-t", &pid.to_string(), "-n", "/usr/sbin/nft", rules])
        .status()
        .expect("run nft");
    assert!(status.success());
    for carrier in ["udp", "tcp"] {
        let told = running.ask(&format!("{carrier} 127.0.0.11 exact.test AAAA"));
        assert_eq!(told, format!("{carrier} exact.test 0 2001:db8::1/600 -"));
    }
    running.say("");
    let _ = running.finish().ok();
}
