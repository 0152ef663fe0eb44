use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body::Frame;
use http_body_util::Full;
use proptest::prelude::*;

use super::*;
use crate::{
    BodyError,
    credentials::bodies::{Frames, chunks, collect},
};

const CANARY: &str = "s3cr3t/c+nary==\"&42";

fn scrubber(values: &[&str]) -> Arc<Scrubber> {
    let secrets: Vec<_> = values.iter().map(|value| Secret::new(value.to_string())).collect();
    let named: Vec<_> = secrets.iter().zip(0..).map(|(secret, n)| (format!("S{n}").into(), secret)).collect();
    Arc::new(Scrubber::new(&named))
}

fn response(headers: &[(&'static str, &str)], body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    for (name, value) in headers {
        response.headers_mut().append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    response
}

fn listed(headers: &HeaderMap) -> Vec<String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut all: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
    all.sort();
    all
}

async fn content(
    scrubber: &Arc<Scrubber>,
    headers: &[(&'static str, &str)],
    body: &[u8],
    size: usize,
) -> Vec<u8> {
    let response = scrubber.response(response(headers, chunks(body, size, None))).unwrap();
    collect(response.into_body()).await.unwrap().0.concat()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_request_asks_for_what_can_be_read() {
    for (accepts, expected) in [
        (&[][..], "identity"),
        (&["*"], "identity"),
        (&["gzip, deflate, br, zstd"], "gzip, deflate, br"),
        (&["zstd;q=1, GZIP ; q=0.5", "compress, identity;q=0.1"], "GZIP ; q=0.5, identity;q=0.1"),
        (&["gzip;q=0, br;q=0.000, deflate;q=0.001"], "deflate;q=0.001"),
        (&["zstd, dcb, aws-chunked"], "identity"),
    ] {
        let sent = [
            ("range", "bytes=1-2"),
            ("if-range", "x"),
            ("a-im", "vcdiff"),
            ("grpc-accept-encoding", "gzip"),
            ("if-match", "y"),
        ];
        let mut headers = response(&sent, Body::default()).headers().clone();
        for value in accepts {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
        }
        scrubber(&[CANARY]).request(&mut headers);
        assert_eq!(
            listed(&headers),
            [format!("accept-encoding: {expected}"), "if-match: y".to_owned()],
            "{accepts:?}"
        );
    }
}

#[tokio::test]
async fn nothing_changes_where_there_is_nothing_to_look_for() {
    for values in [&[][..], &["7 bytes"]] {
        let scrubber = scrubber(values);
        let mut headers =
            HeaderMap::from_iter([(http::header::RANGE, HeaderValue::from_static("bytes=1-2"))]);
        scrubber.request(&mut headers);
        assert_eq!(headers.len(), 1);
        let headers = [("content-encoding", "other"), ("etag", "\"1\"")];
        let response = scrubber.response(response(&headers, chunks(b"7 bytes", 3, None))).unwrap();
        assert!(response.extensions().get::<Found>().is_none());
        assert_eq!(listed(response.headers()), ["content-encoding: other", "etag: \"1\""]);
        assert_eq!(collect(response.into_body()).await.unwrap().0.concat(), b"7 bytes");
    }
}

#[tokio::test]
async fn headers_body_and_trailers_come_back_without_the_value_and_as_long_as_they_were() {
    let scrubber = scrubber(&[CANARY, "another-secret"]);
    let body = format!("you sent {CANARY}, then another-secret, then {CANARY}");
    let headers = [
        ("location", "/?t=s3cr3t%2Fc%2Bnary%3D%3D%22%2642&u=1"),
        ("content-length", "63"),
        ("x-name", "ANOTHER-secret"),
    ];
    let trailers = HeaderMap::from_iter([(ETAG, HeaderValue::from_static("\"another-secret\""))]);
    for size in 1..body.len() {
        let response = scrubber
            .response(response(&headers, chunks(body.as_bytes(), size, Some(trailers.clone()))))
            .unwrap();
        let found = response.extensions().get::<Found>().unwrap().clone();
        let masked = format!("location: /?t={}&u=1", "*".repeat(31));
        assert_eq!(listed(response.headers()), ["content-length: 63", &masked, "x-name: ANOTHER-secret"]);
        let (data, trailers) = collect(response.into_body()).await.unwrap();
        let expected = format!("you sent {0}, then {1}, then {0}", "*".repeat(19), "*".repeat(14));
        assert_eq!(data.concat(), expected.as_bytes());
        assert_eq!(listed(&trailers.unwrap()), [format!("etag: \"{}\"", "*".repeat(14))]);
        let counts: Vec<_> = found.counts().map(|(name, count)| (name.to_string(), count)).collect();
        assert_eq!(counts, [("S0".to_owned(), 3), ("S1".to_owned(), 2)]);
    }
}

#[tokio::test]
async fn a_header_whose_name_tells_is_dropped() {
    let headers = [("x-another-secret-y", "1"), ("x-other", "2"), ("x-616e6f746865722d736563726574", "3")];
    let response = scrubber(&["Another-Secret", "another-secret"])
        .response(response(&headers, Body::default()))
        .unwrap();
    assert_eq!(listed(response.headers()), ["x-other: 2"]);
}

#[tokio::test]
async fn a_length_is_never_masked() {
    let scrubber = scrubber(&["12345678"]);
    let response = scrubber
        .response(response(&[("content-length", "12345678"), ("x", "12345678")], Body::default()))
        .unwrap();
    assert_eq!(listed(response.headers()), ["content-length: 12345678", "x: ********"]);
}

#[tokio::test]
async fn a_mask_cannot_make_another_match() {
    let scrubber = scrubber(&["********", "a*******"]);
    assert_eq!(content(&scrubber, &[], b"1 ******** 2 a******* 3", 4).await, b"1 ........ 2 ........ 3");
}

#[tokio::test]
async fn a_coded_body_is_handed_on_without_its_coding() {
    let scrubber = scrubber(&[CANARY]);
    let body = gzip(format!("you sent {CANARY}").as_bytes());
    let headers = [
        ("content-encoding", "gzip"),
        ("content-length", "50"),
        ("content-md5", "x"),
        ("repr-digest", "x"),
        ("etag", "\"1\""),
        ("vary", "accept-encoding"),
    ];
    for size in 1..body.len() {
        let response = scrubber.response(response(&headers, chunks(&body, size, None))).unwrap();
        assert_eq!(listed(response.headers()), ["etag: W/\"1\"", "vary: accept-encoding"]);
        assert_eq!(response.body().size_hint().exact(), None);
        let data = collect(response.into_body()).await.unwrap().0.concat();
        assert_eq!(data, format!("you sent {}", "*".repeat(CANARY.len())).as_bytes());
    }
    let cut = scrubber.response(response(&headers[..1], chunks(&body[..30], 7, None))).unwrap();
    let fault = collect(cut.into_body()).await.unwrap_err();
    assert_eq!(fault.downcast_ref(), Some(&CodingError::CutOff));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    for (headers, expected) in [
        (&[("content-encoding", "other")][..], CodingError::Unknown),
        (&[("content-encoding", "gzip"), ("content-range", "bytes 0-9/100")], CodingError::Part),
    ] {
        let refused = scrubber(&[CANARY]).response(response(headers, chunks(b"x", 1, None)));
        assert_eq!(refused.map(|_| ()), Err(expected), "{headers:?}");
    }
}

#[tokio::test]
async fn a_head_without_a_body_keeps_its_lengths_and_codings() {
    for status in
        [StatusCode::OK, StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED, StatusCode::SWITCHING_PROTOCOLS]
    {
        let headers = [("content-encoding", "gzip"), ("content-length", "50"), ("etag", "\"1\"")];
        let mut sent = response(&headers, Body::default());
        *sent.status_mut() = status;
        let response = scrubber(&[CANARY]).response(sent).unwrap();
        assert_eq!(
            listed(response.headers()),
            ["content-encoding: gzip", "content-length: 50", "etag: \"1\""]
        );
    }
}

#[tokio::test]
async fn pieces_of_a_body_are_as_long_as_they_were() {
    let scrubber = scrubber(&[CANARY]);
    let parts = format!("--x\r\nContent-Range: bytes 0-18/99\r\n\r\n{CANARY}\r\n--x--");
    let headers = [("content-type", "multipart/byteranges; boundary=x"), ("content-length", "64")];
    let clean = content(&scrubber, &headers, parts.as_bytes(), 5).await;
    assert_eq!(clean, parts.replace(CANARY, &"*".repeat(CANARY.len())).as_bytes());
}

/// A body says how long it is until its end, so that it is sent with the length that it has.
#[tokio::test]
async fn the_length_that_is_left_is_right() {
    let whole =
        Full::new(Bytes::from(format!("{CANARY} s3cr3t"))).map_err(|error| match error {}).boxed_unsync();
    let mut body = scrubber(&[CANARY]).response(Response::new(whole)).unwrap().into_body();
    let mut left = body.size_hint().exact().unwrap();
    assert_eq!(left, 26);
    while let Some(frame) = body.frame().await {
        left -= frame.unwrap().into_data().unwrap().len() as u64;
        assert_eq!(body.size_hint().exact(), Some(left));
    }
    assert!(left == 0 && body.is_end_stream());
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_no_end() {
    let frames = vec![Ok(Frame::data(Bytes::from("text s3c"))), Err(BodyError::from("broke off"))];
    let response =
        scrubber(&[CANARY]).response(Response::new(Frames(frames.into_iter()).boxed_unsync())).unwrap();
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "text ");
    assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "broke off");
    assert!(body.frame().await.is_none() && body.is_end_stream());
}

/// A line of a stream of events is not kept back for the next one.
#[tokio::test]
async fn what_is_decided_comes_at_once() {
    let frames = ["data: one\n\n", "data: s3cr", "3t\n\n"].map(|text| Ok(Frame::data(Bytes::from(text))));
    let mut body = scrubber(&[CANARY])
        .response(Response::new(Frames(frames.into_iter()).boxed_unsync()))
        .unwrap()
        .into_body();
    for expected in ["data: one\n\n", "data: ", "s3cr3t\n\n"] {
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), expected);
    }
}

fn collected(
    scrubber: &Arc<Scrubber>,
    headers: &[(&'static str, &str)],
    body: &[u8],
    size: usize,
) -> Vec<u8> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(content(scrubber, headers, body, size))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a server makes of values, in a body with or without a coding, cut anywhere: none of it comes through, and nothing else changes.
    #[test]
    fn no_form_comes_through(
        values in proptest::collection::vec("[ -~é€]{8,20}", 1..4),
        texts in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[ -~]{0,10}"), 0..8),
        coded in any::<bool>(),
        size in 1_usize..50,
    ) {
        let all: Vec<Vec<Zeroizing<Vec<u8>>>> = values.iter().map(|value| forms(value)).collect();
        let body: Vec<u8> = texts.iter().flat_map(|(value, form, text)| {
            let one: &Vec<_> = value.get(all.as_slice());
            [form.get(one.as_slice()).to_vec(), text.clone().into_bytes()].concat()
        }).collect();
        let scrubber = scrubber(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let clean = if coded {
            collected(&scrubber, &[("content-encoding", "gzip")], &gzip(&body), size)
        } else {
            collected(&scrubber, &[], &body, size)
        };
        prop_assert_eq!(clean.len(), body.len());
        for form in all.iter().flatten() {
            prop_assert!(!clean.windows(form.len()).any(|window| window == form.as_slice()));
        }
        let same = clean.iter().zip(&body).all(|(clean, sent)| clean == sent || *clean == scrubber.mask);
        prop_assert!(same);
    }
}
