//! The other side of the admin API: the verbs that speak to a running instance. Finds the instance's socket, asks, and hands on the
//! text to print; a document that is refused is a verdict and not a failure.

pub mod overrides;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, StatusCode, header, request::Builder};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use policy::Overrides;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::read_policy,
    cli::{CaVerb, Format, Which},
    config::{Document, Part},
    environment,
    instance::Given,
    state::StateDir,
};

/// A document that is refused.
const FAULTY: u8 = 2;
/// Another generation is in force than the one that a change was meant for.
const OUTDATED: u8 = 3;

/// Why a document is not in force, or would not be.
pub enum Refusal {
    /// What is wrong with it.
    Faulty(String),
    /// Which generation is in force.
    Outdated(String),
}

/// Puts the documents in `files` in force, if `expected` or any generation is in force.
pub fn apply(
    files: &[PathBuf],
    expected: Option<u64>,
    which: &Which,
) -> anyhow::Result<Result<String, Refusal>> {
    let mut parts = read_policy(files)?;
    let only = if parts.len() == 1 { parts.pop() } else { None };
    let (request, text) = match only {
        Some(Part { base, text, .. }) => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            let query = query.append_pair("base", &base.to_string_lossy()).finish();
            (Request::put(format!("/v1/policy?{query}")), text)
        }
        None => (Request::put("/v1/policy/parts"), json!({ "parts": parts }).to_string()),
    };
    let (status, body) = ask(&find(which)?, expecting(request, expected), text)?;
    if status == StatusCode::OK {
        warn(files, &body);
        return Ok(Ok(generation(&body)?));
    }
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    let detail = problem.get("detail").and_then(Value::as_str).unwrap_or("it was refused");
    if status == StatusCode::PRECONDITION_FAILED {
        return Ok(Err(Refusal::Outdated(detail.to_owned())));
    }
    let separator = if problem.get("line").is_some() { ":" } else { ": " };
    let all = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    let source = problem.get("source").and_then(Value::as_str).unwrap_or(&all);
    Ok(Err(Refusal::Faulty(format!("{source}{separator}{detail}"))))
}

/// Says what is odd in documents that are in force.
fn warn(files: &[PathBuf], body: &[u8]) {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let file = files.first().map(|file| file.display().to_string()).unwrap_or_default();
    for warning in answer.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        let text = |key| warning.get(key).and_then(Value::as_str);
        let line = warning.get("line").and_then(Value::as_u64).map(|line| format!(":{line}"));
        let cure = text("suggestion").map(|cure| format!("; {cure}")).unwrap_or_default();
        let (source, message) = (text("source").unwrap_or(&file), text("message").unwrap_or_default());
        eprintln!("{source}{}: warning: {message}{cure}", line.unwrap_or_default());
    }
}

/// Which generation an answer says is in force.
fn generation(body: &[u8]) -> anyhow::Result<String> {
    let answer: Value = serde_json::from_slice(body)?;
    let unchanged = if answer.get("changed") == Some(&Value::Bool(false)) { " (unchanged)" } else { "" };
    Ok(format!("generation {}{unchanged}", answer.get("generation").unwrap_or(&Value::Null)))
}

fn expecting(request: Builder, generation: Option<u64>) -> Builder {
    match generation {
        Some(generation) => request.header(header::IF_MATCH, format!("\"{generation}\"")),
        None => request,
    }
}

/// Reads a resource as text.
pub fn show(path: &str, which: &Which) -> anyhow::Result<String> {
    let (status, body) = ask(&find(which)?, Request::get(path), String::new())?;
    let text = String::from_utf8(body.into())?;
    if status != StatusCode::OK {
        bail!("the instance answered {status}: {text}");
    }
    Ok(text)
}

/// What a running instance has in force: its document, and what was set at run time.
pub fn in_force(which: &Which) -> anyhow::Result<(Document, Overrides)> {
    #[derive(Deserialize)]
    struct Parts {
        parts: Vec<Part>,
    }
    let Parts { parts } = serde_json::from_str(&show("/v1/policy/parts", which)?)?;
    let document = Document::merge(parts)?;
    let overrides = Overrides::parse(&show("/v1/overrides", which)?, document.parsed())?;
    Ok((document, overrides))
}

/// How an instance does, as JSON or as metrics.
pub fn status(metrics: bool, which: &Which) -> anyhow::Result<String> {
    show(if metrics { "/v1/metrics" } else { "/v1/status" }, which)
}

/// What a workload is to be given in the place of secrets, as JSON or as lines for its environment.
pub fn placeholders(json: bool, which: &Which) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Answer {
        placeholders: Vec<Given>,
    }
    let text = show("/v1/placeholders", which)?;
    if json {
        return Ok(text);
    }
    let Answer { placeholders } = serde_json::from_str(&text)?;
    let line = |given: Given| given.env.map(|name| format!("{name}={}\n", given.value));
    Ok(placeholders.into_iter().filter_map(line).collect())
}

/// Prints what a verb about the CA asks for; DER is not text.
pub fn ca(verb: &CaVerb) -> anyhow::Result<()> {
    let printed = match verb {
        CaVerb::Export { bundle: true, which, .. } => show("/v1/ca/bundle", which)?.into_bytes(),
        CaVerb::Export { format: Format::Pem, which, .. } => show("/v1/ca", which)?.into_bytes(),
        CaVerb::Export { format: Format::Der, which, .. } => {
            let certificate = CertificateDer::from_pem_slice(show("/v1/ca", which)?.as_bytes());
            certificate.context("the instance answered with something else than a certificate")?.to_vec()
        }
        CaVerb::Env => {
            let lines = environment::trust().map(|(name, value)| format!("{name}={value}\n"));
            lines.collect::<String>().into_bytes()
        }
    };
    Ok(std::io::stdout().write_all(&printed)?)
}

fn ask(socket: &Path, request: Builder, body: String) -> anyhow::Result<(StatusCode, Bytes)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let stream = tokio::net::UnixStream::connect(socket).await;
        let stream = stream.with_context(|| format!("no instance answers at {}", socket.display()))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = request.header(header::HOST, "localhost").body(Full::new(Bytes::from(body)))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        connection.abort();
        Ok((status, body))
    })
}

fn find(which: &Which) -> anyhow::Result<PathBuf> {
    let state = StateDir::locate(which.state.state_dir.as_deref());
    if let Some(socket) = &which.socket {
        return Ok(socket.clone());
    }
    if let Some(id) = &which.instance {
        return Ok(state.socket(id));
    }
    let mut running = state.running();
    match (running.pop(), running.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => bail!("no instance runs here (looked in {})", state.path().display()),
        (Some(last), false) => {
            running.push(last);
            let ids = running.iter().filter_map(|path| path.file_stem()).map(|id| id.to_string_lossy());
            bail!("several instances run; choose one with --instance: {}", ids.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Prints what was said of a document, and gives the exit status.
pub fn told(verdict: Result<String, Refusal>) -> u8 {
    match verdict {
        Ok(good) => {
            println!("{good}");
            0
        }
        Err(Refusal::Faulty(fault)) => {
            eprintln!("{fault}");
            FAULTY
        }
        Err(Refusal::Outdated(reason)) => {
            eprintln!("{reason}");
            OUTDATED
        }
    }
}
