//! What the host keeps for one instance, and its answers to the smaller imports.
//!
//! Receives the guest's questions for its context, secrets, settings, limits and log lines; the larger imports have
//! modules of their own beside this one. Between two calls there is nothing here but the script's own settings.

use std::sync::Arc;

use tokio::runtime::Handle;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::WasiHttpCtx;

use super::{
    ScriptSettings,
    answer::Answer,
    bindings::{
        egress::handler::{context, log, rate_limit, secrets, types},
        wasi::config::store as config,
    },
    bodies::Bodies,
    keyvalue::Scope,
    limits::Limits,
    onward::{Onward, Pending},
    pace::Pace,
    pipe::Sinks,
    wasi_http::Current,
};
use crate::{Context, Fault, Level, Line, Secrets};

/// Lines that one call may log.
const MAX_LOG_LINES: u32 = 100;

/// Bytes of one logged line.
const MAX_LOG_BYTES: usize = 4 << 10;

/// Bytes of one name or key that a guest asks for, as far as they are logged.
const MAX_NAME: usize = 64;

/// WASI resources of one instance: its standard streams, what it polls, and messages of `wasi:http`.
const MAX_WASI_RESOURCES: usize = 1024;

/// Random bytes that a guest may ask for at once.
const MAX_RANDOM_BYTES: u64 = 64 << 10;

/// The data of one instance's store.
pub(super) struct State {
    pub(super) settings: Arc<ScriptSettings>,
    pub(super) limits: Limits,
    pub(super) bodies: Bodies,
    pub(super) sinks: Sinks,
    /// What is being served.
    pub(super) call: Current,
    pub(super) wasi: WasiCtx,
    pub(super) table: ResourceTable,
    pub(super) http: WasiHttpCtx,
}

/// One call, as its guest sees it.
pub(super) struct Call {
    pub(super) context: Context,
    /// None for filters, which fetch nothing.
    pub(super) onward: Option<Onward>,
    /// Where the proxy's connections live.
    pub(super) runtime: Handle,
    /// What was sent and not waited for yet, by number.
    pub(super) sent: Vec<(u32, Result<Pending, String>)>,
    pub(super) next: u32,
    /// Takes the answer.
    pub(super) answer: Answer,
    /// How long the guest may take.
    pub(super) pace: Pace,
    pub(super) lines: u32,
}

impl Call {
    pub(super) fn new(context: Context, runtime: Handle, pace: Pace) -> Self {
        Self {
            context,
            onward: None,
            runtime,
            sent: Vec::new(),
            next: 0,
            answer: Answer::default(),
            pace,
            lines: 0,
        }
    }
}

impl State {
    pub(super) fn new(settings: Arc<ScriptSettings>, limits: Limits) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_WASI_RESOURCES);
        // No arguments, environment, directories or network; what is printed is thrown away.
        let wasi = WasiCtx::builder()
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(MAX_RANDOM_BYTES)
            .build();
        Self {
            settings,
            limits,
            bodies: Bodies::default(),
            sinks: Sinks::default(),
            call: Current(None),
            wasi,
            table,
            http: WasiHttpCtx::new(),
        }
    }

    /// What the guest did wrong when a call of it failed with this error.
    pub(super) fn fault(&self, error: &wasmtime::Error) -> Fault {
        let trapped = || Fault::Trapped(scrubbed(&error.root_cause().to_string(), &self.secrets()));
        self.limits.refused().cloned().unwrap_or_else(trapped)
    }

    /// Tells the operator what the guest wanted and was not granted.
    pub(super) fn lacks(&mut self, grant: &'static str, name: &str) {
        let name: String = name.chars().filter(|character| !character.is_control()).take(MAX_NAME).collect();
        self.say(
            types::Level::Warn,
            &format!("`{name}` is not granted: name it under `{grant}` of the handler"),
        );
    }

    fn say(&mut self, level: types::Level, message: &str) {
        let Some(call) = &mut self.call.0 else { return };
        call.lines = call.lines.saturating_add(1);
        if call.lines > MAX_LOG_LINES {
            return call.context.logs.drop_one();
        }
        let (handler, request) = (&*self.settings.name, &*call.context.request_id);
        let text = scrubbed(message, &call.context.secrets);
        let level = match level {
            types::Level::Debug => Level::Debug,
            types::Level::Info => Level::Info,
            types::Level::Warn => Level::Warn,
            types::Level::Error => Level::Error,
        };
        match level {
            Level::Debug => tracing::debug!(handler, request, text),
            Level::Info => tracing::info!(handler, request, text),
            Level::Warn => tracing::warn!(handler, request, text),
            Level::Error => tracing::error!(handler, request, text),
        }
        call.context.logs.write(Line { handler: self.settings.name.clone(), level, message: text });
    }
}

impl types::Host for State {}

impl context::Host for State {
    fn current(&mut self) -> context::Info {
        let Some(Call { context, .. }) = &self.call.0 else { return self.nothing() };
        context::Info {
            container_id: context.instance.to_string(),
            class_name: context.class.to_string(),
            handler_name: self.settings.name.to_string(),
            matched: context.matched.to_string(),
            params: self.settings.params.to_string(),
            request_id: context.request_id.to_string(),
            source: context.source.to_string(),
        }
    }

    fn bindings(&mut self) -> Vec<(String, context::Kind)> {
        let settings = &self.settings;
        let all = |names: &mut dyn Iterator<Item = &String>, kind| -> Vec<_> {
            names.map(|name| (name.clone(), kind)).collect()
        };
        let stores = settings.keyvalue.iter().map(|grant| match grant.scope {
            Scope::Shared => (grant.name.clone(), context::Kind::Keyvalue),
            Scope::Instance => (grant.name.clone(), context::Kind::State),
        });
        let secrets = settings.secrets.iter().map(|name| (name.to_string(), context::Kind::Secret));
        let mut bindings: Vec<_> = secrets.collect();
        bindings.extend(all(&mut settings.config.keys(), context::Kind::Config));
        bindings.extend(stores);
        bindings.extend(all(&mut settings.blobs.keys(), context::Kind::Blobstore));
        bindings.extend(all(&mut settings.rate_limits.keys(), context::Kind::RateLimit));
        bindings
    }
}

impl State {
    /// What a guest hears between two calls.
    fn nothing(&self) -> context::Info {
        context::Info {
            container_id: String::new(),
            class_name: String::new(),
            handler_name: self.settings.name.to_string(),
            matched: String::new(),
            params: self.settings.params.to_string(),
            request_id: String::new(),
            source: String::new(),
        }
    }
}

impl secrets::Host for State {
    fn get(&mut self, name: String) -> Option<String> {
        if !self.settings.secrets.contains(&*name) {
            return None;
        }
        let value = self.secrets().get(&name).map(|secret| secret.expose().to_owned());
        if value.is_none() {
            self.say(types::Level::Warn, &format!("secret `{name}` is not for this request"));
        }
        value
    }
}

impl config::Host for State {
    fn get(&mut self, key: String) -> Result<Option<String>, config::Error> {
        Ok(self.settings.config.get(&key).cloned())
    }

    fn get_all(&mut self) -> Result<Vec<(String, String)>, config::Error> {
        Ok(self.settings.config.clone().into_iter().collect())
    }
}

impl rate_limit::Host for State {
    fn limit(&mut self, name: String, key: String) -> Result<bool, String> {
        let Some(limit) = self.settings.rate_limits.get(&name) else {
            self.lacks("rateLimits", &name);
            return Err(format!("no limit `{name}` is granted"));
        };
        Ok(limit.allow(&key))
    }
}

impl log::Host for State {
    fn write(&mut self, level: types::Level, message: String) {
        self.say(level, &message);
    }
}

impl State {
    /// The secrets of the exchange that is served. The guest may read those that its settings name; it may have seen others, in
    /// headers that handlers before it have set.
    pub(super) fn secrets(&self) -> Secrets {
        self.call.0.as_ref().map(|call| call.context.secrets.clone()).unwrap_or_default()
    }
}

/// A guest's text as it may be logged: cut, on one line, and without the secrets of its exchange.
pub(super) fn scrubbed(text: &str, secrets: &Secrets) -> String {
    let mut text = text.to_owned();
    for (name, secret) in secrets.iter().filter(|(_, secret)| !secret.expose().is_empty()) {
        text = text.replace(secret.expose(), &format!("[secret {name}]"));
    }
    text.truncate(text.floor_char_boundary(MAX_LOG_BYTES));
    text.replace(char::is_control, " ")
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    #[test]
    fn a_guests_text_is_cut_kept_on_one_line_and_without_secrets() {
        let secrets = [("EMPTY", ""), ("TOKEN", "SEKRIT")];
        let secrets = secrets.map(|(name, value)| (name.into(), Arc::new(Secret::new(value.to_owned()))));
        let secrets = Secrets::from_iter(secrets);
        let long = "\u{20ac}".repeat(MAX_LOG_BYTES);
        let cases = [
            ("plain", "plain"),
            ("a SEKRIT and SEKRIT", "a [secret TOKEN] and [secret TOKEN]"),
            ("one\r\ntwo\u{1b}[31m\0", "one  two [31m "),
            (&long, &long[..MAX_LOG_BYTES / 3 * 3]),
        ];
        for (text, expected) in cases {
            assert_eq!(scrubbed(text, &secrets), expected, "{text:.20}");
        }
    }
}
