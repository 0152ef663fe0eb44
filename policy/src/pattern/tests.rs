//! Patterns: how they are spelled, which are refused with which cure, and what they match.

use proptest::prelude::*;

use super::*;

#[test]
fn a_pattern_has_one_spelling() {
    for (text, wanted) in [
        ("github.com", "github.com"),
        ("GitHub.COM.", "github.com"),
        ("b\u{fc}cher.example", "xn--bcher-kva.example"),
        ("*", "*"),
        ("*:443", "*:443"),
        ("https://*", "https://*"),
        ("*.Example.com.", "*.example.com"),
        ("*.b\u{fc}cher.example.com", "*.xn--bcher-kva.example.com"),
        ("api.*.example.com", "api.*.example.com"),
        ("*.api.*.example.com:8443", "*.api.*.example.com:8443"),
        ("*.test", "*.test"),
        ("*.internal", "*.internal"),
        ("HTTPS://github.com:443", "https://github.com:443"),
        ("http://github.com", "http://github.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1/32", "192.0.2.1"),
        ("192.0.2.1:80", "192.0.2.1:80"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("https://10.0.0.0/8:8443", "https://10.0.0.0/8:8443"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("[::1]:8080", "[::1]:8080"),
        ("FD00::/8", "fd00::/8"),
        ("[fd00::/8]", "fd00::/8"),
        ("http://[fd00::/8]:80", "http://[fd00::/8]:80"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
    ] {
        assert_eq!(Pattern::parse(text).map(|p| p.to_string()).as_deref(), Ok(wanted), "{text}");
    }
}

#[test]
fn a_misleading_pattern_is_refused_with_its_cure() {
    const WHOLE: &str = "a `*` must stand for whole labels";
    const END: &str = "it ends in `*`, so anyone could register a name that it matches";
    const BROAD: &str = "it is too broad: anyone could register a name that it matches";
    const PATH: &str = "a pattern names a host and has no path";
    const BITS: &str = "the address has bits set beyond the prefix length";
    for (text, message, cure) in [
        ("*github.com", WHOLE, "write `*.github.com` and `github.com`"),
        ("*hub.example.com", WHOLE, "write `*.hub.example.com` and `hub.example.com`"),
        ("git*hub.com", WHOLE, "write each name in full"),
        ("**.example.com", WHOLE, "write `*.example.com`, or each name in full"),
        ("api-*.example.com", WHOLE, "write `*.example.com`, or each name in full"),
        ("api.v*.example.com", WHOLE, "write each name in full"),
        ("*com", WHOLE, "write each name in full"),
        ("google.*", END, "write each domain in full"),
        ("*.google.*", END, "write each domain in full"),
        ("*.*", END, "write each domain in full"),
        ("*.com", BROAD, "name the domain, as in `*.example.com`, or write `*` for everything"),
        ("*.COM.", BROAD, "name the domain, as in `*.example.com`, or write `*` for everything"),
        ("api.*.com", BROAD, "name the domain, as in `*.example.com`, or write `*` for everything"),
        ("*.0.0.1", "`*` is for names, not for addresses", "write a CIDR network such as `10.0.0.0/8`"),
        ("github.com/foo", PATH, "write `github.com`"),
        ("https://github.com/", PATH, "write `github.com`"),
        ("*.github.com/foo/*", PATH, "write `*.github.com`"),
        ("github.com:443/foo", PATH, "write `github.com:443`"),
        ("10.0.0.1:80/foo", PATH, "write `10.0.0.1:80`"),
        ("[::1]/foo", PATH, "write `[::1]`"),
        ("10.0.0.1/8", BITS, "write `10.0.0.0/8` for the network or `10.0.0.1` for the address"),
        ("fd00::1/8", BITS, "write `fd00::/8` for the network or `fd00::1` for the address"),
        ("10.0.0.0/33", "`/33` is no prefix length", "write a number from 0 to 32"),
        ("10.0.0.0/", "`/` is no prefix length", "write a number from 0 to 32"),
        ("10.0.0.0/+8", "`/+8` is no prefix length", "write a number from 0 to 32"),
        ("10.0.0.0/255.0.0.0", "`/255.0.0.0` is no prefix length", "write a number from 0 to 32"),
        ("::/129", "`/129` is no prefix length", "write a number from 0 to 128"),
        ("ftp://x.test", "unknown scheme `ftp`", "write `http://`, `https://`, or no scheme for both"),
        ("://x.test", "unknown scheme ``", "write `http://`, `https://`, or no scheme for both"),
    ] {
        let error = Pattern::parse(text).unwrap_err();
        let wanted = (format!("pattern `{text}`: {message}"), Some(cure));
        assert_eq!((error.message, error.suggestion.as_deref()), wanted, "{text}");
    }
}

#[test]
fn what_is_no_host_is_no_pattern() {
    use HostError::{Character, Empty, Ipv6, Number, Port, UserInfo};
    for (text, cause) in [
        ("", Empty),
        (":443", Empty),
        ("https://", Empty),
        ("*..example.com", Empty),
        (".example.com", Empty),
        ("github.com:", Port),
        ("github.com:0", Port),
        ("github.com:*", Port),
        ("*.github.com:65536", Port),
        ("10.0.0.0/8:x", Port),
        ("127.1", Number),
        ("0x7f000001", Number),
        ("::1:80:x", Ipv6),
        ("fd00::/8:80", Ipv6),
        ("[fd00::", Ipv6),
        ("[::1]x", Ipv6),
        ("[10.0.0.1]:80", Ipv6),
        ("user@github.com", UserInfo),
        ("github.com, gitlab.com", Character),
        (" github.com", Character),
        ("git?ub.com", Character),
        ("*.{a,b}.com", Character),
        ("*.[ab].example.com", Character),
        ("!github.com", Character),
        ("/github/", Empty),
    ] {
        let error = Pattern::parse(text).unwrap_err();
        let path = cause == Empty && text.starts_with('/');
        let wanted =
            if path { "a pattern names a host and has no path".to_owned() } else { cause.to_string() };
        assert_eq!(error.message, format!("pattern `{text}`: {wanted}"), "{text}");
    }
}

#[test]
fn a_huge_text_is_clipped_in_the_message() {
    let error = Pattern::parse(&"x*".repeat(1_000_000)).unwrap_err();
    assert!(error.to_string().len() < 400, "{}", error.to_string().len());
}

proptest! {
    #[test]
    fn any_text_is_a_pattern_with_one_spelling_or_an_error(text in any::<String>()) {
        if let Ok(pattern) = Pattern::parse(&text) {
            prop_assert_eq!(Pattern::parse(&pattern.to_string()), Ok(pattern));
        }
    }

    #[test]
    fn texts_like_patterns_too(
        text in "(http://|https://|x://)?[a-c0-9.*:/\\[\\]\\-_ßK]{0,16}(\\.example\\.com)?(/[0-9]{1,3})?(:[0-9]{1,5})?"
    ) {
        if let Ok(pattern) = Pattern::parse(&text) {
            prop_assert_eq!(Pattern::parse(&pattern.to_string()), Ok(pattern));
        }
    }
}
