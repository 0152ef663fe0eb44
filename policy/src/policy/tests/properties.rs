//! What holds for every policy and every question, and a policy of a hundred thousand hosts.

use super::*;
use crate::{ConnectionFacts, Entry, Origin, Pattern, Protocol, Route, Treatment};

fn pattern() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        Just("*".to_owned()),
        "(\\*\\.)?[ab]\\.(b\\.)?test",
        "a\\.\\*\\.test",
        "10\\.0\\.0\\.[0-3]",
        "10\\.0\\.0\\.0/(8|29|30)",
    ];
    ("(http://|https://)?", host, "(:80|:443)?")
        .prop_map(|(scheme, host, port)| format!("{scheme}{host}{port}"))
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = |text: String| Entry::new(Pattern::parse(&text).expect(&text), Origin::RunTime);
    prop::collection::vec(pattern().prop_map(entry), 0..4)
}

fn document() -> impl Strategy<Value = Document> {
    let route =
        |entry| Route { entry, handlers: vec!["h".to_owned()], params: None, upgrade: Default::default() };
    let every = || Entry::new(Pattern::parse("*").expect("a pattern"), Origin::RunTime);
    let outbound = prop::collection::vec(Just(()).prop_map(move |()| route(every())), 0..2);
    (entries(), prop::option::of(entries()), entries(), outbound, any::<bool>(), entries()).prop_map(
        move |(denied_hosts, allowed_hosts, routes, outbound, enable_internet, passthrough)| Document {
            denied_hosts,
            allowed_hosts,
            outbound_by_host: routes.into_iter().map(route).collect(),
            outbound,
            enable_internet,
            passthrough,
            ..Document::default()
        },
    )
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof!["([ab]\\.){1,3}test", "10\\.0\\.0\\.[0-9]"]
}

fn facts() -> impl Strategy<Value = (Scheme, String, u16)> {
    (prop::sample::select(&Scheme::ALL), host(), prop::sample::select(&[80, 443, 22]))
}

fn ask(policy: &Policy, scheme: Scheme, host: &str, port: u16) -> Decision {
    policy.decide(&RequestFacts {
        scheme,
        host: &CanonicalHost::parse(host).expect(host),
        port,
        method: "GET",
        path: "/",
    })
}

fn passes(decision: &Decision) -> bool {
    matches!(decision, Decision::Forward { .. })
}

proptest! {
    #[test]
    fn one_more_denied_host_never_lets_more_pass(
        document in document(), more in entries(), (scheme, host, port) in facts()
    ) {
        let mut stricter = document.clone();
        stricter.denied_hosts.extend(more);
        let (before, after) = (Policy::compile(&document, &Overrides::default()), Policy::compile(&stricter, &Overrides::default()));
        if passes(&ask(&after, scheme, &host, port)) {
            prop_assert_eq!(ask(&after, scheme, &host, port), ask(&before, scheme, &host, port));
        }
        let destination = SocketAddr::from(([10, 0, 0, 1], port));
        if after.check_address(destination, Some(scheme)).is_ok() {
            prop_assert_eq!(before.check_address(destination, Some(scheme)), Ok(()));
        }
    }

    /// A server name is the workload's word: with it must not pass what would not pass without.
    #[test]
    fn nothing_is_passed_through_that_may_not_pass(document in document(), host in host(), port in prop::sample::select(&[80, 443])) {
        let policy = Policy::compile(&document, &Overrides::default());
        let host = CanonicalHost::parse(&host).expect("a host");
        let protocol = Protocol::Tls { server_name: Some(&host) };
        let destination = SocketAddr::from(([10, 0, 0, 1], port));
        if let Treatment::Splice(tunnel) = policy.treat(&ConnectionFacts { destination, names: &[], protocol }) {
            prop_assert!(passes(&ask(&policy, Scheme::Https, &host.to_string(), port)));
            prop_assert_eq!(tunnel.to, Authority { host, port });
        }
    }

    #[test]
    fn the_order_of_bindings_means_nothing(mut document in document(), (scheme, host, port) in facts()) {
        let pattern = |policy: &Policy, decision| match decision {
            Decision::Forward { binding: Some(id), .. } => Some(policy.bindings()[id.index()].pattern.clone()),
            _ => None,
        };
        let forward = Policy::compile(&document, &Overrides::default());
        document.outbound_by_host.reverse();
        let backward = Policy::compile(&document, &Overrides::default());
        let decisions = [&forward, &backward].map(|policy| pattern(policy, ask(policy, scheme, &host, port)));
        prop_assert_eq!(&decisions[0], &decisions[1]);
    }

    #[test]
    fn the_spelling_of_a_host_changes_no_answer(document in document(), (scheme, host, port) in facts()) {
        let policy = Policy::compile(&document, &Overrides::default());
        let wide: String = host.chars().map(|c| if c == '.' { '\u{ff0e}' } else { c }).collect();
        for other in [host.to_uppercase(), format!("{host}."), format!("{}\u{3002}", host.to_uppercase()), wide] {
            prop_assert_eq!(ask(&policy, scheme, &other, port), ask(&policy, scheme, &host, port));
        }
    }

    #[test]
    fn a_name_resolves_exactly_if_some_request_passes(document in document(), host in host()) {
        let policy = Policy::compile(&document, &Overrides::default());
        let ports = [22, 80, 443];
        let some = Scheme::ALL.into_iter().any(|scheme| ports.iter().any(|port| passes(&ask(&policy, scheme, &host, *port))));
        prop_assert_eq!(policy.resolves(&CanonicalHost::parse(&host).unwrap()).is_ok(), some);
    }

    #[test]
    fn no_special_address_passes_unnamed(mut document in document(), bits in any::<u128>(), port in any::<u16>()) {
        document.outbound_by_host.clear();
        document.allowed_hosts = None;
        let policy = Policy::compile(&document, &Overrides::default());
        let private = std::net::Ipv4Addr::from_bits(0x0a00_0000 | (bits as u32 >> 8)).to_bits() as u128;
        for form in [
            0xffff << 32 | private,
            private,
            0x64_ff9b << 96 | private,
            0x2002 << 112 | private << 80,
            0x2001 << 112 | private << 64,
            0xfc << 120 | bits >> 8,
        ] {
            let address = SocketAddr::new(std::net::Ipv6Addr::from_bits(form).into(), port);
            prop_assert!(policy.check_address(address, None).is_err(), "{}", address);
        }
    }
}

#[test]
fn a_hundred_thousand_hosts() {
    use std::fmt::Write;
    let mut text = "allowedHosts:\n".to_owned();
    for number in 0..100_000 {
        writeln!(text, "- host-{number}.example.com").unwrap();
    }
    text.push_str("deniedHosts:\n");
    for number in 0..10_000 {
        writeln!(text, "- '*.zone-{number}.example.com'\n- 10.{}.{}.0/24", number / 256, number % 256)
            .unwrap();
    }
    let policy = policy(&text);
    for (url, wanted) in [
        (
            "https://host-99999.example.com",
            "upstream by allowedHosts[99999] host-99999.example.com (line 100001)",
        ),
        ("https://host-100000.example.com", "deny host_not_allowed by allowedHosts"),
        (
            "https://a.zone-9999.example.com",
            "deny host_denied by deniedHosts[19998] *.zone-9999.example.com (line 120001)",
        ),
        ("https://10.39.15.1", "deny host_denied by deniedHosts[19999] 10.39.15.0/24 (line 120002)"),
    ] {
        assert_eq!(decide(&policy, url), wanted, "{url}");
    }
}
