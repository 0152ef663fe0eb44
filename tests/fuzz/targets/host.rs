//! Any text as a host: what is accepted is canonical, and no spelling of it gets another answer from the policy.

use std::sync::LazyLock;

use policy::{CanonicalHost, Decision, Document, Overrides, Policy, RequestFacts, Scheme};

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let text = "deniedHosts: [evil.com, \"*.evil.com\", 10.0.0.0/8]\nenableInternet: true";
    Policy::compile(&Document::parse(text).expect("a valid document"), &Overrides::default())
});

/// One text.
pub(crate) fn run(text: &str) {
    let Ok(host) = CanonicalHost::parse(text) else {
        return;
    };
    assert_eq!(CanonicalHost::parse(&host.to_string()).as_ref(), Ok(&host), "not idempotent");
    if let Some(name) = host.name() {
        let denied = decides_deny(&host);
        for spelling in [name.to_uppercase(), format!("{name}.")] {
            let other = CanonicalHost::parse(&spelling).expect("another spelling of an accepted name");
            assert_eq!(decides_deny(&other), denied, "{spelling}");
        }
        assert_eq!(denied, name == "evil.com" || name.ends_with(".evil.com"), "{name}");
    }
}

fn decides_deny(host: &CanonicalHost) -> bool {
    matches!(
        POLICY.decide(&RequestFacts { scheme: Scheme::Https, host, port: 443, method: "GET", path: "/" }),
        Decision::Deny(_)
    )
}
