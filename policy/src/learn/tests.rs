//! Drafts, and that they allow what they were drafted from.

use proptest::prelude::*;

use super::*;
use crate::{Case, Document, Overrides, Policy};

fn exchange(url: &str, method: &str, more: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, path) = rest.split_at(rest.find('/').unwrap());
    format!(
        r#"{{"kind":"exchange","scheme":"{scheme}","authority":"{authority}","path":{},"method":"{method}","decision":"allow"{more}}}"#,
        json!(path)
    )
}

fn draft(lines: &[String], denied: Denied) -> String {
    let mut learned = Learned::default();
    lines.iter().for_each(|line| learned.add(line, denied, None).unwrap());
    learned.draft()
}

#[test]
fn a_draft() {
    let lines = [
        exchange(
            "https://a.test:443/v1/users/17",
            "GET",
            r#","handlers":["token"],"secrets":[{"name":"T\nOKEN","style":"inject"}]"#,
        ),
        exchange("https://a.test:443/v1/users/18", "GET", ""),
        exchange("https://a.test:443/v1/users/18", "HEAD", ""),
        exchange("https://a.test:443/x", "POST", r#","monitored":{}"#),
        exchange("http://b.test:80/a//b", "get", ""),
        exchange("http://b.test:80/a", "GET", ""),
        r#"{"kind":"connection","protocol":"opaque","authority":"db.test:5432","decision":"allow"}"#
            .to_owned(),
        r#"{"kind":"connection","protocol":"tls","authority":"p.test:443","decision":"allow"}"#.to_owned(),
        r#"{"kind":"connection","protocol":"h2","decision":"allow"}"#.to_owned(),
        r#"{"kind":"exchange","authority":"c.test:443","path":"/","method":"GET","decision":"deny"}"#
            .to_owned(),
    ];
    let wanted = r#"# Drafted from 6 requests. What is not here is refused.
allowedHosts:
  - { host: "https://a.test:443", methods: ["GET","HEAD"], paths: ["/v1/users/*"] }  # 3 seen, through token, with TOKEN
  - { host: "https://a.test:443", methods: ["POST"], paths: ["/x"] }  # 1 seen, 1 of them refused or noted
  - { host: "http://b.test:80" }  # 2 seen
  - "https://p.test:443"  # passed through, unseen
raw:
  - "db.test:5432"
passthrough:
  - "p.test:443"
"#;
    assert_eq!(draft(&lines, Denied::Refuse), wanted);
    assert!(draft(&lines, Denied::Allow).contains("c.test"));
    assert_eq!(
        draft(&[], Denied::Refuse),
        "# Drafted from 0 requests. What is not here is refused.\nallowedHosts: []\n"
    );
}

#[test]
fn one_class() {
    let mut learned = Learned::default();
    for class in ["build", "test"] {
        let line = exchange(&format!("https://{class}.test:443/"), "GET", &format!(r#","class":"{class}""#));
        learned.add(&line, Denied::Refuse, Some("build")).unwrap();
    }
    assert!(learned.draft().contains("build.test") && !learned.draft().contains("test.test"));
}

#[test]
fn paths_are_generalised_no_more_than_needed() {
    let learn = |paths: &[&str]| {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        generalise(&paths, &mut 0).map(|patterns| patterns.into_iter().collect::<Vec<_>>())
    };
    let words = |list: &[&str]| Some(list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    assert_eq!(learn(&["/a", "/a/"]), words(&["/a", "/a/"]));
    assert_eq!(learn(&["/a/1/b", "/a/22/b"]), words(&["/a/*/b"]));
    assert_eq!(learn(&["/a/deadbeef", "/decade"]), words(&["/a/deadbeef", "/decade"]));
    assert_eq!(
        learn(&["/o/0123456789abcdef0123", "/u/123e4567-e89b-12d3-a456-426614174000"]),
        words(&["/o/*", "/u/*"])
    );
    assert_eq!(learn(&["/a//b"]), None);
    let many: Vec<String> = (0..30).map(|number| format!("/p/x{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).chain(["/q/y"]).collect();
    assert_eq!(learn(&many), words(&["/p/**", "/q/**"]));
    let many: Vec<String> = (0..30).map(|number| format!("/x{number}")).collect();
    assert_eq!(learn(&many.iter().map(String::as_str).collect::<Vec<_>>()), None);
}

#[test]
fn many_hosts_with_keys_in_their_paths_make_a_policy() {
    let lines: Vec<String> = (0..2_000)
        .map(|number| exchange(&format!("https://h{number}.test:443/a/{number}/b"), "GET", ""))
        .collect();
    assert!(Document::parse(&draft(&lines, Denied::Refuse)).is_ok());
}

proptest! {
    #[test]
    fn a_draft_allows_what_it_was_drafted_from(
        seen in prop::collection::vec(
            ("https?", "[ab]\\.test|10\\.0\\.0\\.1", "(/([a-c*%.~/-]{0,3}|[0-9]{1,2}|[0-9a-f]{20})){1,4}", "GET|POST|get|M-SEARCH", any::<bool>()),
            0..60,
        )
    ) {
        let line = |(scheme, host, path, method, denied): &(String, String, String, String, bool)| {
            let more = if *denied { r#","decision":"deny","error":"host_denied""# } else { "" };
            let line = exchange(&format!("{scheme}://{host}:8443{path}"), method, "");
            if more.is_empty() { line } else { line.replace(r#","decision":"allow""#, more) }
        };
        let lines: Vec<String> = seen.iter().map(line).collect();
        let text = draft(&lines, Denied::Refuse);
        let document = Document::parse(&text).unwrap_or_else(|fault| panic!("{text}{fault}"));
        prop_assert_eq!(document.warnings(), vec![], "{}", text);
        let policy = Policy::compile(&document, &Overrides::default());
        for (number, line) in lines.iter().enumerate() {
            let case = Case::recorded(line, number as u64).unwrap().unwrap();
            if case.expect == crate::Expect::Allow {
                prop_assert_eq!(case.judge(&policy), Vec::<String>::new(), "{}{}", text, line);
            }
        }
    }
}
