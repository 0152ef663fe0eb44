//! What guests see and set of heads, as tables and as properties.
//!
//! Whole messages are tested in `tests/components.rs`; here are the edges that no well-meaning guest reaches.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn fields(pairs: Pairs<'_>) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn set_without_secrets(pairs: Pairs<'_>) -> Result<HeaderMap, String> {
    set(fields(pairs), &Secrets::default())
}

#[test]
fn what_is_not_http_is_refused() {
    let cases: &[(Pairs<'_>, &str)] = &[
        (&[("a b", "1")], "bad header name `a b`"),
        (&[("", "1")], "bad header name ``"),
        (&[("a", "b\r\nc: d")], "bad value of header a"),
        (&[("a", "b\0")], "bad value of header a"),
        (&[("a", "\u{20ac}")], "bad value of header a"),
        (&[("a", "x"); MAX_FIELDS + 1], "too many header fields"),
        (&[("a", &"x".repeat(MAX_HEADER_BYTES))], "too many header fields"),
    ];
    for (pairs, expected) in cases {
        assert_eq!(set_without_secrets(pairs).err().as_deref(), Some(*expected), "{:?}", pairs.first());
    }
}

#[test]
fn framing_and_hop_by_hop_fields_are_not_the_guests() {
    let names = [
        "connection",
        "Content-Length",
        "expect",
        "HOST",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    for name in names {
        assert!(set_without_secrets(&[(name, "1")]).unwrap().is_empty(), "{name}");
    }
}

#[test]
fn values_that_hold_a_secret_are_sensitive() {
    let secrets = ["", "SEKRIT"].map(|value| ("S".into(), Arc::new(Secret::new(value.to_owned()))));
    let secrets = Secrets::from_iter(secrets);
    let headers = set(fields(&[("a", "Bearer SEKRIT"), ("b", "plain")]), &secrets).unwrap();
    assert!(headers["a"].is_sensitive() && !headers["b"].is_sensitive());
}

#[test]
fn statuses_are_final_ones_and_some_have_no_content() {
    for (status, length) in
        [(199, None), (200, Some("1")), (204, Some("")), (205, Some("")), (599, Some("1")), (600, None)]
    {
        let made = wit::Response { status, headers: vec![], body: wit::Payload::Bytes(vec![7]) };
        let response = response(made, &mut Bodies::default(), &Secrets::default()).ok();
        let length_of = |it: &Response<Body>| {
            it.headers().get("content-length").map_or("", |it| it.to_str().unwrap()).to_owned()
        };
        assert_eq!(response.as_ref().map(length_of).as_deref(), length, "{status}");
    }
}

proptest! {
    /// Every value that is valid on the wire reaches the guest and comes back byte for byte.
    #[test]
    fn values_survive(values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8)) {
        let mut headers = HeaderMap::new();
        for value in values.iter().filter_map(|bytes| HeaderValue::from_bytes(bytes).ok()) {
            headers.append("x-value", value);
        }
        prop_assert_eq!(set(shown(&headers), &Secrets::default()).unwrap(), headers);
    }

    /// Whatever a guest sets, nothing panics, and what is accepted can be written to the wire.
    #[test]
    fn no_field_panics(pairs in proptest::collection::vec((".{0,12}", ".{0,12}"), 0..20)) {
        if let Ok(headers) = set(pairs, &Secrets::default()) {
            prop_assert!(headers.values().all(|it| !it.as_bytes().iter().any(|byte| b"\r\n\0".contains(byte))));
        }
    }
}
