//! What differs between what came of a case and what was expected. Receives both, hands on lines for people; no line is no difference.
//! Only what the case names is compared.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::{
    expected::{Expected, Forwarded},
    trial::{End, Seen, Told},
};

/// Differences within one JSON value that are told.
const MAX_JSON: usize = 8;
/// Bytes of a text that are shown.
const MAX_SHOWN: usize = 200;

type Headers = std::collections::BTreeMap<String, Option<String>>;

/// What differs.
pub(super) fn differs(expected: &Expected, told: &Told) -> Vec<String> {
    let mut lines = Lines::default();
    lines.end(expected, &told.end);
    if let Some(wanted) = &expected.forwarded {
        lines.forwarded(wanted, &told.forwarded);
    }
    for text in &expected.logs {
        if !told.logs.iter().any(|line| line.contains(text.as_str())) {
            lines.told("log", text, &told.logs.join(" | "));
        }
    }
    lines.0
}

#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn told(&mut self, what: &str, expected: &str, got: &str) {
        let got = if got.is_empty() { "nothing" } else { got };
        self.0.push(format!("{what}: expected {}, got {}", shown(expected), shown(got)));
    }

    fn end(&mut self, expected: &Expected, end: &End) {
        let (status, denied, fails) = match end {
            End::Response { status, .. } => (status, None, None),
            End::Denied { status, reason, .. } => (status, Some(reason), None),
            End::Failed { status, kind, .. } => (status, None, Some(kind)),
        };
        let wanted = match (&expected.denied, &expected.fails) {
            (Some(reason), _) => format!("denied ({reason})"),
            (None, Some(kind)) => format!("failed ({kind})"),
            (None, None) => "a response".to_owned(),
        };
        let same = denied == expected.denied.as_ref() && fails == expected.fails.as_ref();
        if !same {
            self.0.push(format!("outcome: expected {wanted}, got {}", outcome(end)));
        }
        if let Some(wanted) = expected.status
            && wanted != status.as_u16()
        {
            self.told("status", &wanted.to_string(), status.as_str());
        }
        let nothing = (HeaderMap::new(), Bytes::new());
        let (headers, body) = match end {
            End::Response { headers, body, .. } => (headers, body),
            End::Denied { .. } | End::Failed { .. } => (&nothing.0, &nothing.1),
        };
        self.headers("", &expected.headers, headers);
        self.body("", expected.body.as_deref(), expected.json.as_ref(), body);
        let text = String::from_utf8_lossy(body);
        for part in expected.body_contains.iter().filter(|part| !text.contains(part.as_str())) {
            self.told("body", &format!("{part} somewhere in it"), &text);
        }
    }

    fn forwarded(&mut self, wanted: &[Forwarded], seen: &[Seen]) {
        if wanted.len() != seen.len() {
            let all: Vec<_> = seen.iter().map(|seen| format!("{} {}", seen.method, seen.url)).collect();
            self.told("forwarded", &format!("{} requests", wanted.len()), &all.join(", "));
        }
        for (number, (wanted, seen)) in wanted.iter().zip(seen).enumerate() {
            let place = format!("forwarded[{number}].");
            for (what, wanted, got) in [
                ("method", &wanted.method, seen.method.to_string()),
                ("url", &wanted.url, seen.url.to_string()),
            ] {
                if let Some(wanted) = wanted
                    && *wanted != got
                {
                    self.told(&format!("{place}{what}"), wanted, &got);
                }
            }
            self.headers(&place, &wanted.headers, &seen.headers);
            self.body(&place, wanted.body.as_deref(), wanted.json.as_ref(), &seen.body);
        }
    }

    fn headers(&mut self, place: &str, wanted: &Headers, got: &HeaderMap) {
        for (name, wanted) in wanted {
            let values: Vec<_> =
                got.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            let got = (!values.is_empty()).then(|| values.join(", "));
            if *wanted != got {
                let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
                self.told(&format!("{place}headers.{name}"), &text(wanted), &text(&got));
            }
        }
    }

    fn body(&mut self, place: &str, wanted: Option<&str>, json: Option<&Value>, got: &Bytes) {
        let text = String::from_utf8_lossy(got);
        if let Some(wanted) = wanted
            && *wanted != *text
        {
            // Of a long text, where it begins to differ.
            let line = |text: &str, number: usize| text.lines().nth(number).unwrap_or("(its end)").to_owned();
            let same = wanted.lines().zip(text.lines()).take_while(|(wanted, got)| wanted == got).count();
            match wanted.lines().count() {
                0 | 1 => self.told(&format!("{place}body"), wanted, &text),
                _ => {
                    let what = format!("{place}body, line {}", same + 1);
                    self.told(&what, &line(wanted, same), &line(&text, same));
                }
            }
        }
        if let Some(wanted) = json {
            match serde_json::from_slice::<Value>(got) {
                Ok(got) => {
                    let mut found = Vec::new();
                    unequal(&format!("{place}json"), wanted, &got, &mut found);
                    self.0.extend(found.into_iter().take(MAX_JSON));
                }
                Err(error) => {
                    self.told(&format!("{place}json"), &wanted.to_string(), &format!("{text} ({error})"))
                }
            }
        }
    }
}

/// Where two values differ, deepest first known.
fn unequal(place: &str, wanted: &Value, got: &Value, found: &mut Vec<String>) {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            for (key, value) in wanted {
                unequal(&format!("{place}.{key}"), value, got.get(key).unwrap_or(&Value::Null), found);
            }
            for (key, value) in got.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                found.push(format!("{place}.{key}: expected nothing, got {}", shown(&value.to_string())));
            }
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            for (number, (wanted, got)) in wanted.iter().zip(got).enumerate() {
                unequal(&format!("{place}[{number}]"), wanted, got, found);
            }
        }
        _ if wanted == got => {}
        _ => found.push(format!(
            "{place}: expected {}, got {}",
            shown(&wanted.to_string()),
            shown(&got.to_string())
        )),
    }
}

fn outcome(end: &End) -> String {
    match end {
        End::Response { status, .. } => format!("a response ({})", status.as_str()),
        End::Denied { reason, detail, .. } => {
            format!(
                "denied ({reason}){}",
                detail.as_ref().map(|text| format!(": {text}")).unwrap_or_default()
            )
        }
        End::Failed { kind, detail, .. } => format!("failed ({kind}): {detail}"),
    }
}

/// On one line, and not longer than a reader wants.
fn shown(text: &str) -> String {
    let cut = text.floor_char_boundary(MAX_SHOWN);
    let more = if cut < text.len() { "…" } else { "" };
    let text = text.get(..cut).unwrap_or(text);
    format!("{}{more}", text.replace('\r', "\\r").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method, StatusCode};
    use serde_json::json;

    use super::*;
    use crate::handler_tools::expected::parse;

    fn told() -> Told {
        let headers = HeaderMap::from_iter([(http::header::SERVER, HeaderValue::from_static("s"))]);
        let seen = Seen {
            method: Method::GET,
            url: "https://a.test/x?y".parse().unwrap(),
            headers: headers.clone(),
            body: "sent".into(),
        };
        let body = Bytes::from("{\"a\": [1, 2], \"b\": null}");
        let end = End::Response { status: StatusCode::OK, headers, body };
        Told { end, forwarded: vec![seen], logs: vec!["one line".to_owned()] }
    }

    fn compared(expect: &Value) -> Vec<String> {
        let text = json!([{ "name": "n", "request": { "url": "u" }, "expect": expect }]).to_string();
        differs(parse(&text).unwrap()[0].value.steps().next().unwrap().expect, &told())
    }

    #[test]
    fn what_is_as_expected_is_not_told() {
        for expect in [
            json!({}),
            json!({ "status": 200, "headers": { "Server": "s", "x-not": null }, "json": { "a": [1, 2], "b": null } }),
            json!({ "bodyContains": ["\"a\"", "null"], "logs": ["line"] }),
            json!({ "forwarded": [{}] }),
            json!({ "forwarded": [{ "method": "GET", "url": "https://a.test/x?y", "headers": { "server": "s", "cookie": null }, "body": "sent" }] }),
        ] {
            assert_eq!(compared(&expect), Vec::<String>::new(), "{expect}");
        }
    }

    #[test]
    fn every_difference_is_told() {
        for (expect, wanted) in [
            (json!({ "status": 201 }), "status: expected 201, got 200"),
            (json!({ "headers": { "server": "t" } }), "headers.server: expected t, got s"),
            (json!({ "headers": { "server": null } }), "headers.server: expected none, got s"),
            (json!({ "headers": { "x": "1" } }), "headers.x: expected 1, got none"),
            (json!({ "body": "b" }), "body: expected b, got {\"a\": [1, 2], \"b\": null}"),
            (
                json!({ "body": "{\"a\": [1, 2], \"b\": null}\nmore" }),
                "body, line 2: expected more, got (its end)",
            ),
            (
                json!({ "bodyContains": ["zzz"] }),
                "body: expected zzz somewhere in it, got {\"a\": [1, 2], \"b\": null}",
            ),
            (json!({ "json": { "a": [1, 3], "b": null } }), "json.a[1]: expected 3, got 2"),
            (json!({ "json": { "a": [1, 2] } }), "json.b: expected nothing, got null"),
            (json!({ "json": { "a": [], "b": null } }), "json.a: expected [], got [1,2]"),
            (
                json!({ "denied": "host_denied" }),
                "outcome: expected denied (host_denied), got a response (200)",
            ),
            (
                json!({ "fails": "handler_cpu" }),
                "outcome: expected failed (handler_cpu), got a response (200)",
            ),
            (json!({ "forwarded": [] }), "forwarded: expected 0 requests, got GET https://a.test/x?y"),
            (json!({ "forwarded": [{ "method": "PUT" }] }), "forwarded[0].method: expected PUT, got GET"),
            (
                json!({ "forwarded": [{ "url": "u" }] }),
                "forwarded[0].url: expected u, got https://a.test/x?y",
            ),
            (json!({ "forwarded": [{ "body": "b" }] }), "forwarded[0].body: expected b, got sent"),
            (
                json!({ "forwarded": [{ "headers": { "x": "1" } }] }),
                "forwarded[0].headers.x: expected 1, got none",
            ),
            (json!({ "logs": ["other"] }), "log: expected other, got one line"),
        ] {
            assert_eq!(compared(&expect), [wanted]);
        }
    }

    #[test]
    fn a_refusal_is_no_response() {
        let mut told = told();
        told.end = End::Denied { status: StatusCode::FORBIDDEN, reason: "host_denied".into(), detail: None };
        let text = "- { name: n, request: { url: u }, expect: { body: '' } }";
        let lines = differs(parse(text).unwrap()[0].value.steps().next().unwrap().expect, &told);
        assert_eq!(lines, ["outcome: expected a response, got denied (host_denied)"]);
    }
}
