//! The gate in front of the HTTP library itself, without sockets.

use std::{convert::Infallible, sync::atomic::AtomicBool};

use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::yield_now,
};

use super::*;

/// What came of a connection.
struct Came {
    /// Method, path and body of each request; no body if it is broken.
    requests: Vec<(String, Option<String>)>,
    answer: String,
}

impl Came {
    fn statuses(&self) -> Vec<&str> {
        self.answer.split("HTTP/1.").skip(1).filter_map(|rest| rest.get(2..5)).collect()
    }

    fn requests(&self) -> Vec<(&str, Option<&str>)> {
        self.requests.iter().map(|(line, body)| (&line[..], body.as_deref())).collect()
    }
}

/// Sends `sent` in pieces, and reads to the end.
async fn ask(mut client: DuplexStream, sent: &str, piece: usize) -> String {
    for piece in sent.as_bytes().chunks(piece) {
        let _ = client.write_all(piece).await;
        yield_now().await;
    }
    let mut answer = Vec::new();
    let (mut read, mut write) = tokio::io::split(&mut client);
    // The last answer may be on its way when the end is seen, so whoever wants it says `close`.
    let _ = tokio::join!(read.read_to_end(&mut answer), async {
        if sent.ends_with("EARLY") || !sent.contains("close") {
            let _ = write.shutdown().await;
        }
    });
    String::from_utf8(answer).unwrap()
}

/// Serves `sent`, which comes in pieces of `piece` bytes. A request that asks for an upgrade gets it if `switches`, and everything
/// behind it comes back.
async fn serve(sent: &str, piece: usize, switches: bool) -> Came {
    let (client, server) = duplex(64 * 1024);
    let (gate, number) = (Arc::<Gate>::default(), AtomicU64::new(0));
    let requests = Mutex::new(Vec::new());
    let tunnel = AtomicBool::new(false);
    let upgraded = Mutex::new(None);
    let one = |mut request: Request<Incoming>| {
        let number = number.fetch_add(1, SeqCst) + 1;
        let (gate, requests, tunnel, upgraded) = (&gate, &requests, &tunnel, &upgraded);
        async move {
            let mut response = Response::new(Full::new(BytesMut::new().freeze()));
            if let Some(fault) = gate.fault(number) {
                *response.status_mut() = fault.status();
                return Ok::<_, Infallible>(response);
            }
            let asks = request.headers().contains_key(header::UPGRADE);
            let upgrade = hyper::upgrade::on(&mut request);
            let line = format!("{} {}", request.method(), request.uri());
            let body = request.into_body().collect().await.ok();
            let body = body.map(|body| String::from_utf8(body.to_bytes().to_vec()).unwrap());
            for _ in 0..5 {
                yield_now().await;
            }
            if body.is_none() {
                *response.status_mut() = StatusCode::BAD_REQUEST;
            }
            requests.lock().unwrap().push((line, body));
            let switched = asks && switches;
            if switched {
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                response.headers_mut().insert(header::UPGRADE, "b".parse().unwrap());
                *upgraded.lock().unwrap() = Some(upgrade);
                tunnel.store(true, SeqCst);
            }
            gate.answered(number, switched);
            Ok(response)
        }
    };
    let stream = TokioIo::new(Gated::new(server, Arc::clone(&gate)));
    let served = async {
        let _ = http1::Builder::new().serve_connection(stream, service_fn(one)).with_upgrades().await;
        let upgrade = upgraded.lock().unwrap().take();
        if let Some(upgrade) = upgrade {
            let mut stream = TokioIo::new(upgrade.await.unwrap());
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            stream.write_all(&rest).await.unwrap();
        }
    };
    let ((), answer) = tokio::join!(served, ask(client, sent, piece));
    let requests = requests.into_inner().unwrap();
    Came { requests, answer }
}

const LAST: &str = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn what_is_sound_passes_however_it_comes() {
    run(async {
        let sent = format!(
            "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
             POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n{LAST}"
        );
        for piece in [1, 2, 3, 7, 50, 1000] {
            let came = serve(&sent, piece, false).await;
            let expected = [
                ("GET /1", Some("")),
                ("POST /2", Some("abc")),
                ("POST /3", Some("abc")),
                ("GET /last", Some("")),
            ];
            assert_eq!(came.requests(), expected, "{piece}");
            assert_eq!(came.statuses(), ["200"; 4], "{piece}");
        }
    });
}

#[test]
fn a_bad_head_is_answered_in_its_turn_and_ends_the_connection() {
    run(async {
        for (bad, status) in [
            ("GET /bad HTTP/1.1\nHost: a\r\n\r\n", "400"),
            ("GET /bad HTTP/3.0\r\nHost: a\r\n\r\n", "505"),
            (
                "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "400",
            ),
        ] {
            let sent =
                format!("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n{bad}{LAST}");
            for piece in [1, 5, 40, 1000] {
                let came = serve(&sent, piece, false).await;
                assert_eq!(came.requests(), [("GET /1", Some("")), ("GET /2", Some(""))], "{bad:?} {piece}");
                assert_eq!(came.statuses(), ["200", "200", status], "{bad:?} {piece}");
            }
        }
    });
}

#[test]
fn a_bad_body_is_broken_and_nothing_comes_after_it() {
    run(async {
        let head = "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in ["2\r\nabX\r\n0\r\n\r\n", "2\nab\r\n0\r\n\r\n", "2\r\nab\r\n0\r\nA : b\r\n\r\n"] {
            for piece in [1, 5, 1000] {
                let came = serve(&format!("{head}{body}{LAST}"), piece, false).await;
                assert_eq!(came.requests(), [("POST /1", None)], "{body:?} {piece}");
                assert_eq!(came.statuses(), ["400"], "{body:?} {piece}");
            }
        }
    });
}

/// What follows a request that asks to switch is judged when it is known what it is.
#[test]
fn what_follows_an_upgrade_waits() {
    run(async {
        let upgrade = "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: b\r\n\r\n";
        for piece in [1, 5, 1000] {
            let came = serve(&format!("{upgrade}{LAST}"), piece, false).await;
            assert_eq!(came.requests(), [("GET /1", Some("")), ("GET /last", Some(""))], "{piece}");
            assert_eq!(came.statuses(), ["200", "200"], "{piece}");
            let came = serve(&format!("{upgrade}\x16\x03close\r\n\r\n"), piece, false).await;
            assert_eq!((came.statuses(), came.requests().len()), (vec!["200", "400"], 1), "{piece}");
            let came = serve(&format!("{upgrade}\x16\x03\nEARLY"), piece, true).await;
            assert!(came.answer.ends_with("\r\n\r\n\x16\x03\nEARLY"), "{piece}: {}", came.answer);
        }
    });
}

/// The library is told of the end, and nothing of what was begun.
#[test]
fn an_unfinished_head_is_no_request() {
    run(async {
        for sent in
            ["", "\r\n", "GET /1 HT", "GET /1 HTTP/1.1\r\nHost: a\r\n", "GET /1 HTTP/1.1\r\nHost: a\r\n\r"]
        {
            let came = serve(sent, 3, false).await;
            assert!(came.requests.is_empty() && !came.answer.contains("200"), "{sent:?}: {}", came.answer);
        }
    });
}
