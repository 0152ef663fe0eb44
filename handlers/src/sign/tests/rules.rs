//! The rules of signing for AWS, one by one.

use std::io;

use proptest::prelude::*;

use super::*;

const S3: &str = "https://bucket.s3.eu-west-1.amazonaws.com/key";
const CALL: &str = "https://dynamodb.eu-west-1.amazonaws.com/";

fn scope(head: &Parts) -> String {
    let value = text(&head.headers, "authorization");
    value.split_once("Credential=").unwrap().1.split_once(',').unwrap().0.to_owned()
}

#[test]
fn the_workloads_own_signature_is_taken_off() {
    let own = [
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=FALSE/20200101/eu-west-1/s3/aws4_request, Signature=0",
        ),
        ("authorization", "Bearer second"),
        ("x-amz-date", "20200101T000000Z"),
        ("x-amz-security-token", "own"),
        ("x_amz_security_token", "own"),
        ("x-amz_date", "own"),
    ];
    let query = "?x=1&X-Amz-Security-Token=own&x-amz-date=own&X%2dAmz-Expires=7";
    let sent = signed(&aws(), head("GET", &format!("{S3}{query}"), &own)).unwrap();
    assert_eq!(sent.uri.to_string(), format!("{S3}?x=1"));
    let mut names: Vec<_> = sent.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "x-amz-content-sha256", "x-amz-date"]);
    assert_eq!(sent.headers.get_all("authorization").iter().count(), 1);
    assert_eq!(scope(&sent), "AKIAIOSFODNN7EXAMPLE/20130524/eu-west-1/s3/aws4_request");
    assert_eq!(text(&sent.headers, "x-amz-date"), "20130524T000000Z");
    assert!(sent.headers["authorization"].is_sensitive());
}

#[test]
fn a_sessions_token_is_sent_and_signed() {
    let aws = Aws { session_token: Some("TOKEN".into()), ..aws() };
    let sent = signed(&aws, head("GET", S3, &[("x-amz-security-token", "own")])).unwrap();
    assert_eq!(text(&sent.headers, "x-amz-security-token"), "a/session+token==");
    assert!(sent.headers["x-amz-security-token"].is_sensitive());
    assert!(text(&sent.headers, "authorization").contains(";x-amz-security-token,"));
    let presigned = format!(
        "{S3}?X-Amz-Date=20130524T000000Z&X-Amz-Expires=60&X-Amz-Signature=0&X-Amz-Security-Token=own"
    );
    let sent = signed(&aws, head("GET", &presigned, &[])).unwrap();
    let query = sent.uri.query().unwrap();
    assert_eq!(query.matches("X-Amz-Security-Token=a%2Fsession%2Btoken%3D%3D").count(), 1);
    assert!(!query.contains("own") && query.contains("&X-Amz-Expires=60&"));
    assert!(sent.headers.is_empty());
}

#[test]
fn place_comes_from_the_handler_then_the_workload_then_the_host() {
    let own = "AWS4-HMAC-SHA256 Credential=F/20200101/own-region/own-service/aws4_request, SignedHeaders=host, Signature=0";
    let settings = Aws { region: Some("set-region".into()), service: Some("set-service".into()), ..aws() };
    let region = Aws { service: None, ..settings.clone() };
    for (aws, uri, header, expected) in [
        (&settings, CALL, own, "set-region/set-service"),
        (&region, CALL, own, "set-region/own-service"),
        (&region, CALL, "", "set-region/dynamodb"),
        (&aws(), CALL, own, "own-region/own-service"),
        (&aws(), CALL, "", "eu-west-1/dynamodb"),
        (&settings, "https://minio.internal:9000/", "", "set-region/set-service"),
    ] {
        let sent = signed(aws, head("GET", uri, &[("authorization", header)])).unwrap();
        assert!(scope(&sent).contains(&format!("/{expected}/")), "{} for {uri} {header}", scope(&sent));
    }
    for (aws, what) in [(&aws(), "region"), (&region, "service")] {
        let error = signed(aws, head("GET", "https://minio.internal/", &[])).unwrap_err();
        assert!(error.to_string().ends_with(&format!("which {what} to sign")), "{error}");
        assert_eq!((error.status().as_u16(), error.kind()), (500, "sign_settings"));
    }
}

#[test]
fn the_host_that_is_signed_is_the_one_it_goes_to() {
    let signature = |uri: &str, host: Option<&str>| {
        let aws = Aws { region: Some("r".into()), service: Some("s3".into()), ..aws() };
        let headers: Vec<_> = host.map(|host| ("host", host)).into_iter().collect();
        text(&signed(&aws, head("GET", uri, &headers)).unwrap().headers, "authorization").to_owned()
    };
    let plain = signature("https://a.test/k", None);
    assert_eq!(signature("https://a.test/k", Some("b.test")), plain);
    assert_eq!(signature("https://a.test:443/k", None), plain);
    assert_ne!(signature("https://a.test:80/k", None), plain);
    assert_ne!(signature("https://b.test/k", None), plain);
}

#[test]
fn payloads_are_signed_as_the_workload_or_the_service_has_it() {
    let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let http = S3.replace("https", "http");
    for (uri, said, expected, header) in [
        (S3, "", "UNSIGNED-PAYLOAD", true),
        (S3, hash, hash, true),
        (S3, "UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD", true),
        (S3, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", true),
        (&http, "", hash, true),
        (CALL, "", hash, false),
        (CALL, hash, hash, true),
    ] {
        let headers: Vec<_> =
            Some(("x-amz-content-sha256", said)).filter(|_| !said.is_empty()).into_iter().collect();
        let mut sent = head("PUT", uri, &headers);
        let body = now_or_never(aws().apply(&mut sent, full("hello"), &documented(), at(THEN))).unwrap();
        assert_eq!(all(body).unwrap(), "hello");
        assert_eq!(
            text(&sent.headers, "x-amz-content-sha256"),
            if header { expected } else { "" },
            "{uri} {said}"
        );
    }
}

#[test]
fn bodies_are_held_up_to_a_limit_and_only_if_they_must_be() {
    let zeros = |length: usize| full(vec![0; length]);
    let limit = 10 * 1024 * 1024;
    let apply = |uri: &str, body: Body| {
        let mut head = head("PUT", uri, &[]);
        now_or_never(aws().apply(&mut head, body, &documented(), at(THEN)))
    };
    assert_eq!(all(apply(CALL, zeros(limit)).unwrap()).unwrap().len(), limit);
    assert!(apply(S3, zeros(limit + 1)).is_ok());
    // Found out while reading, and told in advance: then nothing is read.
    let untold = zeros(limit + 1).map_frame(|frame| frame).boxed_unsync();
    for body in [untold, Failing(limit + 1).boxed_unsync()] {
        let error = apply(CALL, body).unwrap_err();
        assert_eq!((error.status().as_u16(), error.kind()), (413, "sign_too_large"));
    }
    let error = apply(CALL, Failing(0).boxed_unsync()).unwrap_err();
    assert!(matches!(&error, SignError::Body(cause) if cause.is::<io::Error>()), "{error}");
    assert!(apply(S3, Failing(0).boxed_unsync()).is_ok());
}

/// A body that is at least so long, and cannot be read.
struct Failing(usize);

impl http_body::Body for Failing {
    type Data = Bytes;
    type Error = crate::BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, crate::BodyError>>> {
        Poll::Ready(Some(Err(io::Error::other("gone").into())))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        let mut hint = http_body::SizeHint::new();
        hint.set_lower(self.0 as u64);
        hint
    }
}

#[test]
fn what_is_sent_is_spelled_as_it_is_signed() {
    let s3 = "https://bucket.s3.eu-west-1.amazonaws.com";
    let call = "https://abc.execute-api.eu-west-1.amazonaws.com";
    for (service, target, expected) in [
        (s3, "/a//b/../c/./", "/a//b/../c/./"),
        (s3, "/a+b%2f%7e(c)?p=a+b&acl&q=/", "/a%2Bb/~%28c%29?p=a%20b&acl&q=%2F"),
        (s3, "?x", "/?x"),
        (call, "/a//b/../c/./", "/a/c/"),
        (call, "/test/@connections/JBDvjfGEIAMCERw%3D", "/test/@connections/JBDvjfGEIAMCERw%3D"),
        (call, "/a?", "/a"),
    ] {
        let sent = signed(&aws(), head("GET", &format!("{service}{target}"), &[])).unwrap();
        assert_eq!(sent.uri.to_string(), format!("{service}{expected}"), "{target}");
        // Signed again, it is the same.
        let again = signed(&aws(), head("GET", &sent.uri.to_string(), &[])).unwrap();
        assert_eq!(text(&again.headers, "authorization"), text(&sent.headers, "authorization"), "{target}");
    }
}

#[test]
fn headers_that_change_on_the_way_are_not_signed() {
    let varying = [
        ("accept-encoding", "br"),
        ("connection", "close"),
        ("content-length", "0"),
        ("expect", "100-continue"),
        ("if-range", "x"),
        ("range", "bytes=0-1"),
        ("te", "trailers"),
        ("transfer-encoding", "chunked"),
        ("user-agent", "x"),
        ("x-amzn-trace-id", "x"),
    ];
    let fixed = [("accept", "*/*"), ("content-type", "a/b"), ("x-amz-meta-a", "1"), ("if-match", "x")];
    let sent = signed(&aws(), head("GET", S3, &[&varying[..], &fixed].concat())).unwrap();
    let names =
        "SignedHeaders=accept;content-type;host;if-match;x-amz-content-sha256;x-amz-date;x-amz-meta-a,";
    assert!(text(&sent.headers, "authorization").contains(names));
    for (name, value) in varying.iter().chain(&fixed) {
        assert_eq!(text(&sent.headers, name), *value);
    }
}

#[test]
fn presigned_urls_keep_their_expiry_and_expire() {
    let url = |date: &str, expires: &str| {
        format!(
            "{S3}?X-Amz-Credential=F%2F20130524%2Fa%2Fs3%2Faws4_request&X-Amz-Date={date}&X-Amz-Expires={expires}&X-Amz-Signature=0"
        )
    };
    for (date, expires, expected) in [
        ("20130523T235900Z", "60", Ok(())),
        ("20130523T235859Z", "60", Err((403, "expired"))),
        ("20130524T000100Z", "60", Ok(())),
        ("20130520T000000Z", "604800", Ok(())),
        ("20130524T000000Z", "604801", Err((400, "expires"))),
        ("20130524T000000Z", "0", Err((400, "expires"))),
        ("20130524T000000Z", "-1", Err((400, "expires"))),
        ("20130524T000000Z", "", Err((400, "expires"))),
        ("20130524T000000Z", "9999999999999999999999", Err((400, "expires"))),
        ("", "60", Err((400, "date"))),
        ("20131324T000000Z", "60", Err((400, "date"))),
        ("2013-05-24T00:00:00Z", "60", Err((400, "date"))),
    ] {
        match (signed(&aws(), head("GET", &url(date, expires), &[])), expected) {
            (Ok(sent), Ok(())) => {
                let query = sent.uri.query().unwrap();
                assert!(query.contains(&format!("&X-Amz-Expires={expires}&")), "{query}");
                assert!(query.contains("&X-Amz-Date=20130524T000000Z&"), "{query}");
            }
            (Err(error), Err((status, said))) => {
                assert!(error.to_string().contains(said), "{error}");
                assert_eq!((error.status().as_u16(), error.kind()), (status, "sign_request"));
            }
            (got, _) => panic!("{date} {expires}: {:?}", got.map(|head| head.uri)),
        }
    }
}

#[test]
fn presigned_payloads_are_not_signed_unless_the_url_says_so() {
    let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let signature = |uri: &str, more: &str, headers: &[(&str, &str)]| {
        let uri = format!("{uri}?X-Amz-Date=20130524T000000Z&X-Amz-Expires=60&X-Amz-Signature=0{more}");
        let mut head = head("PUT", &uri, headers);
        now_or_never(aws().apply(&mut head, full("hello"), &documented(), at(THEN))).unwrap();
        let query = head.uri.query().unwrap().to_owned();
        query.rsplit_once("&X-Amz-Signature=").unwrap().1.to_owned()
    };
    let told = signature(S3, "", &[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]);
    let plain = signature(&S3.replace("https", "http"), "", &[]);
    // Neither depends on the scheme; the first signs one header more.
    assert_eq!(plain, signature(S3, "", &[]));
    assert_ne!(plain, told);
    // botocore's, with the parameter among those it signs.
    let in_query = format!("&X-Amz-Content-SHA256={hash}");
    assert_eq!(
        signature(S3, &in_query, &[]),
        "fb209b306e97909584fdce9ec2bfc13a16d4b5ff421a6c6b890005eab6fc34af"
    );
}

#[test]
fn what_is_not_spoken_is_refused() {
    let date = "X-Amz-Date=20130524T000000Z&X-Amz-Expires=60&X-Amz-Signature=0";
    for (uri, headers, said) in [
        (S3.to_owned(), vec![("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-EVENTS")], "not supported"),
        (
            S3.to_owned(),
            vec![("x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")],
            "not supported",
        ),
        (S3.to_owned(), vec![("authorization", "AWS4-ECDSA-P256-SHA256 Credential=x")], "not supported"),
        (S3.to_owned(), vec![("x-amz-s3session-token", "x")], "not supported"),
        (format!("{S3}?X-Amz-S3session-Token=x&{date}"), vec![], "not supported"),
        (format!("{S3}?AWSAccessKeyId=x&Signature=y%3D&Expires=1"), vec![], "not supported"),
        (
            format!("{S3}?{date}"),
            vec![("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")],
            "not supported",
        ),
        (S3.to_owned(), vec![("x-amz-content-sha256", "canary")], "hash of its payload"),
        (S3.to_owned(), vec![("x-amz-content-sha256", "a"), ("x-amz-content-sha256", "b")], "several"),
    ] {
        let error = signed(&aws(), head("GET", &uri, &headers)).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!((error.status().as_u16(), error.kind()), (400, "sign_request"));
        assert!(!format!("{error:?}").contains("canary"));
    }
    let star = Request::options("*").body(()).unwrap().into_parts().0;
    assert!(signed(&aws(), star).unwrap_err().status().is_client_error());
}

#[test]
fn secrets_that_are_missing_or_unfit_are_the_operators_fault() {
    let aws = Aws { session_token: Some("TOKEN".into()), ..aws() };
    for (all, said) in [
        (&[][..], "ID is not among"),
        (&[("ID", "canary")], "TOKEN is not among"),
        (&[("ID", "canary"), ("TOKEN", "canary")], "KEY is not among"),
        (&[("ID", "canary/x"), ("KEY", "canary")], "ID has characters"),
        (&[("ID", ""), ("KEY", "canary")], "ID has characters"),
        (&[("ID", "canary\n"), ("KEY", "canary")], "ID has characters"),
        (&[("ID", "canary"), ("KEY", "canary"), ("TOKEN", "canary\n")], "TOKEN has characters"),
    ] {
        let mut head = head("GET", S3, &[]);
        let error = now_or_never(aws.apply(&mut head, full(""), &secrets(all), at(THEN))).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!((error.status().as_u16(), error.kind()), (500, "sign_settings"));
        assert!(!format!("{error:?} {aws:?}").contains("canary"));
        assert!(head.headers.is_empty());
    }
}

proptest! {
    #[test]
    fn no_request_panics(
        path in "[a-z/.%+&=?@-]{0,30}",
        authorization in "(AWS4-HMAC-SHA256 )?(Credential=)?[a-z/,=]{0,20}(/aws4_request)?",
        seconds in any::<u64>(),
    ) {
        for uri in [format!("{S3}/{path}"), format!("{CALL}{path}")] {
            let mut head = head("GET", &uri, &[("authorization", &authorization)]);
            if let Some(now) = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
                let _ = now_or_never(aws().apply(&mut head, full(""), &documented(), now));
            }
        }
    }
}
