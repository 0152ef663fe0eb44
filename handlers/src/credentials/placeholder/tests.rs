//! Placeholders in heads and bodies, each place and each border.

use http::{HeaderValue, Request, request::Parts};
use http_body::Body as _;
use http_body_util::BodyExt;
use proptest::prelude::*;

use super::*;
use crate::{
    Body,
    credentials::bodies::{chunks, collect},
};

const ALL: [Place; 6] =
    [Place::Headers, Place::Basic, Place::Query, Place::Path, Place::Body, Place::Websocket];

/// Secrets A (value with every kind of special character), B (as long as its placeholder), C (not bound).
fn bound(places: &[Place]) -> Arc<Bound> {
    let list = [("A", "pe/aaaaaaaaaaaaaaaa"), ("B", "pe_bbbbbbbbbbbbbbbb"), ("C", "pe_cccccccccccccccc")];
    let places: Places = places.iter().copied().collect();
    let list = list.map(|(secret, fake)| Placeholder { secret: secret.into(), fake: fake.into(), places });
    Arc::new(Placeholders::new(list.into())).bind(|name| {
        let value = match name {
            "A" => "v/\"&é pe_bbbbbbbbbbbbbbbb",
            "B" => "value-of-secret-b-!",
            _ => return None,
        };
        Some(Arc::new(Secret::new(value.to_owned())))
    })
}

fn head(uri: &str, headers: &[(&'static str, &str)]) -> Parts {
    let mut head = Request::get(uri).body(()).unwrap().into_parts().0;
    for (name, value) in headers {
        head.headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    head
}

fn uses(bound: &Bound) -> Vec<String> {
    bound.uses().iter().map(|used| format!("{} {used}", used.secret)).collect()
}

fn stray(error: &SwapError) -> Option<&str> {
    match error {
        SwapError::Stray(name) => Some(name),
        _ => None,
    }
}

#[test]
fn headers_get_values_and_become_sensitive() {
    let bound = bound(&ALL);
    let headers = [
        ("host", "pe_bbbbbbbbbbbbbbbb"),
        ("x-api-key", "pe_bbbbbbbbbbbbbbbb"),
        ("authorization", "Bearer pe_bbbbbbbbbbbbbbbb"),
        ("cookie", "a=1; t=pe%2Faaaaaaaaaaaaaaaa; u=pe_bbbbbbbbbbbbbbbb"),
        ("x-other", "pe_bbbbbbbbbbbbbbb"),
    ];
    let mut head = head("https://a.test/", &headers);
    bound.head(&mut head).unwrap();
    let values: Vec<_> =
        head.headers.values().map(|value| (value.to_str().unwrap(), value.is_sensitive())).collect();
    assert_eq!(
        values,
        [
            ("pe_bbbbbbbbbbbbbbbb", false),
            ("value-of-secret-b-!", true),
            ("Bearer value-of-secret-b-!", true),
            ("a=1; t=v%2F%22%26%C3%A9%20pe_bbbbbbbbbbbbbbbb; u=value-of-secret-b-!", true),
            ("pe_bbbbbbbbbbbbbbb", false),
        ]
    );
    let expected = ["B header:x-api-key", "B header:authorization", "A header:cookie", "B header:cookie"];
    assert_eq!(uses(&bound), expected);
}

#[test]
fn basic_credentials_are_taken_apart() {
    for (sent, expected) in [
        ("user:pe_bbbbbbbbbbbbbbbb", "user:value-of-secret-b-!"),
        ("pe_bbbbbbbbbbbbbbbb:", "value-of-secret-b-!:"),
        ("pe/aaaaaaaaaaaaaaaa:pe_bbbbbbbbbbbbbbbb", "v/\"&é pe_bbbbbbbbbbbbbbbb:value-of-secret-b-!"),
    ] {
        for scheme in ["Basic ", "basic "] {
            for coded in [
                data_encoding::BASE64.encode(sent.as_bytes()),
                data_encoding::BASE64_NOPAD.encode(sent.as_bytes()),
            ] {
                let bound = bound(&[Place::Basic]);
                let mut head = head("https://a.test/", &[("authorization", &format!("{scheme}{coded}"))]);
                bound.head(&mut head).unwrap();
                let value = &head.headers["authorization"];
                assert_eq!(
                    value.to_str().unwrap(),
                    format!("Basic {}", data_encoding::BASE64.encode(expected.as_bytes()))
                );
                assert!(value.is_sensitive() && uses(&bound).iter().all(|used| used.ends_with(" basic")));
            }
        }
    }
    for left_alone in [
        "Basic",
        "Basic ",
        "Basic !",
        "Basic dXNlcjpwYXNz",
        "Bearer cGVfYmJiYmJiYmJiYmJiYmJiYg==",
        "Basic ====",
    ] {
        let mut head = head("https://a.test/", &[("authorization", left_alone)]);
        bound(&ALL).head(&mut head).unwrap();
        assert_eq!(head.headers["authorization"], left_alone);
    }
}

#[test]
fn the_value_is_encoded_in_path_and_query_whatever_the_placeholder_was() {
    let value = "v%2F%22%26%C3%A9%20pe_bbbbbbbbbbbbbbbb";
    for (sent, expected) in [
        ("/x?k=pe/aaaaaaaaaaaaaaaa&l=%7e", format!("/x?k={value}&l=%7e")),
        ("/x?k=pe%2Faaaaaaaaaaaaaaaa", format!("/x?k={value}")),
        ("/x?k=%70e%2faaaaaaaaaaaaaaa%61%", format!("/x?k={value}%")),
        ("/bot%70e/aaaaaaaaaaaaaaaa/send?", format!("/bot{value}/send?")),
        ("/pe_bbbbbbbbbbbbbbbbpe_bbbbbbbbbbbbbbbb", "/value-of-secret-b-%21value-of-secret-b-%21".into()),
        ("/x?j=pe%252Faaaaaaaaaaaaaaaa", format!("/x?j={}", value.replace('%', "%25"))),
        ("/a%2Fb?c=%2x&d=%", "/a%2Fb?c=%2x&d=%".into()),
    ] {
        let mut head = head(&format!("https://a.test{sent}"), &[]);
        bound(&ALL).head(&mut head).unwrap();
        assert_eq!(head.uri.to_string(), format!("https://a.test{expected}"));
    }
    let bound = bound(&ALL);
    bound.head(&mut head("https://a.test/pe_bbbbbbbbbbbbbbbb?pe_bbbbbbbbbbbbbbbb", &[])).unwrap();
    assert_eq!(uses(&bound), ["B path", "B query"]);
}

#[tokio::test]
async fn what_is_not_swapped_in_a_place_is_left_and_what_is_not_bound_is_refused_in_any() {
    let fakes = [("pe_bbbbbbbbbbbbbbbb", None), ("pe_cccccccccccccccc", Some("C"))];
    for (fake, refused) in fakes {
        let basic = format!("Basic {}", data_encoding::BASE64.encode(format!("u:{fake}").as_bytes()));
        let encoded = fake.replace("pe", "%70%65");
        let heads = [
            (format!("https://a.test/{fake}"), None),
            (format!("https://a.test/?{encoded}"), None),
            ("https://a.test/".into(), Some(("x", fake))),
            ("https://a.test/".into(), Some(("authorization", basic.as_str()))),
        ];
        for (uri, header) in heads {
            let bound = bound(&[Place::Websocket]);
            let mut head = head(&uri, header.as_slice());
            let before = format!("{head:?}");
            let result = bound.head(&mut head);
            assert_eq!(result.as_ref().err().and_then(stray), refused, "{uri} {header:?}");
            assert_eq!(format!("{head:?}"), before);
            assert!(uses(&bound).is_empty());
        }
        let body = swapped(&bound(&[Place::Websocket]), &[], &format!("1 {fake} 2"), 3).await;
        assert_eq!(body.as_ref().err().map(|error| stray(error.downcast_ref().unwrap())), refused.map(Some));
        assert!(refused.is_some() || body.unwrap() == format!("1 {fake} 2"));
    }
}

#[test]
fn a_head_has_a_number_of_swaps() {
    for (count, fits) in [(64, true), (65, false)] {
        let half = "pe_bbbbbbbbbbbbbbbb,".repeat(count / 2);
        let mut head = head(
            &format!("https://a.test/?{half}"),
            &[("a", &half), ("b", &"pe_bbbbbbbbbbbbbbbb".repeat(count % 2))],
        );
        assert_eq!(matches!(bound(&ALL).head(&mut head), Err(SwapError::TooMany)), !fits, "{count}");
    }
}

#[test]
fn what_does_not_fit_is_the_operators_fault() {
    let list = vec![Placeholder {
        secret: "L".into(),
        fake: "pe_llllllllllllllll".into(),
        places: ALL.into_iter().collect(),
    }];
    for (value, uri, header) in [
        ("long".repeat(20_000), "https://a.test/pe_llllllllllllllll", "x"),
        ("line\nfeed".to_owned(), "https://a.test/", "pe_llllllllllllllll"),
    ] {
        let secret = Arc::new(Secret::new(value));
        let bound = Arc::new(Placeholders::new(list.clone())).bind(|_| Some(Arc::clone(&secret)));
        let refused = bound.head(&mut head(uri, &[("x", header)]));
        assert!(matches!(refused, Err(SwapError::Unfit(name)) if &*name == "L"));
    }
}

async fn swapped(
    bound: &Arc<Bound>,
    headers: &[(&'static str, &str)],
    body: &str,
    size: usize,
) -> Result<String, BodyError> {
    let body = bound.body(&mut head("https://a.test/", headers), chunks(body.as_bytes(), size, None)).await?;
    Ok(String::from_utf8(collect(body).await?.0.concat()).unwrap())
}

#[tokio::test]
async fn bodies_get_values_in_their_own_spelling() {
    let a = "v/\"&é pe_bbbbbbbbbbbbbbbb";
    let percent = "v%2F%22%26%C3%A9%20pe_bbbbbbbbbbbbbbbb";
    let json = "v/\\\"&é pe_bbbbbbbbbbbbbbbb";
    for (kind, body, expected) in [
        ("text/plain", "t pe/aaaaaaaaaaaaaaaa pe_bbbbbbbbbbbbbbbb", format!("t {a} value-of-secret-b-!")),
        (
            "application/json; charset=utf-8",
            r#"{"k":"pe/aaaaaaaaaaaaaaaa"}"#,
            format!("{{\"k\":\"{json}\"}}"),
        ),
        ("application/json", r#"{"k":"pe\/aaaaaaaaaaaaaaaa"}"#, format!("{{\"k\":\"{json}\"}}")),
        ("Application/Vnd.Api+JSON", r#"{"k":"pe/aaaaaaaaaaaaaaaa"}"#, format!("{{\"k\":\"{json}\"}}")),
        ("application/json", r#"{"k":"?a=pe%2Faaaaaaaaaaaaaaaa"}"#, format!("{{\"k\":\"?a={percent}\"}}")),
        (
            "application/x-www-form-urlencoded",
            "k=pe%2Faaaaaaaaaaaaaaaa&l=pe/aaaaaaaaaaaaaaaa",
            format!("k={percent}&l={percent}"),
        ),
        ("application/x-www-form-urlencoded", "k=pe%2faaaaaaaaaaaaaaaa", format!("k={percent}")),
        ("multipart/form-data", "pe/aaaaaaaaaaaaaaa", "pe/aaaaaaaaaaaaaaa".into()),
    ] {
        for size in [1, 2, 17, 100] {
            let bound = bound(&ALL);
            assert_eq!(
                swapped(&bound, &[("content-type", kind)], body, size).await.unwrap(),
                expected,
                "{kind}"
            );
        }
    }
    let bound = bound(&ALL);
    let coded = [("content-encoding", "gzip")];
    assert_eq!(swapped(&bound, &coded, "pe_bbbbbbbbbbbbbbbb", 3).await.unwrap(), "pe_bbbbbbbbbbbbbbbb");
    assert!(uses(&bound).is_empty());
}

fn full(text: &str) -> Body {
    crate::full(text.to_owned())
}

#[tokio::test]
async fn a_short_body_has_its_right_length_and_a_long_one_only_if_that_is_known() {
    let (short, long) = ("x".repeat(100), "x".repeat(70_000));
    for (before, fake, expected) in [
        (&short, "pe/aaaaaaaaaaaaaaaa", Some(126)),
        (&short, "pe_bbbbbbbbbbbbbbbb", Some(119)),
        (&long, "pe/aaaaaaaaaaaaaaaa", None),
        (&long, "pe_bbbbbbbbbbbbbbbb", None),
    ] {
        let bound = bound(&ALL);
        let text = format!("{before}{fake}");
        let mut head = head("https://a.test/", &[("content-length", &text.len().to_string())]);
        let body = bound.body(&mut head, full(&text)).await.unwrap();
        let said = head.headers.get("content-length").map(|length| length.to_str().unwrap().parse().unwrap());
        assert_eq!((said, body.size_hint().exact()), (expected, expected), "{fake}");
        let sent = collect(body).await.unwrap().0.concat();
        assert!(expected.is_none_or(|length| length == sent.len() as u64));
        assert_eq!(uses(&bound).len(), 1);
    }
    // Only B, whose value is as long as its placeholder, and C, which stays out in any case.
    let list = [("B", "pe_bbbbbbbbbbbbbbbb"), ("C", "pe_cccccccccccccccc")];
    let list = list.map(|(secret, fake)| Placeholder {
        secret: secret.into(),
        fake: fake.into(),
        places: ALL.into_iter().collect(),
    });
    let value = Arc::new(Secret::new("value-of-secret-b-9".to_owned()));
    let bound =
        Arc::new(Placeholders::new(list.into())).bind(|name| (name == "B").then(|| Arc::clone(&value)));
    let mut head = head("https://a.test/", &[("content-length", "70019")]);
    let body = bound.body(&mut head, full(&format!("{long}pe_bbbbbbbbbbbbbbbb"))).await.unwrap();
    assert_eq!(
        (&head.headers["content-length"], body.size_hint().exact()),
        (&HeaderValue::from(70_019), Some(70_019))
    );
    assert!(collect(body).await.unwrap().0.concat().ends_with(b"xvalue-of-secret-b-9"));
}

/// Whoever sends a body bit by bit may wait for answers in between.
#[tokio::test]
async fn a_body_of_unknown_length_is_not_waited_for() {
    let never = http_body_util::combinators::UnsyncBoxBody::new(crate::credentials::bodies::Never);
    let mut head = head("https://a.test/", &[]);
    drop(bound(&ALL).body(&mut head, never).await.unwrap());
}

#[tokio::test]
async fn a_stray_in_a_short_body_is_found_before_anything_is_sent_and_in_a_long_one_ends_it() {
    let bound = bound(&ALL);
    let mut head = head("https://a.test/", &[]);
    let refused = bound.body(&mut head, full("text pe_cccccccccccccccc")).await;
    assert_eq!(refused.err().as_ref().and_then(stray), Some("C"));
    let mut body = bound.body(&mut head, chunks(b"text pe_cccccccccccccccc more", 7, None)).await.unwrap();
    let mut sent = Vec::new();
    let error = loop {
        match body.frame().await.unwrap() {
            Ok(frame) => sent.extend(frame.into_data().unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!(stray(error.downcast_ref().unwrap()), Some("C"));
    assert_eq!(sent, b"text ");
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_body_has_a_number_of_swaps() {
    for (count, fits) in [(1024, true), (1025, false)] {
        let text = "pe_bbbbbbbbbbbbbbbb".repeat(count);
        assert_eq!(swapped(&bound(&ALL), &[], &text, 1000).await.is_ok(), fits, "{count}");
    }
}

proptest! {
    /// However a body is cut, the same is sent.
    #[test]
    fn any_cut_of_a_body_gives_the_same(parts in proptest::collection::vec(0..5_usize, 0..20), size in 1_usize..50) {
        let pieces = ["pe/aaaaaaaaaaaaaaaa", "pe_bbbbbbbbbbbbbbbb", "pe_bbbb", "text", "pe/"];
        let values = ["v/\"&é pe_bbbbbbbbbbbbbbbb", "value-of-secret-b-!"];
        let body: String = parts.iter().map(|part| pieces[*part]).collect();
        let expected: String = parts.iter().map(|part| values.get(*part).copied().unwrap_or(pieces[*part])).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        prop_assert_eq!(runtime.block_on(swapped(&bound(&ALL), &[], &body, size)).unwrap(), expected);
    }

    /// Any path and query stays as it is where there is no placeholder.
    #[test]
    fn other_paths_and_queries_stay(text in "/[!$-;=?-Z_a-z~%]{0,40}") {
        let sent = format!("https://a.test{text}");
        let mut head = head(&sent, &[]);
        bound(&ALL).head(&mut head).unwrap();
        prop_assert_eq!(head.uri.to_string(), sent);
    }
}
