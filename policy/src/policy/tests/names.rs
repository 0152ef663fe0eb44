//! What DNS is told.

use super::*;

#[test]
fn who_serves_a_name_and_how_it_is_named() {
    for (document, host, served, named) in [
        ("allowedHosts: [a.test]", "a.test", Served::Upstream, Named::Exactly),
        ("allowedHosts: ['*.test', a.test]", "a.test", Served::Upstream, Named::Exactly),
        ("allowedHosts: ['a.test:8443']", "a.test", Served::Upstream, Named::Exactly),
        ("allowedHosts: ['*.test']", "a.test", Served::Upstream, Named::ByPattern),
        ("allowedHosts: ['*']", "a.test", Served::Upstream, Named::ByPattern),
        ("enableInternet: true", "a.test", Served::Upstream, Named::ByPattern),
        ("outbound: h", "a.test", Served::Handlers, Named::ByPattern),
        ("outboundByHost: {a.test: h}", "a.test", Served::Handlers, Named::Exactly),
        ("outboundByHost: {'*.test': h}", "a.test", Served::Handlers, Named::ByPattern),
        // One port with a handler is enough: its look-up must wait for a request.
        (
            "outboundByHost: {'a.test:8443': h}\nenableInternet: true",
            "a.test",
            Served::Handlers,
            Named::Exactly,
        ),
        ("outboundByHost: {b.test: h}\nenableInternet: true", "a.test", Served::Upstream, Named::ByPattern),
    ] {
        let policy = policy(document);
        let host = CanonicalHost::parse(host).unwrap();
        let told = (policy.resolves(&host).unwrap().served, policy.named(&host));
        assert_eq!(told, (served, named), "{document}");
    }
}

#[test]
fn an_address_may_be_handed_out_if_some_port_of_it_may_be_dialled() {
    for (document, address, wanted) in [
        ("", "1.1.1.1", true),
        ("", "10.0.0.1", false),
        ("", "::ffff:10.0.0.1", false),
        ("", "169.254.169.254", false),
        ("", "127.0.0.1", false),
        ("allowedHosts: [10.0.0.0/8]", "10.0.0.1", true),
        ("allowedHosts: ['10.0.0.0/8:8443']", "10.0.0.1", true),
        ("allowedHosts: ['http://10.0.0.0/8']", "::ffff:10.0.0.1", true),
        ("deniedHosts: [1.1.1.1]", "1.1.1.1", false),
        ("deniedHosts: [1.1.1.1]", "64:ff9b::1.1.1.1", false),
        ("deniedHosts: ['1.1.1.1:443']", "1.1.1.1", true),
    ] {
        let told = policy(document).check_answer(address.parse().unwrap());
        assert_eq!(told.is_ok(), wanted, "{document} and {address}");
    }
}
