//! What one audit line says. Field names and meanings are documented in docs/audit.md; fields that do not apply are absent.
//! A record is a value: trails fill it in, the log writes it. It has no field that could hold a header, a body or a query,
//! which is how no secret gets into the log.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Instant, SystemTime},
};

use handlers::{Chain, Handler, Named, Use};
use policy::ContentHash;
use serde::{Serialize, Serializer, ser::Error};
use time::{OffsetDateTime, macros::format_description};

use crate::instance::Instance;

/// What the line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A TCP connection.
    Connection,
    /// An HTTP request with its response.
    Exchange,
    /// A DNS question with its answer.
    Dns,
    /// A connection to a published port.
    Inbound,
    /// A request that a handler made of another host than its exchange's.
    Fetch,
}

/// What was spoken, as far as it was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Protocol {
    /// Neither TLS nor HTTP.
    #[serde(rename = "opaque")]
    Opaque,
    /// TLS whose handshake did not finish, or that was passed through.
    #[serde(rename = "tls")]
    Tls,
    /// HTTP/1.0 or HTTP/1.1.
    #[serde(rename = "h1")]
    Http1,
    /// HTTP/2.
    #[serde(rename = "h2")]
    Http2,
    /// DNS.
    #[serde(rename = "dns")]
    Dns,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Exchange, DNS question: it may pass. Connection: its exchanges are judged one by one, or its bytes were passed on.
    Allow,
    /// It may not.
    Deny,
}

/// One line.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// When it began; RFC 3339, UTC, milliseconds.
    #[serde(serialize_with = "rfc3339")]
    pub time: SystemTime,
    /// What the line is about.
    pub kind: Kind,
    /// The instance's id.
    pub instance: Arc<str>,
    /// The instance's class.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub class: Arc<str>,
    /// The generation that decided.
    pub generation: u64,
    /// Number of the connection within its instance; a DNS question over UDP has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u64>,
    /// Id of the request, the one that refusals name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Arc<str>>,
    /// The workload's address and port.
    pub source: SocketAddr,
    /// The address and port that the workload connected to.
    pub destination: SocketAddr,
    /// What was spoken.
    pub protocol: Protocol,
    /// The TLS server name, canonical.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<Arc<str>>,
    /// What the request was sent over: `https` or `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<&'static str>,
    /// HTTP method, or DNS question type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Canonical host and port of the request or of what is dialled for a tunnel, or the name asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// Path without query, at most [`MAX_PATH`] bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What was decided; absent if it never came to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<str>>,
    /// What would have been decided if the policy were not only monitoring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitored: Option<Monitored>,
    /// The handlers bound to the host.
    #[serde(flatten)]
    pub handlers: Used,
    /// The secrets that it could use, or used in the place of placeholders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretUse>,
    /// The placeholder that stood where its secret must not go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stray: Option<Stray>,
    /// The secrets whose values were taken out of the response.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scrubbed: Vec<Arc<str>>,
    /// HTTP status sent to the workload, or DNS response code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Connection: bytes on the wire. Exchange: bytes of the body.
    pub bytes_from_workload: u64,
    /// As above, in the other direction.
    pub bytes_to_workload: u64,
    /// From the beginning to the end, whole milliseconds.
    pub milliseconds: u64,
    /// The address that was dialled, or that the pooled connection had dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<SocketAddr>,
    /// What went wrong, a word from docs/errors.md.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// What handlers wrote while they served it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogLine>,
    /// Lines that were too many.
    #[serde(skip_serializing_if = "is_zero")]
    pub log_dropped: u32,
    /// For the duration.
    #[serde(skip)]
    pub began: Instant,
}

/// Handlers, as records name them. A clone is cheap.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Used {
    /// Their names, in order.
    #[serde(rename = "handlers", skip_serializing_if = "Option::is_none")]
    names: Option<Arc<[Arc<str>]>>,
    /// Those that are programs.
    #[serde(rename = "components", skip_serializing_if = "Option::is_none")]
    components: Option<Arc<[Component]>>,
}

/// Which program a handler is.
#[derive(Clone, Debug, Serialize)]
struct Component {
    handler: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Arc<str>>,
    /// Of its bytes, in hexadecimal.
    sha256: String,
}

impl Used {
    /// The handlers of a chain.
    pub fn of(chain: &Chain) -> Self {
        let component = |named: &Named| match &named.handler {
            Handler::Script(script) => Some(Component {
                handler: named.name.clone(),
                version: named.version.clone(),
                sha256: ContentHash(script.sha256()).to_string(),
            }),
            _ => None,
        };
        Self {
            names: some(chain.handlers().map(|named| named.name.clone()).collect()),
            components: some(chain.handlers().filter_map(component).collect()),
        }
    }

    /// A single one that is known by its name.
    pub fn named(handler: &Arc<str>) -> Self {
        Self { names: Some([handler.clone()].into()), components: None }
    }
}

fn some<T>(list: Vec<T>) -> Option<Arc<[T]>> {
    (!list.is_empty()).then(|| list.into())
}

/// A secret that an exchange used. Never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretUse {
    /// Its name.
    pub name: Arc<str>,
    /// The beginning of its hash.
    pub fingerprint: Arc<str>,
    /// `inject`, `query`, `basic`, `placeholder`, `sign` or `handler`.
    pub style: &'static str,
    /// What it was put into, `header:authorization` for example.
    #[serde(rename = "where")]
    pub place: String,
}

impl SecretUse {
    /// By a handler.
    pub fn new(one: &Use, fingerprint: Arc<str>) -> Self {
        Self {
            name: Arc::clone(&one.secret),
            fingerprint,
            style: one.style.as_str(),
            place: one.place.to_string(),
        }
    }
}

/// A placeholder that stood where its secret must not go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stray {
    /// The secret that it stands for.
    pub name: Arc<str>,
    /// What it stood in.
    #[serde(rename = "where")]
    pub place: String,
}

/// A refusal that was only noted.
#[derive(Clone, Debug, Serialize)]
pub struct Monitored {
    /// A word from docs/errors.md.
    pub reason: &'static str,
    /// The rule that would have refused.
    pub rule: String,
}

/// A line that a handler wrote, without the secrets that it was granted.
#[derive(Clone, Debug, Serialize)]
pub struct LogLine {
    /// The handler's name.
    pub handler: Arc<str>,
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// What it wrote.
    pub message: String,
}

impl From<handlers::Line> for LogLine {
    fn from(line: handlers::Line) -> Self {
        Self { handler: line.handler, level: line.level.as_str(), message: line.message }
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Longer paths are cut, so that no request can make a line of any length it likes.
const MAX_PATH: usize = 1024;

impl Record {
    /// A record that begins now and says nothing yet but who and where.
    pub fn new(
        kind: Kind,
        protocol: Protocol,
        instance: &Instance,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> Self {
        Self {
            time: SystemTime::now(),
            kind,
            instance: Arc::clone(&instance.id),
            class: Arc::clone(&instance.class),
            generation: instance.current().number(),
            connection: None,
            request: None,
            source,
            destination,
            protocol,
            sni: None,
            scheme: None,
            method: None,
            authority: None,
            path: None,
            decision: None,
            rule: None,
            monitored: None,
            handlers: Used::default(),
            secrets: Vec::new(),
            stray: None,
            scrubbed: Vec::new(),
            status: None,
            bytes_from_workload: 0,
            bytes_to_workload: 0,
            milliseconds: 0,
            upstream: None,
            error: None,
            log: Vec::new(),
            log_dropped: 0,
            began: Instant::now(),
        }
    }

    /// Notes how long it took, up to now.
    pub fn end(&mut self) {
        self.milliseconds = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
    }

    /// Keeps the path of a request target, without its query: values there are often secrets.
    pub fn set_path(&mut self, path: &str) {
        let end = (0..=MAX_PATH.min(path.len())).rev().find(|&at| path.is_char_boundary(at)).unwrap_or(0);
        self.path = Some(path.get(..end).unwrap_or_default().to_owned());
    }
}

/// A time as records have it: RFC 3339, UTC, milliseconds.
pub fn rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).map_err(S::Error::custom)?;
    let milliseconds = i128::from(u64::try_from(since.as_millis()).map_err(S::Error::custom)?);
    let time =
        OffsetDateTime::from_unix_timestamp_nanos(milliseconds * 1_000_000).map_err(S::Error::custom)?;
    let milliseconds =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let mut text = [0; 24];
    time.format_into(&mut text.as_mut_slice(), milliseconds).map_err(S::Error::custom)?;
    serializer.serialize_str(str::from_utf8(&text).map_err(S::Error::custom)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record() -> Record {
        let address = SocketAddr::from(([198, 18, 0, 1], 443));
        Record {
            time: SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_123),
            kind: Kind::Exchange,
            instance: "run-1".into(),
            class: "".into(),
            generation: 1,
            connection: Some(1),
            request: Some("run-1-1".into()),
            source: address,
            destination: address,
            protocol: Protocol::Http2,
            sni: None,
            scheme: None,
            method: None,
            authority: None,
            path: None,
            decision: Some(Decision::Deny),
            rule: None,
            monitored: None,
            handlers: Used::default(),
            secrets: Vec::new(),
            stray: None,
            scrubbed: Vec::new(),
            status: Some(403),
            bytes_from_workload: 0,
            bytes_to_workload: 0,
            milliseconds: 0,
            upstream: None,
            error: Some("host_denied"),
            log: Vec::new(),
            log_dropped: 0,
            began: Instant::now(),
        }
    }

    #[test]
    fn one_line() {
        assert_eq!(
            serde_json::to_string(&record()).unwrap(),
            r#"{"time":"2023-11-14T22:13:20.123Z","kind":"exchange","instance":"run-1","generation":1,"connection":1,"request":"run-1-1","source":"198.18.0.1:443","destination":"198.18.0.1:443","protocol":"h2","decision":"deny","status":403,"bytesFromWorkload":0,"bytesToWorkload":0,"milliseconds":0,"error":"host_denied"}"#
        );
    }

    proptest! {
        #[test]
        fn whatever_it_holds_it_is_one_line_of_json(path in any::<String>(), method in any::<String>()) {
            let mut record = record();
            record.set_path(&path);
            record.method = Some(method.clone());
            let line = serde_json::to_string(&record).unwrap();
            prop_assert!(!line.contains('\n'));
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(value["method"].as_str(), Some(method.as_str()));
            let kept = value["path"].as_str().unwrap();
            prop_assert!(path.starts_with(kept) && kept.len() <= MAX_PATH && kept.len() + 4 > MAX_PATH.min(path.len()));
        }
    }
}
