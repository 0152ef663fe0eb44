//! Secrets in HashiCorp Vault or OpenBao. Receives a path, hands on all fields of what is there: of the key-value engine, in both of
//! its versions, or of an engine that makes credentials for a time. Such a lease is renewed before its end for as long as the server
//! lets it, so that the credentials stay the same; then others are made. The proxy logs in when it has no token that is good.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use handlers::Secret;
use http::{Method, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value as Json, json};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    file,
    http::{Answer, Http, sensitive, taken},
    oauth::value,
    slot::Slot,
    value::{Reading, Value, good},
    visible::Visible,
};

/// What has no lease is read again after this long.
const UNTOLD: Duration = Duration::from_secs(300);

/// A path of a server.
pub(super) struct Vault {
    pub(super) http: Http,
    pub(super) address: String,
    pub(super) namespace: Option<String>,
    /// Behind `/v1/`.
    pub(super) path: String,
    pub(super) auth: Auth,
    /// What was read is good for no longer than this.
    pub(super) most: Option<Duration>,
    pub(super) kept: Mutex<Kept>,
}

/// How the proxy proves who it is.
pub(super) enum Auth {
    Token(Arc<Slot>),
    AppRole { role_id: String, secret_id: Arc<Slot> },
    Kubernetes { role: String, jwt: PathBuf, visible: Visible },
}

/// What one reading leaves for the next.
#[derive(Default)]
pub(super) struct Kept {
    token: Option<Token>,
    lease: Option<Lease>,
}

/// That the proxy is logged in.
struct Token {
    secret: Arc<Secret>,
    /// When another one is asked for, which is before its end; a token may have none.
    until: Option<Instant>,
}

/// Values that were made for a time.
struct Lease {
    id: String,
    values: Vec<(String, Value)>,
    /// For how long they were made; what is renewed for much less is about to end for good.
    lasts: Duration,
}

impl Vault {
    pub(super) async fn read(&self) -> Result<Reading, String> {
        if let Some(reading) = self.renewed().await {
            return Ok(reading);
        }
        let answer = self.ask(Method::GET, &self.path, None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(format!("the server has nothing at {}", self.path));
        }
        let mut json = answer.success()?;
        let lease = json.get("lease_id").and_then(Json::as_str).unwrap_or_default().to_owned();
        let renewable = json.get("renewable").and_then(Json::as_bool).unwrap_or_default();
        let lasts = json.get("lease_duration").and_then(Json::as_u64).map(Duration::from_secs);
        let values = values(&mut json).ok_or("the server's answer has no data")?;
        // Without a lease, its duration is a hint of the first version's, of a month.
        let lasts = lasts.filter(|lasts| !lease.is_empty() && !lasts.is_zero()).unwrap_or(UNTOLD);
        let kept =
            (renewable && !lease.is_empty()).then(|| Lease { id: lease, values: values.clone(), lasts });
        self.kept().lease = kept;
        Ok(self.reading(values, lasts))
    }

    fn reading(&self, values: Vec<(String, Value)>, lasts: Duration) -> Reading {
        Reading { values, lasts: self.most.map_or(lasts, |most| most.min(lasts)) }
    }

    /// The values that are there already, if their time is made longer.
    async fn renewed(&self) -> Option<Reading> {
        let lease = self.kept().lease.take()?;
        let wanted = json!({ "lease_id": lease.id, "increment": lease.lasts.as_secs() });
        let json = self.ask(Method::PUT, "sys/leases/renew", Some(&wanted)).await.ok()?.success().ok()?;
        let lasts = Duration::from_secs(json.get("lease_duration")?.as_u64()?);
        if lasts < lease.lasts / 2 {
            return None;
        }
        let values = lease.values.clone();
        self.kept().lease = Some(lease);
        Some(self.reading(values, lasts))
    }

    /// Asks with a token, and once more with another if the server takes that for none.
    async fn ask(&self, method: Method, path: &str, body: Option<&Json>) -> Result<Answer, String> {
        let known =
            self.kept().token.as_ref().filter(|token| token.is_good()).map(|token| Arc::clone(&token.secret));
        let is_known = known.is_some();
        let token = match known {
            Some(token) => token,
            None => self.login().await?,
        };
        let answer = self.send(method.clone(), path, body, Some(&token)).await?;
        if answer.status != StatusCode::FORBIDDEN || !is_known {
            return Ok(answer);
        }
        let token = self.login().await?;
        self.send(method, path, body, Some(&token)).await
    }

    async fn login(&self) -> Result<Arc<Secret>, String> {
        let (method, body) = match &self.auth {
            Auth::Token(slot) => return value(slot).await,
            Auth::AppRole { role_id, secret_id } => {
                ("approle", json!({ "role_id": role_id, "secret_id": value(secret_id).await?.expose() }))
            }
            Auth::Kubernetes { role, jwt, visible } => {
                ("kubernetes", json!({ "role": role, "jwt": *file::text(jwt, visible)? }))
            }
        };
        let answer = self.send(Method::POST, &format!("auth/{method}/login"), Some(&body), None).await?;
        let mut json = answer.success().map_err(|error| format!("logging in with {method}: {error}"))?;
        let auth = json.get_mut("auth").ok_or("the server's answer to the login has no `auth`")?;
        let secret = taken(auth, "client_token").ok_or("the server's answer to the login has no token")?;
        let lasts = auth.get("lease_duration").and_then(Json::as_u64).unwrap_or_default();
        // Nothing is the duration of tokens without an end.
        let until =
            (lasts > 0).then(|| Instant::now().checked_add(Duration::from_secs(lasts) * 4 / 5)).flatten();
        let secret = Arc::new(Secret::new(secret));
        self.kept().token = Some(Token { secret: Arc::clone(&secret), until });
        Ok(secret)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
        token: Option<&Secret>,
    ) -> Result<Answer, String> {
        let mut request = Http::request(method, &format!("{}/v1/{path}", self.address));
        // The agent's protection against requests that somebody was talked into.
        request = request.header("x-vault-request", "true");
        if let Some(token) = token {
            request =
                request.header("x-vault-token", sensitive(token.expose()).ok_or("the token does not fit")?);
        }
        if let Some(namespace) = &self.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        let body = match body {
            None => Bytes::new(),
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::copy_from_slice(Zeroizing::new(body.to_string()).as_bytes())
            }
        };
        self.http.ask(request.body(Full::new(body))).await
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Token {
    fn is_good(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// The fields: of the second version of the key-value engine one level deeper, beside what it knows of them.
fn values(json: &mut Json) -> Option<Vec<(String, Value)>> {
    let data = json.get_mut("data")?.as_object_mut()?;
    if is_second_version(data) {
        // A version that was deleted has none.
        return Some(fields(data.get_mut("data")?.as_object_mut()?));
    }
    Some(fields(data))
}

fn is_second_version(data: &Map<String, Json>) -> bool {
    data.len() == 2 && data.get("metadata").is_some_and(Json::is_object) && data.contains_key("data")
}

fn fields(data: &mut Map<String, Json>) -> Vec<(String, Value)> {
    let text = |value: &mut Json| match value.take() {
        Json::String(text) => good(text),
        Json::Number(number) => good(number.to_string()),
        _ => Err("its value is no text"),
    };
    data.iter_mut().map(|(name, value)| (name.clone(), text(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_have_fields() {
        for (text, expected) in [
            (r#"{"data":{"a":"one","b":2}}"#, Some(vec!["a", "b"])),
            (r#"{"data":{"data":{"a":"one"},"metadata":{"version":1}}}"#, Some(vec!["a"])),
            // Somebody's own fields of these names.
            (r#"{"data":{"data":"one","metadata":"two"}}"#, Some(vec!["data", "metadata"])),
            (r#"{"data":{"data":null,"metadata":{"deletion_time":"then"}}}"#, None),
            (r#"{"data":null}"#, None),
            ("{}", None),
        ] {
            let mut json = serde_json::from_str(text).unwrap();
            let found = values(&mut json);
            let names = found.as_ref().map(|found| found.iter().map(|(name, _)| name.as_str()).collect());
            assert_eq!(names, expected, "{text}");
        }
    }
}
