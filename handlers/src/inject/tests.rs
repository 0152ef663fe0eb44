//! What becomes of a request's headers and query.

use http::{HeaderValue, header};
use http_body_util::{BodyExt, Empty};
use proptest::prelude::*;

use super::*;
use crate::Secret;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn secrets() -> Secrets {
    [("S", "s3cr3t"), ("ODD", "a&b=c d\u{e9}")]
        .map(|(name, value)| (name.into(), Arc::new(Secret::new(value.to_owned()))))
        .into_iter()
        .collect()
}

fn template(parts: &[&str]) -> Template {
    let part = |part: &&str| match part.strip_prefix('$') {
        Some(name) => Part::Secret(name.into()),
        None => Part::Text((*part).to_owned()),
    };
    Template(parts.iter().map(part).collect())
}

fn header(name: &'static str, parts: &[&str]) -> Inject {
    let headers = vec![(HeaderName::from_static(name), Value::Made(template(parts)))];
    Inject { headers, query: Vec::new() }
}

fn query(all: &[(&str, &[&str])]) -> Inject {
    let query = all.iter().map(|(name, parts)| ((*name).to_owned(), template(parts))).collect();
    Inject { headers: Vec::new(), query }
}

fn request(uri: &str, sent: Pairs<'_>) -> Request<Body> {
    let mut request = Request::get(uri);
    for (name, value) in sent {
        request = request.header(*name, *value);
    }
    request.body(Empty::new().map_err(|never| match never {}).boxed_unsync()).unwrap()
}

/// The headers that become of those that were sent.
fn headers(inject: &Inject, sent: Pairs<'_>) -> Vec<String> {
    let mut request = request("https://a.test/", sent);
    inject.apply(&mut request, &secrets()).unwrap();
    let headers = request.headers().iter();
    let mut all: Vec<String> =
        headers.map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
    all.sort();
    all
}

#[test]
fn the_workloads_own_header_goes_first() {
    let cases: &[(Pairs<'_>, &[&str])] = &[
        (&[], &["x-api-key=s3cr3t"]),
        (&[("accept", "*/*")], &["accept=*/*", "x-api-key=s3cr3t"]),
        (&[("X-Api-Key", "mine")], &["x-api-key=s3cr3t"]),
        (&[("x_api_key", "mine")], &["x-api-key=s3cr3t"]),
        (&[("x-api_key", "mine"), ("x_api-key", "too")], &["x-api-key=s3cr3t"]),
        (&[("x-api-key", "one"), ("x-api-key", "two")], &["x-api-key=s3cr3t"]),
        (&[("x-api-key2", "other")], &["x-api-key2=other", "x-api-key=s3cr3t"]),
    ];
    for (sent, expected) in cases {
        let mut expected: Vec<_> = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(headers(&header("x-api-key", &["$S"]), sent), expected, "{sent:?}");
    }
}

#[test]
fn values_are_made_of_text_and_secrets() {
    let basic = Value::Basic { username: template(&["me"]), password: template(&["$S"]) };
    let basic = Inject { headers: vec![(header::AUTHORIZATION, basic)], query: Vec::new() };
    assert_eq!(headers(&basic, &[("authorization", "Bearer mine")]), ["authorization=Basic bWU6czNjcjN0"]);
    let both = header("x-a", &["one ", "$S", " two ", "$S"]);
    assert_eq!(headers(&both, &[]), ["x-a=one s3cr3t two s3cr3t"]);
    let plain = Value::Plain(HeaderValue::from_static("plain"));
    let plain = Inject { headers: vec![(HeaderName::from_static("x-a"), plain)], query: Vec::new() };
    let mut made = request("https://a.test/", &[]);
    plain.apply(&mut made, &secrets()).unwrap();
    assert!(!made.headers()["x-a"].is_sensitive() && plain.uses().is_empty());
    both.apply(&mut made, &secrets()).unwrap();
    assert!(made.headers()["x-a"].is_sensitive());
}

#[test]
fn a_secret_that_is_missing_or_cannot_stand_there_is_an_error() {
    let missing = header("x-a", &["$NONE"]).apply(&mut request("https://a.test/", &[]), &secrets());
    assert_eq!(missing.unwrap_err().to_string(), "secret NONE is missing");
    let broken = [("S".into(), Arc::new(Secret::new("a\r\nb: c".to_owned())))].into_iter().collect();
    let broken = header("x-a", &["$S"]).apply(&mut request("https://a.test/", &[]), &broken);
    assert_eq!(broken.unwrap_err().kind(), "secret_unavailable");
}

#[test]
fn a_parameter_replaces_the_workloads_own() {
    let key = query(&[("api_key", &["$S"])]);
    for (path, expected) in [
        ("/", "/?api_key=s3cr3t"),
        ("/a?", "/a?api_key=s3cr3t"),
        ("/a&b?x=1", "/a&b?x=1&api_key=s3cr3t"),
        ("/?api_key=mine", "/?api_key=s3cr3t"),
        ("/?a=1&api_key=mine&b=%20+2&&c", "/?a=1&b=%20+2&&c&api_key=s3cr3t"),
        ("/?api_key=1;a;api_key", "/?a&api_key=s3cr3t"),
        ("/?%61pi%5fkey=mine", "/?api_key=s3cr3t"),
        ("/?API_KEY=mine", "/?api_key=s3cr3t"),
        ("/?api_key2=a&x=api_key", "/?api_key2=a&x=api_key&api_key=s3cr3t"),
    ] {
        let mut changed = request(&format!("https://a.test{path}"), &[]);
        key.apply(&mut changed, &secrets()).unwrap();
        assert_eq!(changed.uri().to_string(), format!("https://a.test{expected}"), "{path}");
    }
    let several = query(&[("a b", &["$ODD"]), ("c", &["x", "$S"])]);
    let mut changed = request("https://a.test/?a+b=1&a%20b=2&d=3", &[]);
    several.apply(&mut changed, &secrets()).unwrap();
    assert_eq!(changed.uri().path_and_query().unwrap(), "/?d=3&a%20b=a%26b%3Dc%20d%C3%A9&c=xs3cr3t");
}

#[test]
fn what_is_used_can_be_told() {
    let mut inject = header("x-a", &["$S", "$ODD"]);
    let basic = Value::Basic { username: template(&["me"]), password: template(&["$S"]) };
    inject.headers.push((header::AUTHORIZATION, basic));
    inject.query = query(&[("key", &["$S"])]).query;
    let uses = inject.uses();
    let told: Vec<_> =
        uses.iter().map(|one| format!("{} {} {}", one.secret, one.style.as_str(), one.place)).collect();
    let expected =
        ["S inject header:x-a", "ODD inject header:x-a", "S basic header:authorization", "S query query:key"];
    assert_eq!(told, expected);
}

proptest! {
    /// However the workload spells the name, the upstream sees exactly one header of it, and it is ours.
    #[test]
    fn exactly_one_survives(spellings in proptest::collection::vec("[xX][-_][aA][-_][bB]", 0..6)) {
        let sent: Vec<_> = spellings.iter().map(|spelling| (spelling.as_str(), "mine")).collect();
        prop_assert_eq!(headers(&header("x-a-b", &["$S"]), &sent), vec!["x-a-b=s3cr3t".to_owned()]);
    }

    /// Whatever the workload sends, a server finds our value alone under our name.
    #[test]
    fn exactly_one_parameter(sent in "[a-c&;=%+06123k]{0,24}") {
        let mut changed = request(&format!("https://a.test/?{sent}"), &[]);
        query(&[("k", &["$S"])]).apply(&mut changed, &secrets()).unwrap();
        let text = changed.uri().query().unwrap().replace(';', "&");
        let found: Vec<_> = text
            .split('&')
            .filter_map(|piece| piece.split_once('=').or(Some((piece, ""))))
            .map(|(name, value)| (percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned(), value))
            .filter(|(name, _)| name == "k")
            .map(|(_, value)| value.to_owned())
            .collect();
        prop_assert_eq!(found, vec!["s3cr3t".to_owned()]);
    }
}
