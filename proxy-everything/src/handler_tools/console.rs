//! What somebody who tries a handler reads beside the command's own output. Receives what handlers write, as events of the log, and finished
//! records; hands on a line for each on standard error. Nothing of it can move a terminal's cursor, whatever a handler or a server says.

use std::io::{self, Write};

use serde::Deserialize;
use tracing::{Event, Subscriber, field};
use tracing_subscriber::layer::{Context, Layer};

/// Says what becomes of the handler itself.
pub(super) fn say(text: &str) {
    line(&format!("handler: {text}"));
}

/// What handlers write, as it comes.
pub(super) struct Console;

impl<S: Subscriber> Layer<S> for Console {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields { handler, request, text: Some(text) } = fields else { return };
        let level = event.metadata().level().as_str().to_lowercase();
        line(&format!("{level:<5} {handler} {request}: {text}"));
    }
}

#[derive(Default)]
struct Fields {
    handler: String,
    request: String,
    text: Option<String>,
}

impl field::Visit for Fields {
    fn record_str(&mut self, field: &field::Field, value: &str) {
        match field.name() {
            "handler" => self.handler = value.to_owned(),
            "request" => self.request = value.to_owned(),
            "text" => self.text = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &field::Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// Records, of which it tells the exchanges.
pub(super) struct Exchanges;

impl Write for Exchanges {
    /// Takes whole lines.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        for record in lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
        {
            told(&record).into_iter().for_each(|text| line(&text));
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct Exchange {
    kind: String,
    request: String,
    scheme: String,
    method: String,
    authority: String,
    path: String,
    status: Option<u16>,
    error: Option<String>,
    milliseconds: u64,
}

impl Default for Exchange {
    fn default() -> Self {
        let unknown = || "?".to_owned();
        Self {
            kind: unknown(),
            request: unknown(),
            scheme: unknown(),
            method: unknown(),
            authority: unknown(),
            path: String::new(),
            status: None,
            error: None,
            milliseconds: 0,
        }
    }
}

fn told(exchange: &Exchange) -> Option<String> {
    let Exchange { kind, request, scheme, method, authority, path, status, error, milliseconds } = exchange;
    let usual = if scheme == "https" { ":443" } else { ":80" };
    let host = authority.strip_suffix(usual).unwrap_or(authority);
    let status = status.map_or_else(|| "---".to_owned(), |status| status.to_string());
    let error = error.as_ref().map(|error| format!(" {error}")).unwrap_or_default();
    (kind == "exchange")
        .then(|| format!("{status:<5} {method} {scheme}://{host}{path} {milliseconds} ms{error} ({request})"))
}

fn line(text: &str) {
    eprintln!("{}", harmless(text));
}

fn harmless(text: &str) -> String {
    let one = |character: char| match character {
        '\n' | '\t' => character.to_string(),
        character if character.is_control() => character.escape_default().to_string(),
        character => character.to_string(),
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_is_one_line() {
        for (record, wanted) in [
            (
                r#"{"kind":"exchange","request":"a-1","scheme":"https","method":"GET","authority":"a.test:443","path":"/x","status":200,"milliseconds":3}"#,
                Some("200   GET https://a.test/x 3 ms (a-1)"),
            ),
            (
                r#"{"kind":"exchange","request":"a-2","scheme":"http","method":"PUT","authority":"a.test:8080","path":"/","error":"aborted"}"#,
                Some("---   PUT http://a.test:8080/ 0 ms aborted (a-2)"),
            ),
            (r#"{"kind":"dns","status":0}"#, None),
        ] {
            assert_eq!(told(&serde_json::from_str(record).unwrap()).as_deref(), wanted);
        }
        assert_eq!(Exchanges.write(b"no json\n{}\n").unwrap(), 11);
    }

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(harmless("a\u{1b}[2J\tb\nc\r\u{9b}é"), "a\\u{1b}[2J\tb\nc\\r\\u{9b}é");
    }
}
