//! Components of other toolchains, which know `wasi:http` and nothing of this project, run as they are.
//!
//! Receives the components that `make handlers-all` built from `tests/guests/others/`; fails if they are missing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/built.rs"]
mod built;
mod support;

use std::{
    io::ErrorKind,
    net::{TcpListener, UdpSocket},
};

use handlers::{Body, BodyError, Chain, Kind, Outcome};
use http::{Method, Request, Response};
use support::{ENGINE, Upstream, chain_of, full, limits, response, run, settings, text};

/// The component, its kind, and the header that it sets.
const OTHERS: [(&str, Kind, &str); 3] = [
    ("other-wstd", Kind::WasiHttp02, "wstd"),
    ("other-starling", Kind::WasiHttp02, "starling"),
    ("other-preview3", Kind::WasiHttp03, "python"),
];

fn chain(name: &str, kind: Kind) -> Chain {
    let script = ENGINE.load(&built::component(name), settings(limits(5000, 60_000))).unwrap();
    assert_eq!(script.kind(), kind, "{name}");
    chain_of(script)
}

/// Answers with the body that it got.
fn echo() -> std::sync::Arc<Upstream> {
    Upstream::new(|request: Request<Body>| async {
        Ok::<_, BodyError>(Response::builder().header("x-up", "yes").body(request.into_body()).unwrap())
    })
}

fn asking(method: Method, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(format!("https://api.example.test{path}"));
    request.header("accept", "*/*").body(full("a body")).unwrap()
}

#[tokio::test]
async fn they_answer_by_themselves_and_send_onward() {
    for (name, kind, value) in OTHERS {
        let (chain, upstream) = (chain(name, kind), echo());
        // More than once: some serve several requests with one instance, others need a new one each time.
        for _ in 0..2 {
            let hello = response(&chain, asking(Method::GET, "/hello"), &upstream).await;
            assert!(text(hello.into_body()).await.starts_with("hello from "), "{name}");
        }
        assert!(upstream.seen().is_empty(), "{name}");
        for _ in 0..2 {
            let answer = response(&chain, asking(Method::POST, "/path?query"), &upstream).await;
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["x-up"]),
                (200, &"yes".parse().unwrap()),
                "{name}"
            );
            assert_eq!(text(answer.into_body()).await, "a body", "{name}");
        }
        for head in upstream.seen() {
            assert_eq!(
                (head.method.as_str(), head.uri.to_string().as_str()),
                ("POST", "https://api.example.test/path?query")
            );
            assert_eq!(
                (&head.headers["x-other"], &head.headers["accept"]),
                (&value.parse().unwrap(), &"*/*".parse().unwrap()),
                "{name}"
            );
        }
        assert_eq!(upstream.seen().len(), 2, "{name}");
    }
}

/// The runtime of this toolchain gives up where it is refused, or says so.
#[tokio::test]
async fn sockets_are_there_in_name_only() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind(tcp.local_addr().unwrap()).unwrap();
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    let port = tcp.local_addr().unwrap().port();
    let chain = chain("other-preview3", Kind::WasiHttp03);
    for kind in ["tcp", "tcp6", "listen", "udp", "name"] {
        let path = format!("/socket/{kind}/{port}");
        match run(&chain, asking(Method::GET, &path), &echo()).await {
            Ok(Outcome::Response(response)) => {
                assert_eq!(text(response.into_body()).await, "refused", "{kind}")
            }
            Ok(Outcome::Denied { .. }) => panic!("nobody denies {kind}"),
            Err(error) => assert_eq!(error.kind(), "handler_trapped", "{kind}"),
        }
    }
    assert_eq!(tcp.accept().err().unwrap().kind(), ErrorKind::WouldBlock);
    assert_eq!(udp.recv(&mut [0]).err().unwrap().kind(), ErrorKind::WouldBlock);
}
