//! The verbs that change what is in force at run time, with Cloudflare's names in kebab case. Receives words, hands on the verb and the
//! body that the admin API takes: what the words mean is judged there.

use clap::{Args, Subcommand};
use policy::Verb;
use serde_json::{Map, Value, json};

use super::{Target, Which};

/// Verbs about what is set at run time.
#[derive(Debug, Subcommand)]
pub enum OverrideVerb {
    /// Print what is set, as JSON
    Show(Which),
    /// Handlers for every host that has none of its own; they go before those of the document
    SetOutboundHandler {
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group has no text of its own")]
        served: Served,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group has no text of its own")]
        target: Target,
    },
    /// The document's handlers again, for every host that has none of its own
    RemoveOutboundHandler(Target),
    /// Handlers for the hosts of one pattern; they go before those of the document, whatever the pattern
    SetOutboundByHost {
        /// The pattern
        host: String,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group has no text of its own")]
        served: Served,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group has no text of its own")]
        target: Target,
    },
    /// Handlers for the hosts of these patterns, and for no others
    SetOutboundByHosts {
        /// As `outboundByHost` of a document, in JSON
        #[arg(value_parser = json)]
        hosts: Value,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group has no text of its own")]
        target: Target,
    },
    /// The document's handlers again, for the hosts of one pattern
    RemoveOutboundByHost(Host),
    /// Only these hosts are allowed; none, if none is named
    SetAllowedHosts(Hosts),
    /// Only these hosts are denied; none, if none is named
    SetDeniedHosts(Hosts),
    /// Allow one more host. Where there was no list of allowed hosts, it is the only one from then on
    AllowHost(Host),
    /// Deny one more host
    DenyHost(Host),
    /// Allow a host no more. The list that is left refuses all else, also when it is empty
    RemoveAllowedHost(Host),
    /// Deny a host no more
    RemoveDeniedHost(Host),
    /// Run another component for a handler of the document; all else about the handler stays
    SetHandler {
        /// The handler
        name: String,
        /// A file, or `sha256:` and the hash of a component that was loaded before
        #[arg(value_parser = component)]
        wasm: String,
        /// What the SHA-256 of the file must be
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group has no text of its own")]
        target: Target,
    },
    /// The document's component again, for one handler
    ResetHandler {
        /// The handler
        name: String,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group has no text of its own")]
        target: Target,
    },
    /// Take back all that was set: the document alone is in force
    Clear(Target),
}

/// One rule.
#[derive(Args, Debug)]
pub struct Host {
    /// A pattern, or as an entry of a document in JSON: {"host": …, "methods": […]}
    #[arg(value_name = "HOST", value_parser = rule)]
    host: Value,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has no text of its own")]
    target: Target,
}

/// Any number of rules.
#[derive(Args, Debug)]
pub struct Hosts {
    /// Patterns, or entries of a document in JSON
    #[arg(value_name = "HOST", value_parser = rule)]
    hosts: Vec<Value>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has no text of its own")]
    target: Target,
}

/// Handlers, and for what.
#[derive(Args, Debug)]
pub struct Served {
    /// Handlers of the document, in their order
    #[arg(required = true, value_name = "HANDLER")]
    handlers: Vec<String>,
    /// What WebAssembly handlers among them are handed as their parameters
    #[arg(long, value_name = "JSON", value_parser = json)]
    params: Option<Value>,
    /// Only for this method; may be given several times
    #[arg(long = "method", value_name = "METHOD")]
    methods: Vec<String>,
    /// Only for this path, or those below it if it ends in `/*`; may be given several times
    #[arg(long = "path", value_name = "PATH")]
    paths: Vec<String>,
    /// What the rule is called
    #[arg(long)]
    name: Option<String>,
}

impl Served {
    fn body(self) -> Map<String, Value> {
        let Self { handlers, params, methods, paths, name } = self;
        let list = |list: Vec<String>| (!list.is_empty()).then(|| json!(list));
        let keys = [
            ("handlers", Some(json!(handlers))),
            ("params", params),
            ("methods", list(methods)),
            ("paths", list(paths)),
            ("name", name.map(Value::from)),
        ];
        keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

/// A change, for the admin API.
#[derive(Debug)]
pub struct Asked {
    /// What.
    pub verb: Verb,
    /// With which body.
    pub body: Value,
    /// Where.
    pub target: Target,
}

impl OverrideVerb {
    /// The change that it asks for. `Err`: none, it only wants to see.
    pub fn asked(self) -> Result<Asked, Which> {
        let of_host = |verb, Host { host, target }: Host| (verb, json!({ "host": host }), target);
        let of_hosts = |verb, Hosts { hosts, target }: Hosts| (verb, json!({ "hosts": hosts }), target);
        let (verb, body, target) = match self {
            Self::Show(which) => return Err(which),
            Self::SetOutboundHandler { served, target } => {
                (Verb::SetOutboundHandler, Value::Object(served.body()), target)
            }
            Self::RemoveOutboundHandler(target) => (Verb::RemoveOutboundHandler, json!({}), target),
            Self::SetOutboundByHost { host, served, target } => {
                let mut body = served.body();
                body.insert("host".into(), host.into());
                (Verb::SetOutboundByHost, Value::Object(body), target)
            }
            Self::SetOutboundByHosts { hosts, target } => {
                (Verb::SetOutboundByHosts, json!({ "hosts": hosts }), target)
            }
            Self::RemoveOutboundByHost(host) => of_host(Verb::RemoveOutboundByHost, host),
            Self::SetAllowedHosts(hosts) => of_hosts(Verb::SetAllowedHosts, hosts),
            Self::SetDeniedHosts(hosts) => of_hosts(Verb::SetDeniedHosts, hosts),
            Self::AllowHost(host) => of_host(Verb::AllowHost, host),
            Self::DenyHost(host) => of_host(Verb::DenyHost, host),
            Self::RemoveAllowedHost(host) => of_host(Verb::RemoveAllowedHost, host),
            Self::RemoveDeniedHost(host) => of_host(Verb::RemoveDeniedHost, host),
            Self::SetHandler { name, wasm, sha256, target } => {
                let mut body = json!({ "name": name, "wasm": wasm });
                if let (Some(body), Some(sha256)) = (body.as_object_mut(), sha256) {
                    body.insert("sha256".into(), sha256.into());
                }
                (Verb::SetHandler, body, target)
            }
            Self::ResetHandler { name, target } => (Verb::ResetHandler, json!({ "name": name }), target),
            Self::Clear(target) => (Verb::Clear, json!({}), target),
        };
        Ok(Asked { verb, body, target })
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The proxy has a folder of its own, where a relative path would lead elsewhere.
fn component(text: &str) -> Result<String, String> {
    if text.starts_with("sha256:") {
        return Ok(text.to_owned());
    }
    let path = std::path::absolute(text).map_err(|error| error.to_string())?;
    path.into_os_string().into_string().map_err(|_| "the path is not UTF-8".to_owned())
}

/// No pattern begins with a brace.
fn rule(text: &str) -> Result<Value, String> {
    if text.starts_with('{') { json(text) } else { Ok(text.into()) }
}
