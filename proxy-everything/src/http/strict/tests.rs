//! Tables of what passes and what does not, and: however the bytes are cut, the verdict is the same.

use proptest::prelude::*;

use super::{head::MAX_HEAD, *};

/// What became of all bytes, shown in pieces that end at `cuts`: how many passed, how many requests there were, and the fault.
fn verdict(bytes: &[u8], cuts: &[usize]) -> (usize, u64, Then) {
    let (mut walker, mut passed) = (Walker::default(), 0);
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([bytes.len()]).collect();
    ends.sort_unstable();
    let mut then = Then::More;
    for end in ends {
        loop {
            let walked = walker.walk(&bytes[passed..end]);
            passed += walked.passed;
            then = walked.then;
            if matches!(then, Then::NoHead(_) | Then::NoBody(_)) {
                return (passed, walker.requests(), then);
            }
            // It does not switch.
            if then != Then::Switch {
                break;
            }
        }
    }
    (passed, walker.requests(), then)
}

fn fault(text: &str) -> Option<Fault> {
    match verdict(text.as_bytes(), &[]).2 {
        Then::NoHead(fault) | Then::NoBody(fault) => Some(fault),
        Then::More | Then::Switch => None,
    }
}

#[test]
fn request_lines() {
    let long = "a".repeat(65_534);
    for (line, expected) in [
        ("GET / HTTP/1.1", None),
        ("get /a?b=c HTTP/1.0", None),
        ("M-SEARCH /%7Ea;b=c,d@e:f?g/h?i HTTP/1.1", None),
        ("GET /{\"a\":[1]}| HTTP/1.1", None),
        ("GET /\u{fc} HTTP/1.1", None),
        ("\r\nGET / HTTP/1.1", None),
        ("OPTIONS * HTTP/1.1", None),
        ("GET http://good.test HTTP/1.1", None),
        ("GET HTTPS://good.test:443/a?b HTTP/1.1", None),
        ("CONNECT good.test:443 HTTP/1.1", None),
        ("CONNECT [::1]:443 HTTP/1.1", None),
        ("\r\n\r\nGET / HTTP/1.1", Some(Fault::EmptyLines)),
        ("GET  / HTTP/1.1", Some(Fault::RequestLine)),
        ("GET /  HTTP/1.1", Some(Fault::RequestLine)),
        ("GET / HTTP/1.1 ", Some(Fault::RequestLine)),
        ("GET /\tHTTP/1.1", Some(Fault::RequestLine)),
        (" GET / HTTP/1.1", Some(Fault::RequestLine)),
        ("GET /", Some(Fault::RequestLine)),
        ("GET", Some(Fault::RequestLine)),
        ("G(T / HTTP/1.1", Some(Fault::RequestLine)),
        ("GET / http/1.1", Some(Fault::RequestLine)),
        ("GET / HTTP/1.32", Some(Fault::RequestLine)),
        ("GET / HTTP/11.1", Some(Fault::RequestLine)),
        ("GET / a HTTP/1.1", Some(Fault::RequestLine)),
        ("GET / HTTP/2.0", Some(Fault::Version)),
        ("PRI * HTTP/2.0", Some(Fault::Version)),
        ("GET / HTTP/0.9", Some(Fault::Version)),
        ("GET / HTTP/1.2", Some(Fault::Version)),
        ("GET * HTTP/1.1", Some(Fault::Target)),
        ("GET a HTTP/1.1", Some(Fault::Target)),
        ("GET good.test:80 HTTP/1.1", Some(Fault::Target)),
        ("GET ftp://good.test/ HTTP/1.1", Some(Fault::Target)),
        ("GET http:/// HTTP/1.1", Some(Fault::Target)),
        ("GET http://a b/ HTTP/1.1", Some(Fault::RequestLine)),
        ("GET /#a HTTP/1.1", Some(Fault::Target)),
        ("GET /a\x01 HTTP/1.1", Some(Fault::Target)),
        ("GET /\rb HTTP/1.1", Some(Fault::Target)),
        ("CONNECT / HTTP/1.1", Some(Fault::Target)),
        ("CONNECT good.test HTTP/1.1", Some(Fault::Target)),
        ("CONNECT http://good.test:80/ HTTP/1.1", Some(Fault::Target)),
        (&format!("GET /{long} HTTP/1.1"), Some(Fault::TargetTooLong)),
        (&format!("GET /{} HTTP/1.1", &long[20..]), None),
        (&long, Some(Fault::TargetTooLong)),
    ] {
        assert_eq!(fault(&format!("{line}\r\nHost: a\r\n\r\n")), expected, "{}", &line[..line.len().min(60)]);
    }
}

#[test]
fn fields() {
    let (many, large) = ("A: b\r\n".repeat(100), format!("A: {}\r\n", "b".repeat(40_000)));
    for (lines, expected) in [
        ("Host: a\r\n", None),
        ("hOST:a\r\nA:\tb \t\r\nB:\r\n!#$%&'*+-.^_`|~: \u{e4}\r\n", None),
        ("", Some(Fault::Host)),
        ("Host: a\r\nHost: a\r\n", Some(Fault::Host)),
        ("Host: a\n", Some(Fault::LineEnd)),
        ("Host: a\r\nA: b\r\r\n", Some(Fault::Value)),
        ("Host: a\r\nA: b\rc\r\n", Some(Fault::Value)),
        ("Host: a\r\nA: b\0c\r\n", Some(Fault::Value)),
        ("Host: a\r\nA: b\x7f\r\n", Some(Fault::Value)),
        ("Host: a\r\n b\r\n", Some(Fault::Folded)),
        ("\tHost: a\r\n", Some(Fault::Folded)),
        ("Host : a\r\n", Some(Fault::Name)),
        ("Host: a\r\n: b\r\n", Some(Fault::Name)),
        ("Host: a\r\nA\r\n", Some(Fault::Name)),
        ("Host: a\r\nA\0: b\r\n", Some(Fault::Name)),
        ("Host: a\r\n\u{e4}: b\r\n", Some(Fault::Name)),
        ("Host: a\r\nTransfer-Encoding\x0b: chunked\r\n", Some(Fault::Name)),
        (&format!("Host: a\r\n{}: b\r\n", "a".repeat(1025)), Some(Fault::TooLarge)),
        (&format!("Host: a\r\n{many}"), Some(Fault::TooManyLines)),
        (&format!("Host: a\r\n{}", &many[6..]), None),
        (&format!("Host: a\r\n{}", large.repeat(3)), None),
        (&format!("Host: a\r\n{}", large.repeat(4)), Some(Fault::TooLarge)),
    ] {
        let short: String = lines.chars().take(60).collect();
        assert_eq!(fault(&format!("GET / HTTP/1.1\r\n{lines}\r\n")), expected, "{short:?}");
    }
    assert_eq!(fault("GET / HTTP/1.0\r\n\r\n"), None);
    assert_eq!(fault("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), Some(Fault::Host));
    assert_eq!(fault(&"a".repeat(MAX_HEAD)), Some(Fault::TargetTooLong));
}

#[test]
fn lengths() {
    let (length, coding) = ("Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n");
    for (lines, expected) in [
        (length, None),
        ("content-length:\t3 \r\n", None),
        ("Transfer-Encoding: CHUNKED\r\n", None),
        (&length.repeat(2), Some(Fault::ContentLength)),
        (&format!("{length}{coding}"), Some(Fault::TwoLengths)),
        (&format!("{coding}{length}"), Some(Fault::TwoLengths)),
        (&coding.repeat(2), Some(Fault::TransferEncoding)),
        ("Content-Length: 3, 3\r\n", Some(Fault::ContentLength)),
        ("Content-Length: +3\r\n", Some(Fault::ContentLength)),
        ("Content-Length: -3\r\n", Some(Fault::ContentLength)),
        ("Content-Length: 0x3\r\n", Some(Fault::ContentLength)),
        ("Content-Length: 3 3\r\n", Some(Fault::ContentLength)),
        ("Content-Length:\r\n", Some(Fault::ContentLength)),
        ("Content-Length: 99999999999999999999\r\n", Some(Fault::ContentLength)),
        ("Content_Length: 3\r\n", Some(Fault::Alias)),
        ("transfer_encoding: chunked\r\n", Some(Fault::Alias)),
        ("Transfer-Encoding: identity, chunked\r\n", Some(Fault::TransferEncoding)),
        ("Transfer-Encoding: ,chunked\r\n", Some(Fault::TransferEncoding)),
        ("Transfer-Encoding: chunked;q=1\r\n", Some(Fault::TransferEncoding)),
        ("Transfer-Encoding: \u{a0}chunked\r\n", Some(Fault::TransferEncoding)),
        ("Transfer-Encoding:\r\n", Some(Fault::TransferEncoding)),
    ] {
        // A head without the body that it announces.
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        assert_eq!(fault(&text), expected, "{lines:?}");
    }
    assert_eq!(fault(&format!("POST / HTTP/1.0\r\n{coding}\r\n")), Some(Fault::TransferEncoding));
}

#[test]
fn chunks() {
    let trailers = "a: b\r\n".repeat(65);
    for (body, expected) in [
        ("0\r\n\r\n", None),
        ("3\r\nabc\r\n0000000A;a=\"b\"\r\n0123456789\r\n0\r\nA: b\r\nB:\r\n\r\n", None),
        ("0x3\r\nabc\r\n", Some(Fault::ChunkSize)),
        ("+3\r\nabc\r\n", Some(Fault::ChunkSize)),
        ("-0\r\n\r\n", Some(Fault::ChunkSize)),
        (" 3\r\nabc\r\n", Some(Fault::ChunkSize)),
        ("3 ;a\r\nabc\r\n", Some(Fault::ChunkSize)),
        (";a\r\nabc\r\n", Some(Fault::ChunkSize)),
        ("\r\n", Some(Fault::ChunkSize)),
        ("3\nabc\r\n", Some(Fault::ChunkSize)),
        ("00000000000000003\r\nabc\r\n", Some(Fault::ChunkSize)),
        ("3\r\r\nabc\r\n", Some(Fault::ChunkEnd)),
        ("3;a\nabc\r\n", Some(Fault::ChunkExtension)),
        ("3;a\0\r\nabc\r\n", Some(Fault::ChunkExtension)),
        (&format!("3;{}\r\nabc\r\n", "a".repeat(257)), Some(Fault::ChunkExtension)),
        (&format!("3;{}\r\nabc\r\n0\r\n\r\n", "a".repeat(256)), None),
        ("3\r\nabcd\r\n", Some(Fault::ChunkEnd)),
        ("3\r\nabc\n", Some(Fault::ChunkEnd)),
        ("3\r\nabc\r\r", Some(Fault::ChunkEnd)),
        ("0\r\n a: b\r\n\r\n", Some(Fault::Trailers)),
        ("0\r\na : b\r\n\r\n", Some(Fault::Trailers)),
        ("0\r\na: b\n\r\n", Some(Fault::Trailers)),
        ("0\r\na: b\0\r\n\r\n", Some(Fault::Trailers)),
        ("0\r\n\n", Some(Fault::Trailers)),
        ("0\r\nGET / HTTP/1.1\r\n\r\n", Some(Fault::Trailers)),
        (&format!("0\r\n{trailers}\r\n"), Some(Fault::Trailers)),
        (&format!("0\r\n{}\r\n", &trailers[6..]), None),
        (&format!("0\r\na: {}\r\n\r\n", "b".repeat(16 * 1024)), Some(Fault::Trailers)),
    ] {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (passed, requests, then) = verdict(format!("{head}{body}").as_bytes(), &[]);
        let expected = expected.map_or(Then::More, Then::NoBody);
        let short: String = body.chars().take(60).collect();
        assert_eq!((requests, then), (1, expected), "{short:?}");
        assert!(passed >= head.len() && passed <= head.len() + body.len());
    }
}

/// A message ends where its framing says, and the next one is judged by itself.
#[test]
fn one_after_the_other() {
    let good = "GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
                POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n\
                PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(verdict(good.as_bytes(), &[]), (good.len(), 4, Then::More));
    let bad = format!("{good}GET / HTTP/1.1\r\n\r\n{good}");
    assert_eq!(verdict(bad.as_bytes(), &[]), (good.len(), 4, Then::NoHead(Fault::Host)));
}

#[test]
fn what_may_switch() {
    let upgrade = "Host: a\r\nUpgrade: b\r\n";
    for (head, expected) in [
        (format!("GET / HTTP/1.1\r\n{upgrade}\r\n"), true),
        (format!("GET / HTTP/1.0\r\n{upgrade}\r\n"), false),
        (format!("GET / HTTP/1.1\r\n{upgrade}Content-Length: 0\r\n\r\n"), true),
        (format!("GET / HTTP/1.1\r\n{upgrade}Content-Length: 1\r\n\r\n"), false),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), true),
    ] {
        let walked = Walker::default().walk(format!("{head}\x16\x03\x01").as_bytes());
        assert_eq!(walked.then == Then::Switch && walked.passed == head.len(), expected, "{head}");
    }
}

/// Requests, with single bytes put in, taken out or changed.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n"),
        Just("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: b\r\n\r\n"),
        Just("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde"),
        Just(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a\r\nab\r\n0\r\nA: b\r\n\r\n"
        ),
    ];
    let change =
        (any::<prop::sample::Index>(), prop_oneof![Just(None), any::<u8>().prop_map(Some)], any::<bool>());
    (prop::collection::vec(part, 1..4), prop::collection::vec(change, 0..3)).prop_map(|(parts, changes)| {
        let mut bytes = parts.concat().into_bytes();
        for (place, byte, also) in changes {
            let at = place.index(bytes.len());
            match byte {
                Some(byte) if also => bytes[at] = byte,
                Some(byte) => bytes.insert(at, byte),
                None => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn cuts_change_nothing(bytes in messages(), cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        let whole = verdict(&bytes, &[]);
        prop_assert_eq!(verdict(&bytes, &cuts), whole);
        let each: Vec<_> = (0..bytes.len()).collect();
        prop_assert_eq!(verdict(&bytes, &each), whole);
    }

    #[test]
    fn any_bytes(bytes in any::<Vec<u8>>(), cuts in prop::collection::vec(any::<usize>(), 0..4)) {
        prop_assert_eq!(verdict(&bytes, &cuts), verdict(&bytes, &[]));
    }
}
