//! What holds for rules that ask for methods and paths, for notes, and for changes at run time.

use super::*;
use crate::Fault;

const PATTERNS: [&str; 8] =
    ["a.test", "*.test", "b.a.test", "a.test:80", "http://a.test", "*", "10.0.0.0/8", "'[2001:db8::1]:80'"];
const HOSTS: [&str; 5] = ["a.test", "b.a.test", "c.test", "10.1.1.1", "[2001:db8::1]"];
const METHODS: [&str; 3] = ["GET", "POST", "get"];
const PATHS: [&str; 5] = ["/", "/a", "/a/b", "/a/../b", "*"];

fn condition() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        ", methods: [GET]",
        ", methods: [POST, PUT]",
        ", paths: [/a]",
        ", paths: ['/a/**', '/*']",
        ", methods: [GET], paths: [/a]",
    ])
}

/// Addresses take no conditions, and no notes, where they are denied.
fn rule(more: &'static str) -> impl Strategy<Value = String> {
    (prop::sample::select(&PATTERNS), condition()).prop_map(move |(pattern, condition)| {
        let pattern = if more.is_empty() || !pattern.contains("10.") { pattern } else { "b.test" };
        match pattern {
            "10.0.0.0/8" | "'[2001:db8::1]:80'" if more.is_empty() => pattern.to_owned(),
            "'[2001:db8::1]:80'" => format!("{{ host: c.test{condition}{more} }}"),
            "*" => format!("{{ host: '*'{condition}{more} }}"),
            "*.test" => format!("{{ host: '*.test'{condition}{more} }}"),
            pattern => format!("{{ host: '{pattern}'{condition}{more} }}"),
        }
    })
}

fn rules(more: &'static str) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(rule(more), 0..4)
}

fn route() -> impl Strategy<Value = String> {
    (prop::sample::select(vec!["a.test", "b.a.test", "'*.test'", "10.0.0.0/8"]), condition())
        .prop_map(|(pattern, condition)| format!("{pattern}: [{{ handlers: h{condition} }}]"))
}

#[derive(Clone, Debug)]
struct Parts {
    denied: Vec<String>,
    rest: String,
}

impl Parts {
    fn with(&self, more: &[String]) -> Document {
        let denied: Vec<_> = self.denied.iter().chain(more).map(String::as_str).collect();
        let text = format!("deniedHosts: [{}]\n{}", denied.join(", "), self.rest);
        let read: Result<_, Fault> = Document::parse(&text);
        read.unwrap_or_else(|fault| panic!("{text}: {fault}"))
    }

    fn policy(&self, more: &[String]) -> Policy {
        Policy::compile(&self.with(more), &Overrides::default())
    }
}

fn parts() -> impl Strategy<Value = Parts> {
    let allowed = prop::option::of(rules(""));
    let compat = prop::sample::select(vec!["", "compat: cloudflare\n"]);
    let monitor = prop::sample::select(vec!["", "", "monitor: true\n"]);
    let outbound = prop::option::of(condition());
    let internet = any::<bool>();
    (rules(""), allowed, prop::option::of(route()), outbound, (compat, monitor, internet)).prop_map(
        |(denied, allowed, route, outbound, (compat, monitor, internet))| {
            let allowed =
                allowed.map(|rules| format!("allowedHosts: [{}]\n", rules.join(", "))).unwrap_or_default();
            let route = route.map(|route| format!("outboundByHost: {{ {route} }}\n")).unwrap_or_default();
            let outbound = outbound
                .map(|condition| format!("outbound: [{{ handlers: g{condition} }}]\n"))
                .unwrap_or_default();
            let handlers = "handlers: { h: { deny: {} }, g: { deny: {} } }\n";
            let internet = format!("enableInternet: {internet}\npassthrough: ['*.test', '*.a.test', '*']\n");
            Parts { denied, rest: format!("{compat}{monitor}{allowed}{route}{outbound}{handlers}{internet}") }
        },
    )
}

/// Every request there is, for these hosts.
fn all() -> impl Iterator<Item = (Scheme, &'static str, u16, &'static str, &'static str)> {
    let paths = || METHODS.into_iter().flat_map(|method| PATHS.into_iter().map(move |path| (method, path)));
    let ports =
        || Scheme::ALL.into_iter().flat_map(|scheme| [80, 443].into_iter().map(move |port| (scheme, port)));
    HOSTS.into_iter().flat_map(move |host| {
        ports().flat_map(move |(scheme, port)| {
            paths().map(move |(method, path)| (scheme, host, port, method, path))
        })
    })
}

fn asked(policy: &Policy, (scheme, host, port, method, path): (Scheme, &str, u16, &str, &str)) -> Decision {
    let host = &CanonicalHost::parse(host).expect(host);
    policy.decide(&RequestFacts { scheme, host, port, method, path })
}

fn passes(decision: &Decision) -> bool {
    matches!(decision, Decision::Forward { .. })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn one_more_denied_host_never_lets_more_pass(parts in parts(), more in rules("")) {
        let (before, after) = (parts.policy(&[]), parts.policy(&more));
        for facts in all() {
            let (before, after) = (asked(&before, facts), asked(&after, facts));
            prop_assert!(passes(&before) || !passes(&after), "{:?}: {:?} became {:?}", facts, before, after);
        }
    }

    #[test]
    fn denied_at_run_time_is_denied_all_the_same(parts in parts(), more in rules("")) {
        let (document, changed) = (parts.with(&[]), parts.with(&more));
        let overrides = Overrides { denied_hosts: Some(changed.denied_hosts.clone()), ..Overrides::default() };
        let (before, after) = (Policy::compile(&document, &Overrides::default()), Policy::compile(&document, &overrides));
        let written = Policy::compile(&changed, &Overrides::default());
        for facts in all() {
            let after = asked(&after, facts);
            prop_assert!(passes(&asked(&before, facts)) || !passes(&after), "{:?}", facts);
            prop_assert_eq!(passes(&after), passes(&asked(&written, facts)), "{:?}", facts);
        }
    }

    #[test]
    fn a_note_changes_no_verdict(parts in parts(), more in rules(", monitor: true")) {
        let (before, after) = (parts.policy(&[]), parts.policy(&more));
        for facts in all() {
            match (asked(&before, facts), asked(&after, facts)) {
                (Decision::Deny(before), Decision::Deny(after)) => prop_assert_eq!(before.reason, after.reason),
                (Decision::Forward { rule, binding, .. }, Decision::Forward { rule: new, binding: other, .. }) => {
                    prop_assert_eq!((rule, binding), (new, other));
                }
                (before, after) => prop_assert!(false, "{:?}: {:?} became {:?}", facts, before, after),
            }
        }
        for host in HOSTS {
            let host = CanonicalHost::parse(host).unwrap();
            prop_assert_eq!(before.resolves(&host).is_ok(), after.resolves(&host).is_ok());
        }
    }

    /// What the worst request may do, all may; what any may do, the best may.
    #[test]
    fn what_is_said_before_there_is_a_request_is_true(parts in parts()) {
        let policy = parts.policy(&[]);
        for facts in all() {
            let (scheme, host, port, ..) = facts;
            let host = CanonicalHost::parse(host).unwrap();
            let asked_for = Asked { scheme: Some(scheme), port };
            let worst = Question { host: &host, asked: asked_for, message: Message::Worst };
            let (worst, known) = (policy.decide_question(worst, &mut |_, _| {}), asked(&policy, facts));
            prop_assert!(!passes(&worst) || passes(&known), "{:?}: {:?}, but {:?}", facts, worst, known);
            let may = policy.may_pass(Some(scheme), &Authority { host: host.clone(), port });
            prop_assert!(!passes(&known) || may, "{:?}", facts);
            prop_assert!(!passes(&known) || policy.resolves(&host).is_ok(), "{:?}", facts);
        }
    }

    #[test]
    fn what_is_not_opened_may_pass_unseen(parts in parts()) {
        let policy = parts.policy(&[]);
        for facts in all().filter(|(scheme, _, port, ..)| *scheme == Scheme::Https && *port == 443) {
            let name = CanonicalHost::parse(facts.1).unwrap();
            let protocol = crate::Protocol::Tls { server_name: Some(&name) };
            let facts_before = crate::ConnectionFacts { destination: ([192, 0, 2, 1], 443).into(), names: &[], protocol };
            if let crate::Treatment::Splice(_) = policy.treat(&facts_before) {
                let quiet = matches!(asked(&policy, facts), Decision::Forward { monitored: None, .. });
                prop_assert!(quiet, "{:?}", facts);
            }
        }
    }
}
