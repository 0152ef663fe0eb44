//! Header hygiene: what may cross the proxy, in both directions. A message is never forwarded as it came: its body was
//! parsed and will be framed anew, so everything that described the old connection or the old framing goes
//! (RFC 9110, 7.6.1). `Connection` may name further headers to drop, but what handlers add comes later and stays.

use std::mem;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version, header, request, response, uri::PathAndQuery};
use policy::{Authority, Scheme};

use crate::error::ExchangeError;

/// Headers of one connection only; `Trailer` is none of them (RFC 9110, 6.6.2). `Expect` is answered by us; `Host` is made anew from the canonical authority.
const HOP_BY_HOP: [HeaderName; 11] = [
    header::CONNECTION,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Makes the head of a request fit to be sent to `authority`, whatever it looked like.
pub fn clean_request(
    head: &mut request::Parts,
    scheme: Scheme,
    authority: &Authority,
) -> Result<(), ExchangeError> {
    // gRPC needs this one value to survive (RFC 9110, 10.1.4); it says nothing about our connection to the upstream.
    let trailers = head.headers.get(header::TE).is_some_and(|te| te == "trailers");
    strip(&mut head.headers);
    if head.version == Version::HTTP_2 {
        join_cookies(&mut head.headers);
    }
    if trailers {
        head.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let port = authority.port;
    let text = if port == scheme.default_port() { authority.host.to_string() } else { authority.to_string() };
    let path = mem::take(&mut head.uri).into_parts().path_and_query;
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme(scheme.as_str()).authority(text).path_and_query(path).build();
    head.uri = uri.map_err(|_| ExchangeError::Malformed("the request target is not a path"))?;
    head.version = Version::HTTP_11;
    Ok(())
}

/// HTTP/2 may send each cookie by itself, for its compression; everybody else wants one list (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let all: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if all.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

/// Makes the head of a response fit for the workload.
pub fn clean_response(head: &mut response::Parts) {
    strip(&mut head.headers);
    // It would invite the workload to HTTP/3, which cannot get out.
    head.headers.remove(header::ALT_SVC);
    head.version = Version::HTTP_11;
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // Framing is not the sender's to unsay.
        .filter(|name| *name != header::CONTENT_LENGTH)
        .collect();
    for name in named {
        headers.remove(name);
    }
    // Most messages have one of them or none, and to look each of them up takes a third of a microsecond.
    while let Some(name) = headers.keys().find(|name| HOP_BY_HOP.contains(name)).cloned() {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn cleaned(headers: &[(&str, &str)], uri: &str) -> (String, Vec<String>) {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let authority = Authority::parse("good.test", Scheme::Https).unwrap();
        clean_request(&mut head, Scheme::Https, &authority).unwrap();
        let once = head.headers.clone();
        clean_request(&mut head, Scheme::Https, &authority).unwrap();
        assert_eq!(once, head.headers, "cleaning twice is cleaning once");
        let text =
            |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
        (head.uri.to_string(), head.headers.iter().map(text).collect())
    }

    #[test]
    fn what_crosses() {
        for (headers, expected) in [
            (&[("accept", "*/*")][..], &["accept: */*"][..]),
            (&[("host", "good.test"), ("expect", "100-continue")], &[]),
            (&[("connection", "x-a, close"), ("x-a", "1"), ("x-b", "2")], &["x-b: 2"]),
            (&[("connection", "content-length"), ("content-length", "3")], &["content-length: 3"]),
            (&[("te", "trailers")], &["te: trailers"]),
            (&[("te", "gzip, trailers")], &[]),
            (&[("transfer-encoding", "chunked"), ("upgrade", "h2c"), ("http2-settings", "AA")], &[]),
            (&[("trailer", "x-a")], &["trailer: x-a"]),
            (&[("proxy-authorization", "Basic x"), ("keep-alive", "1")], &[]),
        ] {
            assert_eq!(cleaned(headers, "/").1, expected, "{headers:?}");
        }
    }

    #[test]
    fn crumbs_become_one_cookie() {
        for (version, expected) in
            [(Version::HTTP_2, &["a=1; b=2; c=3; d=4"][..]), (Version::HTTP_11, &["a=1", "b=2; c=3", "d=4"])]
        {
            let request = Request::builder().version(version).header("cookie", "a=1");
            let request = request.header("cookie", "b=2; c=3").header("x", "y").header("cookie", "d=4");
            let (mut head, ()) = request.body(()).unwrap().into_parts();
            clean_request(&mut head, Scheme::Https, &Authority::parse("good.test", Scheme::Https).unwrap())
                .unwrap();
            let cookies: Vec<_> = head.headers.get_all("cookie").iter().collect();
            assert_eq!(cookies, expected);
        }
    }

    #[test]
    fn the_target_is_canonical() {
        for (uri, expected) in [
            ("/a?b=c", "https://good.test/a?b=c"),
            ("https://good.test/a", "https://good.test/a"),
            ("//evil.test/x", "https://good.test//evil.test/x"),
            ("https://good.test", "https://good.test/"),
        ] {
            assert_eq!(cleaned(&[], uri).0, expected);
        }
    }
}
