//! The verbs of `override`, on the way to the instances that are meant: one, or all that run. Each is told by itself; what one refuses
//! does not keep another from it. Hands on the exit status: the worst of them.

use std::path::Path;

use http::{Request, StatusCode, header};
use serde_json::Value;

use super::{Refusal, ask, expecting, find, generation, told};
use crate::{
    cli::{Asked, Target},
    state::StateDir,
};

/// An instance that could not be asked.
const FAILED: u8 = 125;

/// Makes the change wherever it is meant to be made.
pub fn change(asked: &Asked) -> anyhow::Result<u8> {
    let Target { all, which, .. } = &asked.target;
    if !*all {
        return Ok(told(change_one(asked, &find(which)?)?));
    }
    let state = StateDir::locate(which.state.state_dir.as_deref());
    let running = state.running();
    anyhow::ensure!(!running.is_empty(), "no instance runs here (looked in {})", state.path().display());
    let mut worst = 0;
    for socket in running {
        let id = socket.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let code = match change_one(asked, &socket) {
            Ok(verdict) => {
                told(verdict.map(|text| format!("{id}: {text}")).map_err(|refusal| refusal.of(&id)))
            }
            Err(error) => {
                eprintln!("{id}: {error:#}");
                FAILED
            }
        };
        worst = worst.max(code);
    }
    Ok(worst)
}

fn change_one(asked: &Asked, socket: &Path) -> anyhow::Result<Result<String, Refusal>> {
    let request = Request::post(format!("/v1/{}", asked.verb.as_str()));
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let (status, body) = ask(socket, expecting(request, asked.target.if_generation), asked.body.to_string())?;
    if status == StatusCode::OK {
        return Ok(Ok(generation(&body)?));
    }
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    let detail = problem.get("detail").and_then(Value::as_str).unwrap_or("it was refused");
    // The place is one in a text that nobody wrote.
    let place =
        problem.get("line").zip(problem.get("column")).map(|(line, column)| format!("{line}:{column}: "));
    let detail = place.and_then(|place| detail.strip_prefix(&place)).unwrap_or(detail).to_owned();
    Ok(Err(match status {
        StatusCode::PRECONDITION_FAILED => Refusal::Outdated(detail),
        _ => Refusal::Faulty(detail),
    }))
}

impl Refusal {
    /// With the instance's id before it.
    fn of(self, id: &str) -> Self {
        match self {
            Self::Faulty(reason) => Self::Faulty(format!("{id}: {reason}")),
            Self::Outdated(reason) => Self::Outdated(format!("{id}: {reason}")),
        }
    }
}
