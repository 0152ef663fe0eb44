//! What a request says about who sent it, and what it knows. Receives its head, hands on whether it is listened to at all, and on
//! which generation it depends. A page in a browser can be made to send requests to wherever a socket is forwarded to; it cannot
//! leave `Origin` away, nor name a host that it did not connect to.

use http::{HeaderMap, Request, header};

use crate::instance::Expected;

/// Whether it may come from a program that meant to speak to this socket.
pub(super) fn is_meant_for_us<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let mut hosts = headers.get_all(header::HOST).iter();
    let named = hosts.next().is_some_and(|host| host.as_bytes().eq_ignore_ascii_case(b"localhost"));
    let target = request.uri().host().is_none_or(|host| host.eq_ignore_ascii_case("localhost"));
    named && hosts.next().is_none() && target && !headers.contains_key(header::ORIGIN)
}

/// `If-Match` (RFC 9110, section 13.1.1). A tag that is no generation of ours, or a weak one, is a tag of nothing. `Err`: it is no
/// list of tags.
pub(super) fn expected(headers: &HeaderMap) -> Result<Expected, ()> {
    if !headers.contains_key(header::IF_MATCH) {
        return Ok(Expected::Any);
    }
    let mut generations = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let value = value.to_str().map_err(|_| ())?.trim();
        if value == "*" {
            return Ok(Expected::Any);
        }
        for tag in value.split(',').map(str::trim) {
            let (strong, opaque) = match tag.strip_prefix("W/") {
                Some(weak) => (false, weak),
                None => (true, tag),
            };
            let opaque = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or(())?;
            let is_ours = strong && opaque.bytes().all(|byte| byte.is_ascii_digit());
            generations.extend(opaque.parse::<u64>().ok().filter(|_| is_ours));
        }
    }
    Ok(Expected::OneOf(generations))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_listened_to() {
        for (uri, headers, is_heard) in [
            ("/", &[("host", "localhost")][..], true),
            ("/", &[("host", "LOCALHOST")], true),
            ("http://localhost/", &[("host", "localhost")], true),
            ("http://evil.test/", &[("host", "localhost")], false),
            ("/", &[], false),
            ("/", &[("host", "127.0.0.1")], false),
            ("/", &[("host", "localhost:80")], false),
            ("/", &[("host", "evil.test")], false),
            ("/", &[("host", "localhost"), ("host", "evil.test")], false),
            ("/", &[("host", "localhost"), ("origin", "http://localhost")], false),
            ("/", &[("host", "localhost"), ("origin", "null")], false),
        ] {
            let mut request = Request::builder().uri(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            assert_eq!(is_meant_for_us(&request.body(()).unwrap()), is_heard, "{uri} {headers:?}");
        }
    }

    #[test]
    fn tags() {
        let one_of = |list: &[u64]| Ok(Expected::OneOf(list.to_vec()));
        for (values, wanted) in [
            (&[][..], Ok(Expected::Any)),
            (&["*"], Ok(Expected::Any)),
            (&["\"3\""], one_of(&[3])),
            (&["\"3\", \"4\""], one_of(&[3, 4])),
            (&["\"3\"", "\"4\""], one_of(&[3, 4])),
            (&["W/\"3\""], one_of(&[])),
            (&["\"three\""], one_of(&[])),
            (&["\"+3\""], one_of(&[])),
            (&["\"\""], one_of(&[])),
            (&["\"99999999999999999999\""], one_of(&[])),
            (&["3"], Err(())),
            (&["\"3"], Err(())),
            (&[""], Err(())),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::IF_MATCH, value.parse().unwrap());
            }
            assert_eq!(expected(&headers), wanted, "{values:?}");
        }
    }
}
