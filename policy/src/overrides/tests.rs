//! Each verb by itself, what it does to what is in force, and what holds for every row of them.

use proptest::prelude::*;

use super::*;
use crate::{CanonicalHost, Decision, Policy, RequestFacts, Scheme};

const DOCUMENT: &str = r"
allowedHosts: [a.test, b.test]
deniedHosts: [{ host: d.test, name: four, answer: { status: 451 } }]
outboundByHost: { a.test: one }
handlers: { one: { deny: {} }, two: { respond: {} }, wasm: { wasm: w.wasm }, secret: { inject: { a: '${S}' } } }
secrets: { S: { env: S } }
";

fn document() -> Document {
    Document::parse(DOCUMENT).unwrap()
}

/// One change after the other.
fn changed(document: &Document, changes: &[(Verb, &str)]) -> Overrides {
    changes.iter().fold(Overrides::default(), |overrides, (verb, body)| {
        let next = overrides
            .change(*verb, body, document)
            .unwrap_or_else(|fault| panic!("{verb:?} {body}: {fault}"));
        assert_eq!(next.under(document), Ok(next.clone()));
        next
    })
}

fn is_allowed(document: &Document, overrides: &Overrides, host: &str) -> bool {
    matches!(decide(document, overrides, host), Decision::Forward { .. })
}

fn decide(document: &Document, overrides: &Overrides, host: &str) -> Decision {
    let host = CanonicalHost::parse(host).unwrap();
    let facts = RequestFacts { scheme: Scheme::Https, host: &host, port: 443, method: "GET", path: "/" };
    Policy::compile(document, overrides).decide(&facts)
}

/// The handlers that serve a host.
fn handlers(document: &Document, overrides: &Overrides, host: &str) -> Vec<String> {
    match decide(document, overrides, host) {
        Decision::Forward { binding: Some(binding), .. } => {
            Policy::compile(document, overrides).bindings()[binding.index()].handlers.clone()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_at_run_time_upgrade_too() {
    let document = document();
    let body = r#"{"host":"c.test","handler":"two","upgrade":"https"}"#;
    let overrides = changed(&document, &[(Verb::SetOutboundByHost, body)]);
    assert_eq!(
        overrides.to_json(),
        r#"{"outboundByHost":{"c.test":[{"handlers":["two"],"upgrade":"https"}]}}"#
    );
    let bindings = Policy::compile(&document, &overrides);
    assert_eq!(bindings.bindings()[0].upgrade, crate::Upgrade::Https);
    for (verb, body, wanted) in [
        (
            Verb::SetOutboundHandler,
            r#"{"handler":"two","upgrade":"https"}"#,
            "1:28: `upgrade` is for hosts that are known to have TLS, and not for all; write it under `outboundByHost`, for these hosts",
        ),
        (
            Verb::SetOutboundByHosts,
            r#"{"hosts":{"https://a.test":{"handlers":"two","upgrade":"https"}}}"#,
            "1:56: `https://a.test` is for requests that have TLS already; leave `upgrade` or the scheme out",
        ),
    ] {
        let fault = Overrides::default().change(verb, body, &document).unwrap_err();
        assert_eq!(fault.to_string(), wanted);
    }
}

#[test]
fn lists_start_from_what_is_in_force() {
    let document = document();
    for (changes, wanted) in [
        (
            &[(Verb::AllowHost, r#"{"host":"c.test"}"#)][..],
            r#"{"allowedHosts":["a.test","b.test","c.test"]}"#,
        ),
        (&[(Verb::AllowHost, r#"{"host":"a.test"}"#)], r#"{"allowedHosts":["a.test","b.test"]}"#),
        (&[(Verb::RemoveAllowedHost, r#"{"host":"a.test"}"#)], r#"{"allowedHosts":["b.test"]}"#),
        (&[(Verb::RemoveAllowedHost, r#"{"host":"none.test"}"#)], "{}"),
        (&[(Verb::SetAllowedHosts, r#"{"hosts":["x.test"]}"#)], r#"{"allowedHosts":["x.test"]}"#),
        (
            &[
                (Verb::SetAllowedHosts, r#"{"hosts":["x.test"]}"#),
                (Verb::RemoveAllowedHost, r#"{"host":"X.test."}"#),
            ],
            r#"{"allowedHosts":[]}"#,
        ),
        (
            &[(Verb::DenyHost, r#"{"host":{"host":"e.test","methods":["PUT"]}}"#)],
            r#"{"deniedHosts":[{"answer":{"body":"","headers":{},"status":451},"host":"d.test","name":"four"},{"host":"e.test","methods":["PUT"]}]}"#,
        ),
        (&[(Verb::RemoveDeniedHost, r#"{"host":"d.test"}"#)], r#"{"deniedHosts":[]}"#),
        (&[(Verb::RemoveDeniedHost, r#"{"host":"e.test"}"#)], "{}"),
        (&[(Verb::SetDeniedHosts, r#"{"hosts":[]}"#)], r#"{"deniedHosts":[]}"#),
        (&[(Verb::SetDeniedHosts, r#"{"hosts":[]}"#), (Verb::Clear, "{}")], "{}"),
    ] {
        assert_eq!(changed(&document, changes).to_json(), wanted, "{changes:?}");
    }
}

#[test]
fn the_first_allowed_host_makes_a_list() {
    let document = Document::parse("enableInternet: true").unwrap();
    let none = changed(&document, &[(Verb::RemoveAllowedHost, r#"{"host":"a.test"}"#)]);
    assert!(is_allowed(&document, &none, "other.test"));
    let first = changed(&document, &[(Verb::AllowHost, r#"{"host":"a.test"}"#)]);
    assert!(is_allowed(&document, &first, "a.test") && !is_allowed(&document, &first, "other.test"));
    let empty = first.change(Verb::RemoveAllowedHost, r#"{"host":"a.test"}"#, &document).unwrap();
    assert!(!is_allowed(&document, &empty, "a.test") && !is_allowed(&document, &empty, "other.test"));
}

/// Presets are read strictly under whichever `compat`.
#[test]
fn what_is_copied_is_read_as_all_else() {
    let document = Document::parse("compat: cloudflare\npresets: [github]").unwrap();
    let more = changed(&document, &[(Verb::AllowHost, r#"{"host":"google.*"}"#)]);
    assert!(is_allowed(&document, &more, "github.com") && is_allowed(&document, &more, "google.test"));
    let entries = document.allowed_hosts.as_ref().unwrap();
    let glob = entries.iter().map(|entry| entry.pattern.to_string()).find(|text| text.contains('*')).unwrap();
    let body = serde_json::json!({ "host": glob }).to_string();
    let fewer = changed(&document, &[(Verb::RemoveAllowedHost, &body)]);
    assert_eq!(fewer.allowed_hosts.unwrap().len(), entries.len() - 1);
}

#[test]
fn handlers_keep_their_place_and_replace_each_other() {
    let document = document();
    let set = |host: &str, handler: &str| format!(r#"{{"host":"{host}","handler":"{handler}"}}"#);
    let (first, second, again) = (set("z.test", "one"), set("b.test", "two"), set("z.test", "two"));
    let by_host = Verb::SetOutboundByHost;
    let overrides = changed(&document, &[(by_host, &first), (by_host, &second), (by_host, &again)]);
    let wanted = r#"{"outboundByHost":{"z.test":[{"handlers":["two"]}],"b.test":[{"handlers":["two"]}]}}"#;
    assert_eq!(overrides.to_json(), wanted);
    let removed = overrides.change(Verb::RemoveOutboundByHost, r#"{"host":"Z.test"}"#, &document).unwrap();
    assert_eq!(removed.to_json(), r#"{"outboundByHost":{"b.test":[{"handlers":["two"]}]}}"#);
    let body = r#"{"hosts":{"*.test":"one","b.test":{"method":"wasm","params":[1]},"c.test":[{"handlers":["two","one"],"methods":["GET"]},{"handler":"one"}]}}"#;
    let all = overrides.change(Verb::SetOutboundByHosts, body, &document).unwrap();
    let wanted = r#"{"outboundByHost":{"*.test":[{"handlers":["one"]}],"b.test":[{"handlers":["wasm"],"params":[1]}],"c.test":[{"handlers":["two","one"],"methods":["GET"]},{"handlers":["one"]}]}}"#;
    assert_eq!(all.to_json(), wanted);
    assert_eq!(Overrides::parse(wanted, &document).unwrap(), all);
    let catch_all =
        all.change(Verb::SetOutboundHandler, r#"{"handler":"wasm","params":{"a":null}}"#, &document).unwrap();
    let back = catch_all.change(Verb::RemoveOutboundHandler, "", &document).unwrap();
    assert_ne!(catch_all, all);
    assert_eq!(back, all);
}

#[test]
fn a_glob_of_run_time_goes_before_a_name_of_the_document() {
    let document = document();
    let set = (Verb::SetOutboundByHost, r#"{"host":"*.test","handler":"two"}"#);
    let overrides = changed(&document, &[set]);
    assert_eq!(handlers(&document, &overrides, "a.test"), ["two"]);
    assert!(!is_allowed(&document, &overrides, "d.test"), "what is denied is denied");
    assert!(!is_allowed(&document, &overrides, "z.test"), "what is not allowed is not allowed");
}

#[test]
fn faults_have_a_place_and_change_nothing() {
    let document = document();
    for (verb, body, wanted) in [
        (Verb::AllowHost, "", "1:1: there is nothing in it"),
        (Verb::AllowHost, r#"{"hosts":"a.test"}"#, "1:2: unknown key `hosts`; did you mean `host`?"),
        (Verb::AllowHost, "{\"host\":\"a.test\",\n \"host\":\"b.test\"}", "2:2: duplicate key `host`"),
        (Verb::AllowHost, r#"{"host":"*a.test"}"#, "1:9: "),
        (Verb::AllowHost, r#"{"host":{"host":"a.test","monitor":true}}"#, "1:17: "),
        (Verb::DenyHost, r#"{"host":["a.test"]}"#, "1:2: expected a word or keys"),
        (Verb::Clear, r#"{"all":true}"#, "1:2: unknown key `all`"),
        (Verb::RemoveOutboundHandler, r#"{"host":"a.test"}"#, "1:2: unknown key `host`"),
        (Verb::SetAllowedHosts, r#"{}"#, "1:1: missing field `hosts`"),
        (
            Verb::SetOutboundHandler,
            r#"{"handler":"tow"}"#,
            "1:12: unknown handler `tow`; did you mean `two`?",
        ),
        (Verb::SetOutboundHandler, r#"{"host":"a.test","handler":"two"}"#, "1:1: unknown key `host`"),
        (Verb::SetOutboundHandler, r#"{"params":1}"#, "1:1: handlers are named under exactly one of"),
        (
            Verb::SetOutboundHandler,
            r#"{"handler":"two","method":"one"}"#,
            "1:1: handlers are named under exactly one",
        ),
        (
            Verb::SetOutboundHandler,
            r#"{"handler":"two","params":1}"#,
            "1:12: `params` are for handlers with `wasm`",
        ),
        (Verb::SetOutboundByHost, r#"{"handler":"two"}"#, "1:1: the key `host` is missing"),
        (
            Verb::SetOutboundByHost,
            r#"{"host":"a.test","handlers":["secret","wasm"]}"#,
            "1:39: `wasm` would see the secrets",
        ),
        (
            Verb::SetOutboundByHosts,
            r#"{"hosts":{"a.test":{"host":"a.test","handler":"two"}}}"#,
            "1:28: unknown key `host`",
        ),
        (
            Verb::SetOutboundByHosts,
            r#"{"hosts":{"a.test":"one","A.test":"two"}}"#,
            "1:26: `A.test` is here a second time",
        ),
    ] {
        let fault = Overrides::default().change(verb, body, &document).unwrap_err().to_string();
        assert!(fault.starts_with(wanted), "{verb:?} {body}: {fault}");
    }
}

#[test]
fn a_document_under_which_it_makes_no_sense_is_told() {
    let overrides = changed(
        &document(),
        &[(Verb::SetOutboundByHost, r#"{"host":"a.test","handler":"wasm","params":1}"#)],
    );
    for (text, wanted) in [
        ("", "unknown handler `wasm`"),
        ("handlers: { wasm: { deny: {} } }", "`params` are for handlers with `wasm`"),
    ] {
        let fault = overrides.under(&Document::parse(text).unwrap()).unwrap_err().to_string();
        assert!(fault.contains(wanted), "{fault}");
    }
    let loose = Document::parse("compat: cloudflare").unwrap();
    let overrides = changed(&loose, &[(Verb::AllowHost, r#"{"host":"google.*"}"#)]);
    assert!(overrides.under(&Document::default()).is_err());
    // The same words, with the meaning that they have there.
    let overrides = changed(&loose, &[(Verb::AllowHost, r#"{"host":"*.test"}"#)]);
    let strict = changed(&Document::default(), &[(Verb::AllowHost, r#"{"host":"*.test"}"#)]);
    assert_eq!(overrides.under(&Document::default()), Ok(strict));
}

#[test]
fn there_are_bounds() {
    let document = Document::default();
    let globs: Vec<String> = (0..1_000).map(|number| format!("a.*.b{number}.test")).collect();
    let body = serde_json::json!({ "hosts": globs }).to_string();
    let full = changed(&document, &[(Verb::SetAllowedHosts, &body)]);
    let more = full.change(Verb::AllowHost, r#"{"host":"a.*.c.test"}"#, &document).unwrap();
    assert!(more.under(&document).unwrap_err().message.contains("more than 1000 patterns"));
}

const HASH: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// What YAML has no raw spelling for is kept as well, and put back after a restart.
#[test]
fn texts_of_any_characters_are_kept() {
    let document = document();
    for rule in [r#""name":"\ufeff\ufffe\uffff""#, r#""answer":{"status":403,"body":"\u007f\u0085\u009f"}"#] {
        let body = format!(r#"{{"hosts":[{{"host":"a.test",{rule}}}]}}"#);
        let overrides = changed(&document, &[(Verb::SetDeniedHosts, &body)]);
        assert_eq!(Overrides::parse(&overrides.to_json(), &document), Ok(overrides));
    }
}

#[test]
fn a_component_is_set_and_reset() {
    let document = document();
    let set = |wasm: &str| format!(r#"{{"name":"wasm","wasm":"{wasm}"}}"#);
    let Some(crate::HandlerSource::Wasm(source)) = document.handlers.get("wasm") else { panic!() };
    let overrides = changed(&document, &[(Verb::SetHandler, &set("/new.wasm"))]);
    assert_eq!(overrides.to_json(), r#"{"handlers":{"wasm":{"wasm":"/new.wasm"}}}"#);
    let new = ComponentSource::Path { path: "/new.wasm".into(), sha256: None };
    assert_eq!(overrides.component("wasm", source), &new);
    assert_eq!(overrides.component("other", source), &source.component);
    let hashed = overrides.change(Verb::SetHandler, &set(HASH), &document).unwrap();
    assert!(matches!(hashed.component("wasm", source), ComponentSource::Hash(_)));
    assert_eq!(Overrides::parse(&hashed.to_json(), &document), Ok(hashed.clone()));
    let body = set("/a.wasm").replace('}', &format!(r#","sha256":"{}"}}"#, HASH[7..].to_uppercase()));
    let pinned = hashed.change(Verb::SetHandler, &body, &document).unwrap();
    let wanted = format!(r#"{{"handlers":{{"wasm":{{"sha256":"{}","wasm":"/a.wasm"}}}}}}"#, &HASH[7..]);
    assert_eq!(pinned.to_json(), wanted);
    assert_eq!(Overrides::parse(&wanted, &document), Ok(pinned.clone()));
    let reset = pinned.change(Verb::ResetHandler, r#"{"name":"wasm"}"#, &document).unwrap();
    assert_eq!(reset, Overrides::default());
    assert_eq!(reset.change(Verb::ResetHandler, r#"{"name":"wasm"}"#, &document), Ok(reset.clone()));
    assert_eq!(pinned.change(Verb::Clear, "", &document), Ok(reset));
}

#[test]
fn faults_of_components() {
    let document = document();
    let absolute = "at run time there is no folder that a relative path starts from; write an absolute path";
    for (verb, body, wanted) in [
        (Verb::SetHandler, "{}", "1:1: missing field `name`"),
        (Verb::SetHandler, r#"{"name":"wasm"}"#, "1:2: missing field `wasm`"),
        (Verb::SetHandler, r#"{"name":"wasm","wasm":"/w","params":1}"#, "1:28: unknown key `params`"),
        (
            Verb::SetHandler,
            r#"{"name":"wsm","wasm":"/w"}"#,
            "1:9: unknown handler `wsm`; did you mean `wasm`?",
        ),
        (
            Verb::SetHandler,
            r#"{"name":"two","wasm":"/w"}"#,
            "1:9: `two` is a handler with `respond`, and only those with `wasm` run a component",
        ),
        (Verb::SetHandler, r#"{"name":"wasm","wasm":"w"}"#, &format!("1:23: {absolute}")),
        (Verb::SetHandler, r#"{"name":"wasm","wasm":"./w"}"#, &format!("1:23: {absolute}")),
        (Verb::SetHandler, r#"{"name":"wasm","wasm":""}"#, "1:23: the file name is empty"),
        (Verb::SetHandler, r#"{"name":"wasm","wasm":"sha256:0"}"#, "1:23: `0` is no SHA-256"),
        (Verb::SetHandler, r#"{"name":"wasm","wasm":"/w","sha256":"x"}"#, "1:37: `x` is no SHA-256"),
        (
            Verb::SetHandler,
            &format!(r#"{{"name":"wasm","wasm":"{HASH}","sha256":"{}"}}"#, &HASH[7..]),
            "1:106: `wasm` says already what the content must be",
        ),
        (Verb::ResetHandler, r#"{"name":"none"}"#, "1:9: unknown handler `none`"),
        (Verb::ResetHandler, r#"{"name":"one"}"#, "1:9: `one` is a handler with `deny`"),
    ] {
        let fault = Overrides::default().change(verb, body, &document).unwrap_err().to_string();
        assert!(fault.starts_with(wanted), "{verb:?} {body}: {fault}");
    }
    let relative = Overrides::parse(r#"{"handlers":{"wasm":{"wasm":"w"}}}"#, &document).unwrap_err();
    assert_eq!((relative.column, relative.message.starts_with("at run time")), (29, true), "{relative}");
    assert!(Overrides::parse(r#"{"handlers":{"wasm":{"wasm":"/w","calls":1}}}"#, &document).is_err());
    let set = changed(&document, &[(Verb::SetHandler, r#"{"name":"wasm","wasm":"/w"}"#)]);
    for (text, wanted) in [
        ("", "unknown handler `wasm`"),
        ("handlers: { wasm: { deny: {} } }", "`wasm` is a handler with `deny`"),
    ] {
        let fault = set.under(&Document::parse(text).unwrap()).unwrap_err().to_string();
        assert!(fault.contains(wanted), "{fault}");
    }
}

fn change() -> impl Strategy<Value = (Verb, String)> {
    let host = prop_oneof![
        "[ab]\\.test",
        Just("*.test".to_owned()),
        Just("*".to_owned()),
        Just("10.0.0.0/8".to_owned())
    ];
    let handler = prop::sample::select(&["one", "two", "wasm"]);
    (0..Verb::ALL.len(), host, handler, "\\PC{0,4}").prop_map(|(verb, host, handler, text)| {
        let (verb, path) = (Verb::ALL[verb], format!("/{text}"));
        let params = if handler == "wasm" { serde_json::json!({ text: [1.5, null] }) } else { Value::Null };
        let body = match verb {
            Verb::RemoveOutboundHandler | Verb::Clear => serde_json::json!({}),
            Verb::SetOutboundHandler => serde_json::json!({ "handler": handler, "params": params }),
            Verb::SetOutboundByHost => {
                serde_json::json!({ "host": host, "handler": handler, "params": params })
            }
            Verb::SetOutboundByHosts => serde_json::json!({ "hosts": { host: handler } }),
            Verb::SetAllowedHosts | Verb::SetDeniedHosts => serde_json::json!({ "hosts": [host] }),
            Verb::SetHandler if handler == "one" => serde_json::json!({ "name": "wasm", "wasm": HASH }),
            Verb::SetHandler => serde_json::json!({ "name": "wasm", "wasm": path }),
            Verb::ResetHandler => serde_json::json!({ "name": "wasm" }),
            _ => serde_json::json!({ "host": host }),
        };
        (verb, body.to_string())
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_the_same(changes in prop::collection::vec(change(), 0..12)) {
        let document = document();
        let overrides = changes.iter().try_fold(Overrides::default(), |now, (verb, body)| now.change(*verb, body, &document));
        let overrides = overrides.map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        prop_assert_eq!(overrides.under(&document), Ok(overrides.clone()));
        prop_assert_eq!(Overrides::parse(&overrides.to_json(), &document), Ok(overrides));
    }

    #[test]
    fn a_change_that_is_made_twice_is_made_once((verb, body) in change(), before in prop::collection::vec(change(), 0..6)) {
        let document = document();
        let before = before.iter().try_fold(Overrides::default(), |now, (verb, body)| now.change(*verb, body, &document));
        let once = before.and_then(|before| before.change(verb, &body, &document)).unwrap();
        prop_assert_eq!(once.change(verb, &body, &document).unwrap(), once);
    }

    #[test]
    fn no_body_panics(verb in 0..Verb::ALL.len(), body in "[{}\\[\\]\":,a-z*./\\\\ \n-]{0,60}") {
        let _ = Overrides::default().change(Verb::ALL[verb], &body, &document());
    }

    /// Against lists that are kept as Cloudflare's library keeps them.
    #[test]
    fn lists_are_kept_as_elsewhere(steps in prop::collection::vec((0..6_usize, 0..3_usize), 0..12), listed in any::<bool>()) {
        const HOSTS: [&str; 3] = ["a.test", "b.test", "c.test"];
        let text = if listed { "allowedHosts: [a.test]\ndeniedHosts: [b.test]" } else { "" };
        let document = Document::parse(text).unwrap();
        let mut allowed: Option<Vec<&str>> = listed.then(|| vec!["a.test"]);
        let mut denied: Vec<&str> = if listed { vec!["b.test"] } else { vec![] };
        let mut overrides = Overrides::default();
        let add = |list: &mut Vec<&'static str>, host| if !list.contains(&host) { list.push(host) };
        for (verb, place) in steps {
            let host = HOSTS[place];
            let verb = match verb {
                0 => { add(allowed.get_or_insert_default(), host); Verb::AllowHost }
                1 => { allowed.iter_mut().for_each(|list| list.retain(|other| *other != host)); Verb::RemoveAllowedHost }
                2 => { add(&mut denied, host); Verb::DenyHost }
                3 => { denied.retain(|other| *other != host); Verb::RemoveDeniedHost }
                4 => { allowed = Some(vec![host]); Verb::SetAllowedHosts }
                _ => { denied = vec![host]; Verb::SetDeniedHosts }
            };
            let sets = matches!(verb, Verb::SetAllowedHosts | Verb::SetDeniedHosts);
            let body = if sets { serde_json::json!({ "hosts": [host] }) } else { serde_json::json!({ "host": host }) };
            overrides = overrides.change(verb, &body.to_string(), &document).map_err(|fault| TestCaseError::fail(fault.to_string()))?;
            let spelled = |entries: &[Entry]| entries.iter().map(|entry| entry.pattern.to_string()).collect::<Vec<_>>();
            prop_assert_eq!(spelled(overrides.denied(&document)), denied.clone());
            prop_assert_eq!(overrides.allowed(&document).map(spelled), allowed.clone().map(|list| list.into_iter().map(str::to_owned).collect()));
        }
    }
}
