//! The entries of `upstreamTls`: what is read, what is refused, and which one serves an authority.

use std::path::Path;

use crate::{Authority, ClientCertificate, Document, Part, Scheme, Unlisted, UpstreamTlsIndex};

const ALL: &str = r#"
upstreamTls:
  - hosts: ["*.corp.test", "https://db.test:8443"]
    roots: [corp.pem, /etc/other.pem]
    clientCertificate: { certificate: client.pem, key: client-key.pem }
  - hosts: a.corp.test
    crls: corp.crl
    requireStatus: true
  - hosts: ["10.0.0.0/8", "*"]
    crls: [all.crl]
    requireStatus: false
"#;

#[test]
fn what_is_read() {
    let part = Part { source: None, base: Path::new("/base"), text: ALL };
    let document = Document::default().and(&part).unwrap();
    let [corp, exact, all] = document.upstream_tls.as_slice() else { panic!("{document:?}") };
    assert_eq!(corp.roots, [Path::new("/base/corp.pem"), Path::new("/etc/other.pem")]);
    let files =
        ClientCertificate { certificate: "/base/client.pem".into(), key: "/base/client-key.pem".into() };
    assert_eq!(corp.client_certificate, Some(files));
    assert_eq!(
        (corp.unlisted, exact.unlisted, all.unlisted),
        (Unlisted::Accept, Unlisted::Refuse, Unlisted::Accept)
    );
    assert_eq!(exact.crls, [Path::new("/base/corp.crl")]);
    let again = Document::parse(&document.to_json()).unwrap();
    assert_eq!(again.to_json(), document.to_json());
    assert_eq!(again.upstream_tls.len(), 3);
    assert_eq!(again.upstream_tls[0].client_certificate, corp.client_certificate);
}

#[test]
fn the_most_specific_pattern_brings_its_entry() {
    let document = Document::parse(ALL).unwrap();
    let index = UpstreamTlsIndex::new(&document.upstream_tls);
    for (authority, expected) in [
        ("b.corp.test", Some(0)),
        ("b.corp.test:8443", Some(0)),
        ("a.corp.test", Some(1)),
        ("db.test:8443", Some(0)),
        ("db.test", Some(2)),
        ("corp.test", Some(2)),
        ("10.1.2.3", Some(2)),
    ] {
        let authority = Authority::parse(authority, Scheme::Https).unwrap();
        assert_eq!(index.find(&authority), expected, "{authority}");
    }
    let none = UpstreamTlsIndex::new(&document.upstream_tls[..2]);
    assert_eq!(none.find(&Authority::parse("other.test", Scheme::Https).unwrap()), None);
}

#[test]
fn later_parts_add_and_do_not_change() {
    let document = Document::parse(ALL).unwrap();
    let part = |text| Part { source: Some("second"), base: Path::new(""), text };
    let more = document.clone().and(&part("upstreamTls: [{ hosts: c.test, roots: [c.pem] }]")).unwrap();
    assert_eq!(more.upstream_tls.len(), 4);
    let fault = document.and(&part("upstreamTls: [{ hosts: a.corp.test, roots: [c.pem] }]")).unwrap_err();
    assert!(fault.message.contains("a second time"), "{fault}");
}

#[test]
fn what_is_refused() {
    for (entry, expected) in [
        ("{ hosts: a.test }", "nothing is said of these hosts"),
        ("{ hosts: [], roots: [a] }", "no host is named"),
        ("{ hosts: a.test, roots: [] }", "no file is named"),
        ("{ hosts: a.test, roots: [''] }", "the file name is empty"),
        ("{ hosts: a.test, roots: [a], requireStatus: true }", "the status of no certificate is known"),
        ("{ hosts: 'http://a.test', roots: [a] }", "`http://a.test` has no TLS"),
        ("{ hosts: [a.test, 'https://a.test'], roots: [a] }", "`https://a.test` is here a second time"),
        ("{ hosts: 'a*.test', roots: [a] }", "pattern `a*.test`"),
        ("{ hosts: a.test, clientCertificate: { certificate: a } }", "missing field `key`"),
        ("{ roots: [a] }", "missing field `hosts`"),
        ("{ hosts: a.test, root: [a] }", "unknown key `root`"),
    ] {
        let fault = Document::parse(&format!("upstreamTls: [{entry}]")).unwrap_err();
        assert!(fault.to_string().contains(expected), "{entry}: {fault}");
    }
}
