//! What the host keeps for one instance, and its answers to the guest's imports.
//!
//! Receives the guest's calls of `egress:handler/*`; hands on to [`Onward`], [`Bodies`] and the log. Between two calls
//! there is nothing here but the script's own settings.

use std::sync::Arc;

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::{
    ScriptSettings,
    bindings::egress::handler::{context, http, log, secrets},
    bodies::{Bodies, Held},
    limits::Limits,
    message,
    onward::{Onward, Pending},
};
use crate::{Context, Fault, Secret};

/// Lines that one call may log.
const MAX_LOG_LINES: u32 = 100;

/// Bytes of one logged line.
const MAX_LOG_BYTES: usize = 4 << 10;

/// WASI resources of one instance: its standard streams and what it polls.
const MAX_WASI_RESOURCES: usize = 64;

/// Random bytes that a guest may ask for at once.
const MAX_RANDOM_BYTES: u64 = 64 << 10;

/// The data of one instance's store.
pub(super) struct State {
    pub(super) settings: Arc<ScriptSettings>,
    pub(super) limits: Limits,
    pub(super) bodies: Bodies,
    /// The exchange that is being served.
    pub(super) call: Option<Call>,
    wasi: WasiCtx,
    wasi_table: ResourceTable,
}

/// One exchange, as its guest sees it.
pub(super) struct Call {
    pub(super) context: Context,
    pub(super) onward: Onward,
    pub(super) lines: u32,
}

impl State {
    pub(super) fn new(settings: Arc<ScriptSettings>, limits: Limits) -> Self {
        let mut wasi_table = ResourceTable::new();
        wasi_table.set_max_capacity(MAX_WASI_RESOURCES);
        // No arguments, environment, directories or network; what is printed is thrown away.
        let wasi = WasiCtx::builder().max_random_size(MAX_RANDOM_BYTES).build();
        Self { settings, limits, bodies: Bodies::default(), call: None, wasi, wasi_table }
    }

    /// What the guest did wrong when a call of it failed with this error.
    pub(super) fn fault(&self, error: &wasmtime::Error) -> Fault {
        let trapped = || Fault::Trapped(self.settings.scrubbed(&error.root_cause().to_string()));
        self.limits.refused().cloned().unwrap_or_else(trapped)
    }

    fn start(&mut self, request: http::Request) -> Result<Pending, String> {
        let call = self.call.as_mut().ok_or("fetch outside of a call")?;
        call.onward.fetch(request, &mut self.bodies, self.settings.granted())
    }

    async fn finish(&mut self, started: Result<Pending, String>) -> Result<http::Response, String> {
        let result = started?.await;
        let call = self.call.as_mut().ok_or("fetch outside of a call")?;
        let (head, body) = call.onward.settle(result)?.into_parts();
        let body = message::payload(body, &head.headers, &mut self.bodies)?;
        Ok(http::Response { status: head.status.as_u16(), headers: message::shown(&head.headers), body })
    }
}

impl http::Host for State {
    async fn fetch(&mut self, requests: Vec<http::Request>) -> Vec<Result<http::Response, String>> {
        // All are under way before the first is waited for.
        let started: Vec<_> = requests.into_iter().map(|request| self.start(request)).collect();
        let mut responses = Vec::with_capacity(started.len());
        for fetch in started {
            responses.push(self.finish(fetch).await);
        }
        responses
    }
}

impl http::HostBody for State {
    async fn read(&mut self, body: Resource<Held>, max: u32) -> Result<Vec<u8>, String> {
        self.bodies.read(body.rep(), max).await
    }

    fn drop(&mut self, body: Resource<Held>) -> wasmtime::Result<()> {
        self.bodies.forget(body.rep());
        Ok(())
    }
}

impl context::Host for State {
    fn current(&mut self) -> context::Info {
        let context = self.call.as_ref().map(|call| &call.context);
        let text =
            |field: fn(&Context) -> &Arc<str>| context.map_or_else(String::new, |it| field(it).to_string());
        context::Info {
            container_id: text(|it| &it.instance),
            class_name: text(|it| &it.class),
            handler_name: self.settings.name.to_string(),
            matched: text(|it| &it.matched),
            params: self.settings.params.to_string(),
            request_id: text(|it| &it.request_id),
        }
    }
}

impl secrets::Host for State {
    fn get(&mut self, name: String) -> Option<String> {
        self.settings.secrets.get(&name).map(|secret| secret.expose().to_owned())
    }
}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) {
        let Some(call) = self.call.as_mut() else { return };
        call.lines = call.lines.saturating_add(1);
        if call.lines > MAX_LOG_LINES {
            return;
        }
        let (handler, request) = (&*self.settings.name, &*call.context.request_id);
        let text = self.settings.scrubbed(&message);
        match level {
            log::Level::Debug => tracing::debug!(handler, request, text),
            log::Level::Info => tracing::info!(handler, request, text),
            log::Level::Warn => tracing::warn!(handler, request, text),
            log::Level::Error => tracing::error!(handler, request, text),
        }
    }
}

impl ScriptSettings {
    /// The values of the secrets that the guest was granted.
    pub(super) fn granted(&self) -> impl Iterator<Item = &Secret> + Clone {
        self.secrets.values().map(AsRef::as_ref)
    }

    /// A guest's text as it may be logged: cut, on one line, and without the secrets that it was granted.
    pub(super) fn scrubbed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, secret) in self.secrets.iter().filter(|(_, secret)| !secret.expose().is_empty()) {
            text = text.replace(secret.expose(), &format!("[secret {name}]"));
        }
        text.truncate(text.floor_char_boundary(MAX_LOG_BYTES));
        text.replace(char::is_control, " ")
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.wasi_table }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ScriptLimits;

    #[test]
    fn a_guests_text_is_cut_kept_on_one_line_and_without_secrets() {
        let secrets = [("EMPTY", ""), ("TOKEN", "SEKRIT")];
        let secrets = secrets.map(|(name, value)| (name.to_owned(), Arc::new(Secret::new(value.to_owned()))));
        let settings = ScriptSettings {
            name: "guest".into(),
            params: serde_json::Value::Null,
            secrets: BTreeMap::from(secrets),
            limits: ScriptLimits::default(),
        };
        let long = "\u{20ac}".repeat(MAX_LOG_BYTES);
        let cases = [
            ("plain", "plain"),
            ("a SEKRIT and SEKRIT", "a [secret TOKEN] and [secret TOKEN]"),
            ("one\r\ntwo\u{1b}[31m\0", "one  two [31m "),
            (&long, &long[..MAX_LOG_BYTES / 3 * 3]),
        ];
        for (text, expected) in cases {
            assert_eq!(settings.scrubbed(text), expected, "{text:.20}");
        }
    }
}
