//! Documents and their rules, spelled. Receives typed values, hands on JSON: what is printed here and read again is the same, so that
//! what was set at run time can be kept and put back. Origins are not printed: where a rule stood says nothing of what it does.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use super::{
    Answer, AwsSource, BasicSource, Compat, ComponentSource, Dns, Document, Enforcement, Entry,
    HandlerSource, InjectSource, OnError, RateLimit, ResolveEntry, ResolveTarget, Route, SignSource,
    StoreSource, Template, Upgrade, UpstreamTls, WasmSource,
};
use crate::Condition;

/// Rules by pattern, as `outboundByHost` spells them, in their order, which a map of JSON values would not keep. Rules with one
/// pattern stand together.
pub(crate) fn routes_to_json(routes: &[Route]) -> String {
    let together = routes.chunk_by(|one, other| one.entry.pattern == other.entry.pattern);
    object(together.filter_map(|rules| {
        let pattern = rules.first()?.entry.pattern.to_string();
        Some((pattern, rules.iter().map(Route::to_json).collect::<Value>()))
    }))
}

impl Entry {
    /// As a document spells it.
    pub fn to_json(&self) -> Value {
        let Self { pattern, condition, name, answer, enforcement, origin: _ } = self;
        let mut keys = Map::new();
        condition.print(&mut keys);
        keys.extend(name.as_ref().map(|name| ("name".into(), json!(**name))));
        keys.extend(answer.as_ref().map(|answer| ("answer".into(), answer.to_json())));
        if *enforcement == Enforcement::Monitor {
            keys.insert("monitor".into(), json!(true));
        }
        if keys.is_empty() {
            return json!(pattern.to_string());
        }
        keys.insert("host".into(), json!(pattern.to_string()));
        Value::Object(keys)
    }
}

impl Route {
    /// As a document spells it, without the pattern.
    pub fn to_json(&self) -> Value {
        let mut keys = Map::new();
        keys.insert("handlers".into(), json!(self.handlers));
        keys.extend(self.params.as_ref().map(|params| ("params".into(), params.clone())));
        self.entry.condition.print(&mut keys);
        keys.extend(self.entry.name.as_ref().map(|name| ("name".into(), json!(**name))));
        if self.upgrade == Upgrade::Https {
            keys.insert("upgrade".into(), json!("https"));
        }
        Value::Object(keys)
    }
}

impl Condition {
    fn print(&self, keys: &mut Map<String, Value>) {
        if !self.methods.is_empty() {
            keys.insert("methods".into(), json!(self.methods));
        }
        if !self.paths.is_empty() {
            keys.insert("paths".into(), self.paths.iter().map(|path| path.as_str()).collect());
        }
    }
}

impl Answer {
    /// As a document spells it.
    pub fn to_json(&self) -> Value {
        let headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({ "status": self.status, "headers": headers, "body": self.body })
    }
}

impl Document {
    /// The whole as one document, what presets and other parts say included. Read again, it is the same but for the places of its
    /// rules. Where parts have another `compat` than the whole, their `*` are printed as the whole would read them.
    ///
    /// Text, because the order of patterns under `outboundByHost` counts for `compat: cloudflare`.
    pub fn to_json(&self) -> String {
        let mut keys: Vec<(&str, String)> = Vec::new();
        let mut say = |key, value: Option<String>| keys.extend(value.map(|value| (key, value)));
        let list = |entries: &[Entry]| entries.iter().map(Entry::to_json).collect::<Value>().to_string();
        let some_list = |entries: &[Entry]| (!entries.is_empty()).then(|| list(entries));
        let cloudflare = self.compat == Compat::Cloudflare;
        say("compat", cloudflare.then(|| "\"cloudflare\"".to_owned()));
        say("enableInternet", (self.enable_internet != cloudflare).then(|| self.enable_internet.to_string()));
        say("monitor", (self.enforcement == Enforcement::Monitor).then(|| "true".to_owned()));
        say("answer", self.answer.as_ref().map(|answer| answer.to_json().to_string()));
        say("deniedHosts", some_list(&self.denied_hosts));
        say("allowedHosts", self.allowed_hosts.as_deref().map(list));
        say("raw", some_list(&self.raw));
        say("passthrough", some_list(&self.passthrough));
        say("outboundByHost", some(routes_to_json(&self.outbound_by_host)));
        let outbound = || self.outbound.iter().map(Route::to_json).collect::<Value>().to_string();
        say("outbound", (!self.outbound.is_empty()).then(outbound));
        say("handlers", some(object(self.handlers.iter().map(|(name, handler)| (name, handler.to_json())))));
        say("tail", (!self.tail.is_empty()).then(|| json!(self.tail).to_string()));
        say("stores", some(object(self.stores.iter().map(|(name, store)| (name, store.to_json())))));
        say("secrets", some(object(self.secrets.iter().map(|(name, secret)| (name, secret.to_json())))));
        say("resolve", some(object(self.resolve.iter().map(ResolveEntry::print))));
        say("dns", (self.dns != Dns::default()).then(|| self.dns.to_json().to_string()));
        say(
            "upstreamRoots",
            (!self.upstream_roots.is_empty()).then(|| json!(self.upstream_roots).to_string()),
        );
        let upstream_tls =
            || self.upstream_tls.iter().map(UpstreamTls::to_json).collect::<Value>().to_string();
        say("upstreamTls", (!self.upstream_tls.is_empty()).then(upstream_tls));
        say("limits", some(object(self.limits.changed().map(|(name, number)| (name, json!(number))))));
        object(keys)
    }
}

/// A JSON object in the order of its keys. Characters that may stand in JSON but not in YAML (YAML 1.2, 5.1), as which it is read
/// again, are escaped.
pub(crate) fn object<K: AsRef<str>, V: ToString>(keys: impl IntoIterator<Item = (K, V)>) -> String {
    let key = |(key, value): (K, V)| format!("{}:{}", json!(key.as_ref()), value.to_string());
    let text = format!("{{{}}}", keys.into_iter().map(key).collect::<Vec<_>>().join(","));
    if !text.contains(unprintable) {
        return text;
    }
    let escape = |char: char| match unprintable(char) {
        true => format!("\\u{:04x}", u32::from(char)),
        false => char.into(),
    };
    text.chars().map(escape).collect()
}

fn unprintable(char: char) -> bool {
    matches!(char, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
}

fn some(object: String) -> Option<String> {
    (object != "{}").then_some(object)
}

impl HandlerSource {
    /// As a document spells it.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Inject(inject) => inject.to_json(),
            Self::Sign(sign) => json!({ "sign": sign.to_json() }),
            Self::Deny { status, reason: None } => json!({ "deny": { "status": status } }),
            Self::Deny { status, reason } => json!({ "deny": { "status": status, "reason": reason } }),
            Self::Respond { status, headers, body } => {
                let headers: Map<_, _> =
                    headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                json!({ "respond": { "status": status, "headers": headers, "body": body } })
            }
            Self::Wasm(wasm) => wasm.to_json(),
        }
    }
}

impl InjectSource {
    /// `bearer` is a header like any other here.
    fn to_json(&self) -> Value {
        let Self { headers, basic, query } = self;
        let map = |list: &[(String, Template)]| {
            list.iter().map(|(name, value)| (name.clone(), json!(value.to_string()))).collect::<Map<_, _>>()
        };
        let mut keys = Map::new();
        if !headers.is_empty() || (basic.is_none() && query.is_empty()) {
            keys.insert("inject".into(), map(headers).into());
        }
        if let Some(BasicSource { username, password }) = basic {
            let basic = json!({ "username": username.to_string(), "password": password.to_string() });
            keys.insert("basic".into(), basic);
        }
        if !query.is_empty() {
            keys.insert("query".into(), map(query).into());
        }
        Value::Object(keys)
    }
}

impl SignSource {
    fn to_json(&self) -> Value {
        let mut keys = Map::new();
        let mut say = |key: &str, value: Value| drop(keys.insert(key.to_owned(), value));
        let kind = match self {
            Self::Aws(AwsSource { access_key_id, secret_access_key, session_token, region, service }) => {
                say("accessKeyId", json!(access_key_id));
                say("secretAccessKey", json!(secret_access_key));
                session_token.iter().for_each(|name| say("sessionToken", json!(name)));
                region.iter().for_each(|name| say("region", json!(name)));
                service.iter().for_each(|name| say("service", json!(name)));
                "aws"
            }
            Self::Hmac(hmac) => {
                let over: Vec<&str> = hmac.over.iter().map(|part| part.as_str()).collect();
                say("secret", json!(hmac.secret));
                say("header", json!(hmac.header));
                say("algorithm", json!(hmac.algorithm.as_str()));
                say("encoding", json!(hmac.encoding.as_str()));
                say("prefix", json!(hmac.prefix));
                hmac.timestamp_header.iter().for_each(|name| say("timestampHeader", json!(name)));
                say("over", json!(over));
                say("separator", json!(hmac.separator));
                "hmac"
            }
        };
        json!({ kind: keys })
    }
}

impl WasmSource {
    fn to_json(&self) -> Value {
        let Self { component, version, secrets, params, config, keyvalue, state, blobstore, .. } = self;
        let Self { rate_limits, fetch, calls, on_error, .. } = self;
        let mut keys = component.to_json();
        let mut say = |key: &str, value: Value, is_said: bool| {
            if is_said {
                keys.insert(key.to_owned(), value);
            }
        };
        say("version", json!(version), version.is_some());
        say("secrets", json!(secrets), !secrets.is_empty());
        say("params", params.clone(), !params.is_null());
        let maps = [("config", config), ("keyvalue", keyvalue), ("state", state), ("blobstore", blobstore)];
        maps.into_iter().for_each(|(key, map)| say(key, json!(map), !map.is_empty()));
        let limit = |(name, limit): (&String, &RateLimit)| {
            (name.clone(), json!({ "limit": limit.limit, "periodMs": limit.period_ms }))
        };
        let limits: Map<String, Value> = rate_limits.iter().map(limit).collect();
        say("rateLimits", limits.into(), !rate_limits.is_empty());
        say("fetch", fetch.iter().map(Entry::to_json).collect(), !fetch.is_empty());
        say("calls", json!(calls), calls.is_some());
        say("onError", json!("pass"), *on_error == OnError::Pass);
        Value::Object(keys)
    }
}

impl ComponentSource {
    /// As a handler spells it.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let mut keys = Map::new();
        keys.insert("wasm".into(), json!(self.wasm()));
        if let Self::Path { sha256: Some(hash), .. } = self {
            keys.insert("sha256".into(), json!(hash.to_string()));
        }
        keys
    }
}

impl StoreSource {
    fn to_json(&self) -> Value {
        let mut keys = Map::new();
        let mut say = |key: &str, value: &str| drop(keys.insert(key.to_owned(), json!(value)));
        let kind = match self {
            Self::Memory => return json!({ "memory": {} }),
            Self::File(path) => return json!({ "file": path.to_string_lossy() }),
            Self::Folder(path) => return json!({ "folder": path.to_string_lossy() }),
            Self::Redis { url, username, password, prefix } => {
                say("url", url);
                username.iter().for_each(|name| say("username", name));
                password.iter().for_each(|name| say("password", name));
                say("prefix", prefix);
                "redis"
            }
            Self::S3 { bucket, endpoint, region, access_key_id, secret_access_key, prefix } => {
                say("bucket", bucket);
                endpoint.iter().for_each(|url| say("endpoint", url));
                say("region", region);
                say("accessKeyId", access_key_id);
                say("secretAccessKey", secret_access_key);
                say("prefix", prefix);
                "s3"
            }
        };
        json!({ kind: keys })
    }
}

impl ResolveEntry {
    fn print(&self) -> (String, Value) {
        let target = |to: &ResolveTarget| match to.port {
            Some(port) => SocketAddr::new(to.address, port).to_string(),
            None => to.address.to_string(),
        };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        (format!("{}{port}", self.host), self.to.iter().map(target).collect())
    }
}

impl Dns {
    fn to_json(&self) -> Value {
        let types: Vec<&str> = self.types.iter().map(|kind| kind.as_str()).collect();
        json!({ "servers": self.servers, "types": types })
    }
}

#[cfg(test)]
mod tests;
