//! Bodies whose chunks are signed anew.

use std::collections::VecDeque;

use http_body::{Body as _, Frame, SizeHint};
use proptest::prelude::*;

use super::*;
use crate::BodyError;

const FALSE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const CHUNKED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";

/// The example of the documentation: 65 KiB of `a` in two chunks. The one without trailers signs Content-Length, which is not
/// signed here, and so its chunks are checked alone.
const SIGNED: [&str; 4] = [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435",
];

fn chunk(data: &str, signature: &str) -> String {
    format!("{:x};chunk-signature={signature}\r\n{data}\r\n", data.len())
}

fn with_trailer(signatures: [&str; 4], between: &str) -> String {
    let [first, second, last, trailer] = signatures;
    let (first, second) = (chunk(&"a".repeat(65536), first), chunk(&"a".repeat(1024), second));
    let trailer = format!("x-amz-checksum-crc32c:sOO8/Q=={between}x-amz-trailer-signature:{trailer}\r\n\r\n");
    format!("{first}{second}0;chunk-signature={last}\r\n{trailer}")
}

/// A body that comes in these frames.
struct Frames(VecDeque<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }

    fn size_hint(&self) -> SizeHint {
        let lengths = self.0.iter().filter_map(|frame| frame.data_ref()).map(Bytes::len);
        SizeHint::with_exact(lengths.sum::<usize>() as u64)
    }
}

fn parts(parts: impl IntoIterator<Item = Bytes>) -> Body {
    Frames(parts.into_iter().map(Frame::data).collect()).boxed_unsync()
}

fn put(way: &str) -> Parts {
    let headers = [
        ("content-encoding", "aws-chunked"),
        ("x-amz-content-sha256", way),
        ("x-amz-decoded-content-length", "66560"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("x-amz-trailer", "x-amz-checksum-crc32c"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=FALSE/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
        ),
    ];
    head("PUT", "https://s3.amazonaws.com/examplebucket/chunkObject.txt", &headers)
}

fn sent(way: &str, body: Body) -> Result<(Parts, Body), SignError> {
    let mut head = put(way);
    let body = now_or_never(aws().apply(&mut head, body, &documented(), at(THEN)))?;
    Ok((head, body))
}

#[test]
fn chunks_and_trailers_of_the_documentation() {
    for between in ["\r\n", "\n\r\n", "\n"] {
        let body = full(with_trailer([FALSE; 4], between));
        let (head, body) = sent("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", body).unwrap();
        let seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
        let authorization = text(&head.headers, "authorization");
        assert!(authorization.ends_with(&format!("Signature={seed}")), "{authorization}");
        assert_eq!(all(body).unwrap(), with_trailer(SIGNED, between), "{between:?}");
    }
}

#[test]
fn the_length_is_known_and_stays() {
    let text = with_trailer([FALSE; 4], "\r\n");
    let pieces = text.as_bytes().chunks(1000).map(Bytes::copy_from_slice);
    let (_, mut body) = sent("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", parts(pieces)).unwrap();
    let mut seen = 0;
    assert_eq!(body.size_hint().exact(), Some(text.len() as u64));
    while let Some(frame) = now_or_never(body.frame()) {
        seen += frame.unwrap().into_data().unwrap().len();
        assert_eq!(body.size_hint().exact(), Some((text.len() - seen) as u64));
    }
    assert_eq!(seen, text.len());
}

#[test]
fn what_is_not_made_of_signed_chunks_ends_the_body() {
    let good = chunk("hello", FALSE);
    let end = chunk("", FALSE);
    assert_eq!(
        all(sent(CHUNKED, full(format!("{good}{end}"))).unwrap().1).unwrap().len(),
        good.len() + end.len()
    );
    for (body, said) in [
        (String::new(), "cut off"),
        (good.clone(), "cut off"),
        (format!("{good}{}", &end[..end.len() - 1]), "cut off"),
        (format!("{good}0;chunk-signature={FALSE}\r\n"), "cut off"),
        (String::from("hello"), "cut off"),
        (String::from("hello\r\n"), "not made of"),
        (format!("5\r\nhello\r\n{end}"), "not made of"),
        (good.replace("chunk-signature", "other"), "not made of"),
        (good.replacen("00", "0", 1), "not made of"),
        (good.replacen("5;", "+5;", 1), "not made of"),
        (good.replacen("5;", ";", 1), "not made of"),
        (good.replacen("5;", "000000005;", 1), "not made of"),
        (good.replacen("hello\r\n", "hello!\n", 1), "not made of"),
        (good.replacen("5;", "4;", 1), "not made of"),
        (format!("{good}{end}more"), "not made of"),
        (format!("{good}{end}\r\n"), "not made of"),
        (format!("a00001;chunk-signature={FALSE}\r\n"), "larger than"),
        ("a".repeat(9000), "not made of"),
    ] {
        let error = all(sent(CHUNKED, full(body.clone())).unwrap().1).unwrap_err();
        assert!(error.contains(said), "{error} for {}", &body[..body.len().min(100)]);
    }
}

#[test]
fn trailers_that_are_not_signed_end_the_body() {
    let good = with_trailer([FALSE; 4], "\r\n");
    let signature = format!("x-amz-trailer-signature:{FALSE}\r\n");
    for (body, said) in [
        (good.replace(&signature, ""), "cut off"),
        (good.replace(&signature, "x-amz-trailer-signature:0\r\n"), "not made of"),
        (good.replace("crc32c:sOO8/Q==", "crc32c"), "not made of"),
        (good.replace("x-amz-checksum", &"x: y\n".repeat(40)), "not made of"),
        (format!("{good}more"), "not made of"),
        (format!("{good}\r\n"), "not made of"),
    ] {
        let (_, body) = sent("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", full(body)).unwrap();
        let error = all(body).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn trailers_are_signed_sorted_and_in_lower_case() {
    let way = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
    let signature = |lines: &str| {
        let text = format!("0;chunk-signature={FALSE}\r\n{lines}x-amz-trailer-signature:{FALSE}\r\n\r\n");
        let sent = all(sent(way, full(text)).unwrap().1).unwrap();
        assert!(sent.windows(lines.len()).any(|part| part == lines.as_bytes()), "the lines themselves stay");
        String::from_utf8(sent.to_vec()).unwrap().split("trailer-signature:").nth(1).unwrap().to_owned()
    };
    let expected = signature("x-a:1\r\nx-b:2\r\n");
    assert_eq!(signature("X-B: 2 \r\nx-a:1\r\n"), expected);
    assert_ne!(signature("x-a:2\r\nx-b:1\r\n"), expected);
}

#[test]
fn trailers_of_http_are_not_part_of_signed_chunks() {
    let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("x"))]);
    let frames = [Frame::data(Bytes::from(chunk("", FALSE))), Frame::trailers(trailers)];
    let body = Frames(frames.into()).boxed_unsync();
    assert!(all(sent(CHUNKED, body).unwrap().1).unwrap_err().contains("outside"));
}

proptest! {
    /// However the body arrives, the same is sent.
    #[test]
    fn borders_of_reads_do_not_matter(cuts in proptest::collection::vec(1_usize..80, 1..200)) {
        let data = [chunk("hello", FALSE), chunk(&"x".repeat(300), FALSE), format!("0;chunk-signature={FALSE}\r\n")];
        let text = data.concat() + "a:b\r\nx-amz-trailer-signature:" + FALSE + "\r\n\r\n";
        let mut rest = Bytes::from(text);
        let whole = rest.clone();
        let mut pieces = Vec::new();
        for cut in cuts {
            pieces.push(rest.split_to(cut.min(rest.len())));
        }
        pieces.push(rest);
        let way = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
        let expected = all(sent(way, full(whole)).unwrap().1).unwrap();
        prop_assert_eq!(all(sent(way, parts(pieces)).unwrap().1).unwrap(), expected);
    }

    #[test]
    fn no_body_panics(body in "[0-3;:\r\na-c]{0,40}|[0-3];chunk-signature=0{64}\r\n[a-c\r\n;]{0,12}", way in "(-TRAILER)?") {
        let _ = all(sent(&format!("{CHUNKED}{way}"), full(body)).unwrap().1);
    }
}
