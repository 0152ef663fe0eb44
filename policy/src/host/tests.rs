//! Spellings of hosts: what is the same, and what is none.

use proptest::prelude::*;

use super::*;

fn spelled(text: &str) -> Result<String, HostError> {
    CanonicalHost::parse(text).map(|host| host.to_string())
}

#[test]
fn one_host_has_one_spelling() {
    for (text, wanted) in [
        ("github.com", "github.com"),
        ("GITHUB.COM", "github.com"),
        ("github.com.", "github.com"),
        ("Git\u{ad}Hub.com", "github.com"),
        ("\u{ff47}ithub.com", "github.com"),
        ("github\u{3002}com", "github.com"),
        ("github\u{ff0e}com\u{3002}", "github.com"),
        ("stra\u{df}e.example", "xn--strae-oqa.example"),
        ("XN--STRAE-OQA.example", "xn--strae-oqa.example"),
        ("strasse.example", "strasse.example"),
        ("b\u{fc}cher.example", "xn--bcher-kva.example"),
        ("bu\u{308}cher.example", "xn--bcher-kva.example"),
        ("g\u{131}thub.com", "xn--gthub-n4a.com"),
        ("good\u{2044}evil", "xn--goodevil-h03d"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("r3---sn-abc.googlevideo.com", "r3---sn-abc.googlevideo.com"),
        ("-a-.example", "-a-.example"),
        ("localhost", "localhost"),
        ("1.2.3.4.example", "1.2.3.4.example"),
        ("1e3.0x1g", "1e3.0x1g"),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1.", "192.0.2.1"),
        ("\u{2460}\u{2461}\u{2466}.0.0.1", "127.0.0.1"),
        ("[2001:DB8:0:0::1]", "[2001:db8::1]"),
        ("[::ffff:7f00:1]", "127.0.0.1"),
        ("[0:0:0:0:0:ffff:a9fe:a9fe]", "169.254.169.254"),
        ("[::127.0.0.1]", "[::7f00:1]"),
    ] {
        assert_eq!(spelled(text).as_deref(), Ok(wanted), "{text}");
    }
}

#[test]
fn an_odd_number_or_an_empty_label_is_refused() {
    use HostError::{Empty, Number};
    for (text, wanted) in [
        ("", Empty),
        (".", Empty),
        ("..", Empty),
        (".github.com", Empty),
        ("github..com", Empty),
        ("github.com..", Empty),
        ("github.com\u{3002}.", Empty),
        ("0x7f.1", Number),
        ("2130706433", Number),
        ("0177.0.0.1", Number),
        ("127.1", Number),
        ("0x7f000001", Number),
        ("1.2.3.0x4", Number),
        ("0x", Number),
        ("1.2.3.4.5", Number),
        ("256.1.1.1", Number),
        ("192.0.2.01", Number),
        ("example.1", Number),
        ("example.0X1F", Number),
    ] {
        assert_eq!(spelled(text), Err(wanted), "{text:?}");
    }
}

#[test]
fn a_text_that_is_no_host_is_refused() {
    use HostError::{Character, Idna, Ipv6, UserInfo};
    for (text, wanted) in [
        ("::1", Ipv6),
        ("[::1%25lo]", Ipv6),
        ("[::1%lo]", Ipv6),
        ("[fe80::1", Ipv6),
        ("[]", Ipv6),
        ("[1.2.3.4]", Ipv6),
        ("[::1]]", Ipv6),
        ("[[::1]]", Ipv6),
        ("good@evil", UserInfo),
        ("good\u{ff20}evil", UserInfo),
        ("good.test:80", Ipv6),
        ("good%2eevil", Character),
        ("good/evil", Character),
        ("good\\evil", Character),
        ("good#evil", Character),
        ("good?evil", Character),
        ("good evil", Character),
        ("good\u{a0}evil", Character),
        ("good\tevil", Character),
        ("good\r\nX: y", Ipv6),
        ("good\0", Character),
        ("a,b", Character),
        ("*.good", Character),
        ("*", Character),
        ("good!", Character),
        ("xn--", Idna),
        ("xn--github-", Idna),
        ("XN--GITHUB-.com", Idna),
        ("xn--a", Idna),
        ("\u{200d}.com", Idna),
        ("good\u{202e}.com", Idna),
    ] {
        assert_eq!(spelled(text), Err(wanted), "{text:?}");
    }
}

#[test]
fn a_long_text_is_refused() {
    use HostError::TooLong;
    let label = |length| "a".repeat(length);
    for (text, wanted) in [
        (&label(64), TooLong),
        (&[&label(63), ".", &label(63), ".", &label(63), ".", &label(62)].concat(), TooLong),
        (&"a.".repeat(100_000), TooLong),
        // Nothing but `a` would be left of it, after unbounded work.
        (&["a", &"\u{ad}".repeat(1_000)].concat(), TooLong),
    ] {
        assert_eq!(spelled(text), Err(wanted), "{text:?}");
    }
}

#[test]
fn the_longest_name_is_a_host() {
    let name = [&"a".repeat(63), ".", &"b".repeat(63), ".", &"c".repeat(63), ".", &"d".repeat(61)].concat();
    assert_eq!(name.len(), MAX_NAME);
    assert_eq!(spelled(&name).as_deref(), Ok(name.as_str()));
    assert_eq!(spelled(&format!("{name}.")).as_deref(), Ok(name.as_str()));
}

#[test]
fn a_host_is_a_name_or_an_address() {
    let name = CanonicalHost::parse("example.com").unwrap();
    assert_eq!((name.name(), name.address()), (Some("example.com"), None));
    let address = CanonicalHost::parse("[2001:db8::1]").unwrap();
    assert_eq!((address.name(), address.address()), (None, Some("2001:db8::1".parse().unwrap())));
    let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
    assert_eq!(CanonicalHost::from(mapped), CanonicalHost::parse("10.0.0.1").unwrap());
}

proptest! {
    #[test]
    fn any_text_is_a_host_with_one_spelling_or_an_error(text in any::<String>()) {
        if let Ok(host) = CanonicalHost::parse(&text) {
            prop_assert_eq!(CanonicalHost::parse(&host.to_string()), Ok(host));
        }
    }

    #[test]
    fn texts_like_hosts_too(text in "[a-zA-Z0-9._\\-*\\[\\]:%xß。Kﬀ\u{200d}\u{3a3}]{0,40}") {
        if let Ok(host) = CanonicalHost::parse(&text) {
            prop_assert_eq!(CanonicalHost::parse(&host.to_string()), Ok(host));
        }
    }

    #[test]
    fn case_trailing_dot_and_width_make_no_difference(text in "[a-z0-9]{1,8}(\\.[a-z0-9]{1,8}){0,3}") {
        let host = CanonicalHost::parse(&text);
        let wide: String = text.chars().map(|c| match c {
            'a'..='z' => char::from_u32(c as u32 - 'a' as u32 + 0xff41).unwrap(),
            '.' => '\u{3002}',
            other => other,
        }).collect();
        for other in [text.to_uppercase(), format!("{text}."), wide] {
            prop_assert_eq!(CanonicalHost::parse(&other), host.clone(), "{}", other);
        }
    }

    #[test]
    fn every_address_is_its_own_spelling(bits in any::<u128>(), v4 in any::<u32>()) {
        for address in [IpAddr::V6(bits.into()), IpAddr::V4(v4.into())] {
            let host = CanonicalHost::from(address);
            prop_assert_eq!(CanonicalHost::parse(&host.to_string()), Ok(host));
        }
    }
}
