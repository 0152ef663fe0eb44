//! The handshake of a WebSocket that begins on a stream of HTTP/2 (RFC 8441), where there is none. Receives the request for the stream,
//! hands on the one that it would be on HTTP/1.1, by which it is decided and recorded, and which goes upstream; and checks the
//! answer to it for the client, which has no key to check it by (RFC 6455, 4.1).

use aws_lc_rs::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, digest},
    rand,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, Request, header};
use hyper::ext::Protocol;

use crate::error::UpstreamError;

const WEBSOCKET: &str = "websocket";
/// What is hashed with the key (RFC 6455, 1.3).
const SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What the upstream must answer.
pub(super) struct Handshake {
    accept: String,
}

impl Handshake {
    /// Makes an opening request of `request`, if it asks for a stream that becomes a WebSocket, and says which protocol that is. Any other
    /// one remains a CONNECT.
    pub(super) fn open<B>(request: &mut Request<B>) -> Option<(Self, HeaderValue)> {
        let protocol = request.extensions_mut().remove::<Protocol>()?;
        if !protocol.as_str().eq_ignore_ascii_case(WEBSOCKET) {
            return None;
        }
        let mut random = [0; 16];
        rand::fill(&mut random).ok()?;
        let key = STANDARD.encode(random);
        let accept = accept(&key);
        let key = HeaderValue::try_from(key).ok()?;
        *request.method_mut() = Method::GET;
        request.headers_mut().insert(header::SEC_WEBSOCKET_KEY, key);
        Some((Self { accept }, HeaderValue::from_static(WEBSOCKET)))
    }

    /// Whether the head of a response with status 101 belongs to the key; what only HTTP/1.1 says is taken out of it.
    pub(super) fn close(self, headers: &mut HeaderMap) -> Result<(), UpstreamError> {
        let answered = headers.remove(header::SEC_WEBSOCKET_ACCEPT);
        let answers = answered.is_some_and(|answered| answered == self.accept);
        answers.then_some(()).ok_or(UpstreamError::Upgrade)
    }
}

fn accept(key: &str) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, [key, SUFFIX].concat().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(protocol: &'static str) -> Request<()> {
        let request = Request::connect("https://good.test/chat").extension(Protocol::from_static(protocol));
        request.header(header::SEC_WEBSOCKET_KEY, "its own").body(()).unwrap()
    }

    /// The example of RFC 6455, 1.3.
    #[test]
    fn the_answer_to_a_key() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn it_becomes_a_get() {
        let mut first = request("websocket");
        let (handshake, protocol) = Handshake::open(&mut first).unwrap();
        assert_eq!((first.method(), &protocol), (&Method::GET, &HeaderValue::from_static("websocket")));
        let mut second = request("WebSocket");
        Handshake::open(&mut second).unwrap();
        let key = |request: &Request<()>| request.headers()[header::SEC_WEBSOCKET_KEY].clone();
        assert!(key(&first) != key(&second) && key(&first).len() == 24);
        let right = HeaderValue::try_from(accept(key(&first).to_str().unwrap())).unwrap();
        let mut headers = HeaderMap::from_iter([(header::SEC_WEBSOCKET_ACCEPT, right)]);
        handshake.close(&mut headers).unwrap();
        assert!(headers.is_empty());
    }

    #[test]
    fn others_are_not_touched() {
        let mut request = request("connect-udp");
        assert!(Handshake::open(&mut request).is_none());
        assert_eq!(request.method(), Method::CONNECT);
        assert_eq!(request.headers()[header::SEC_WEBSOCKET_KEY], "its own");
    }

    #[test]
    fn another_answer_is_none() {
        for answer in [None, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), Some("")] {
            let (handshake, _) = Handshake::open(&mut request("websocket")).unwrap();
            let answer = answer.map(|it| (header::SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static(it)));
            assert!(handshake.close(&mut HeaderMap::from_iter(answer)).is_err());
        }
    }
}
