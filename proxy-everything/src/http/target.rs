//! What a request is for: receives its head and how it came, hands on one canonical authority, or the reason why there is none.
//! Every request on a connection is checked, not only the first: the authority, the TLS server name, and later the name that
//! the upstream is verified for are the same name. Everything else is a way to send a credential to the wrong place.

use std::net::SocketAddr;

use http::{HeaderMap, Method, Request, Version, header};
use policy::{Authority, CanonicalHost, Scheme};

use super::Transport;
use crate::error::ExchangeError;

/// The scheme and authority of `request`, which came over `transport` for `destination`.
pub fn target<B>(
    request: &Request<B>,
    transport: &Transport,
    destination: SocketAddr,
) -> Result<(Scheme, Authority), ExchangeError> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(ExchangeError::Method(request.method().to_string()));
    }
    // It stands for the whole server, of which only one method asks something (RFC 9110, 7.1).
    if request.uri().path() == "*" && request.method() != Method::OPTIONS {
        return Err(ExchangeError::Malformed("the request target is not a path"));
    }
    let scheme = match transport {
        Transport::Plain => Scheme::Http,
        Transport::Tls(_) => Scheme::Https,
    };
    let text = stated(request, scheme)?;
    let authority = Authority::parse(text, scheme)?;
    let expected = match transport {
        Transport::Tls(Some(name)) => name.clone(),
        Transport::Plain if authority.host.name().is_some() => authority.host.clone(),
        // Without a name to go by, the authority must be the very address that was dialled.
        Transport::Plain | Transport::Tls(None) => CanonicalHost::from(destination.ip()),
    };
    if authority.host != expected || authority.port != destination.port() {
        let connection = Authority { host: expected, port: destination.port() };
        return Err(ExchangeError::Misdirected {
            authority: authority.to_string(),
            connection: connection.to_string(),
        });
    }
    Ok((scheme, authority))
}

/// The one authority that the head states (RFC 9112, 3.2 and 3.3; RFC 9113, 8.3.1).
fn stated<B>(request: &Request<B>, scheme: Scheme) -> Result<&str, ExchangeError> {
    let uri = request.uri();
    if let Some(stated) = uri.scheme_str()
        && !stated.eq_ignore_ascii_case(scheme.as_str())
    {
        return Err(ExchangeError::Malformed("the request's scheme is not that of its connection"));
    }
    let in_target = uri.authority().map(http::uri::Authority::as_str);
    let in_header = host_header(request.headers())?;
    match (in_target, in_header) {
        (Some(target), Some(header)) if !target.eq_ignore_ascii_case(header) => {
            Err(ExchangeError::Malformed("the request names two different hosts"))
        }
        (Some(target), Some(_)) => Ok(target),
        (Some(target), None) if request.version() == Version::HTTP_2 => Ok(target),
        (None, Some(header)) if request.version() != Version::HTTP_2 => Ok(header),
        _ => Err(ExchangeError::Malformed("the request names no host")),
    }
}

fn host_header(headers: &HeaderMap) -> Result<Option<&str>, ExchangeError> {
    let mut values = headers.get_all(header::HOST).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(ExchangeError::Malformed("the request has more than one Host header"));
    }
    let first = first.map(|value| value.to_str());
    first.transpose().map_err(|_| ExchangeError::Malformed("the Host header is not text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESTINATION: &str = "198.18.0.1:443";

    fn request(version: Version, uri: &str, hosts: &[&str]) -> Request<()> {
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        request.body(()).unwrap()
    }

    fn judge(version: Version, uri: &str, hosts: &[&str], transport: &Transport, to: &str) -> String {
        match target(&request(version, uri, hosts), transport, to.parse().unwrap()) {
            Ok((scheme, authority)) => format!("{}://{authority}", scheme.as_str()),
            Err(error) => error.status().as_str().to_owned(),
        }
    }

    #[test]
    fn http1_over_tls() {
        let tls = Transport::Tls(Some(CanonicalHost::parse("good.test").unwrap()));
        for (uri, hosts, expected) in [
            ("/", &["good.test"][..], "https://good.test:443"),
            ("/", &["GOOD.test."], "https://good.test:443"),
            ("/", &["good.test:443"], "https://good.test:443"),
            ("https://good.test/", &["good.test"], "https://good.test:443"),
            ("/", &["evil.test"], "421"),
            ("/", &["good.test:8443"], "421"),
            ("/", &["198.18.0.1"], "421"),
            ("/", &[], "400"),
            ("/", &["good.test", "good.test"], "400"),
            ("/", &["good.test, evil.test"], "400"),
            ("/", &["good@evil.test"], "400"),
            ("/", &["good.test:"], "400"),
            ("/", &[""], "400"),
            ("https://evil.test/", &["good.test"], "400"),
            ("http://good.test/", &["good.test"], "400"),
            ("https://good.test/", &[], "400"),
        ] {
            assert_eq!(judge(Version::HTTP_11, uri, hosts, &tls, DESTINATION), expected, "{uri} {hosts:?}");
        }
    }

    #[test]
    fn http2_over_tls() {
        let tls = Transport::Tls(Some(CanonicalHost::parse("good.test").unwrap()));
        for (uri, hosts, expected) in [
            ("https://good.test/", &[][..], "https://good.test:443"),
            ("https://good.test/", &["good.test"], "https://good.test:443"),
            ("https://evil.test/", &[], "421"),
            ("https://good.test/", &["evil.test"], "400"),
            ("https://good.test/", &["good.test", "good.test"], "400"),
            ("http://good.test/", &[], "400"),
            ("/", &["good.test"], "400"),
            ("https://u:p@good.test/", &[], "400"),
        ] {
            assert_eq!(judge(Version::HTTP_2, uri, hosts, &tls, DESTINATION), expected, "{uri} {hosts:?}");
        }
    }

    #[test]
    fn without_a_name_only_the_address_counts() {
        for (hosts, transport, to, expected) in [
            (&["198.18.0.1"][..], Transport::Tls(None), "198.18.0.1:443", "https://198.18.0.1:443"),
            (&["[100::1]"], Transport::Tls(None), "[100::1]:443", "https://[100::1]:443"),
            (&["good.test"], Transport::Tls(None), "198.18.0.1:443", "421"),
            (&["198.18.0.2"], Transport::Tls(None), "198.18.0.1:443", "421"),
            (&["198.18.0.2"], Transport::Plain, "198.18.0.1:80", "421"),
            (&["198.18.0.1"], Transport::Plain, "198.18.0.1:80", "http://198.18.0.1:80"),
            (&["good.test"], Transport::Plain, "198.18.0.1:80", "http://good.test:80"),
            (&["good.test:22"], Transport::Plain, "198.18.0.1:80", "421"),
            (&["good.test"], Transport::Plain, "198.18.0.1:8080", "421"),
        ] {
            assert_eq!(
                judge(Version::HTTP_11, "/", hosts, &transport, to),
                expected,
                "{hosts:?} {transport:?}"
            );
        }
    }

    #[test]
    fn an_asterisk_is_for_options() {
        for (method, expected) in
            [(Method::OPTIONS, None), (Method::GET, Some(400)), (Method::POST, Some(400))]
        {
            let request = Request::builder().method(&method).uri("*").header(header::HOST, "good.test");
            let result =
                target(&request.body(()).unwrap(), &Transport::Plain, "198.18.0.1:80".parse().unwrap());
            assert_eq!(result.err().map(|error| error.status().as_u16()), expected, "{method}");
        }
    }

    #[test]
    fn methods_without_meaning_here() {
        for method in [Method::CONNECT, Method::TRACE] {
            let request = Request::builder().method(&method).uri("good.test:443").body(()).unwrap();
            let result = target(&request, &Transport::Plain, DESTINATION.parse().unwrap());
            assert_eq!(result.unwrap_err().status().as_u16(), 405, "{method}");
        }
    }
}
