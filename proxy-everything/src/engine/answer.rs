//! The few fields that we read of an engine's answers. Docker and podman agree on them; everything is optional in their
//! schemas, so each absence is judged here: without an id there is no container, without a pid it does not run.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Container, Event, EventKind, is_name};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    name: Option<String>,
    state: Option<State>,
    config: Option<Config>,
    host_config: Option<HostConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    running: Option<bool>,
    pid: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    network_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Happened {
    action: Option<String>,
    actor: Option<Actor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    attributes: Option<BTreeMap<String, String>>,
}

/// The answer to `/containers/NAME/json`.
pub(super) fn container(text: &[u8]) -> Result<Container, String> {
    let found: Inspected = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let state = found.state.unwrap_or(State { running: None, pid: None });
    // The pid of a container that does not run is 0, and podman keeps the old one for a moment.
    let pid = state.pid.filter(|pid| *pid > 0 && state.running == Some(true));
    Ok(Container {
        id: id(found.id)?,
        name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        pid: pid.and_then(|pid| u32::try_from(pid).ok()),
        labels: found.config.and_then(|config| config.labels).unwrap_or_default(),
        network_mode: found.host_config.and_then(|config| config.network_mode).unwrap_or_default(),
    })
}

/// The answer to `/containers/json`.
pub(super) fn ids(text: &[u8]) -> Result<Vec<String>, String> {
    let listed: Vec<Listed> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    listed.into_iter().map(|one| id(one.id)).collect()
}

/// One line of `/events`; `None` for an event of another kind.
pub(super) fn event(line: &[u8]) -> Result<Option<Event>, String> {
    let happened: Happened = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let kind = match happened.action.as_deref() {
        Some("start") => EventKind::Started,
        Some("die" | "died") => EventKind::Died,
        Some("destroy" | "remove") => EventKind::Removed,
        _ => return Ok(None),
    };
    let actor = happened.actor.ok_or("an event of nobody")?;
    Ok(Some(Event { kind, id: id(actor.id)?, labels: actor.attributes.unwrap_or_default() }))
}

/// Ids become parts of paths, here and at whoever asked.
fn id(text: String) -> Result<String, String> {
    if is_name(&text) { Ok(text) } else { Err(format!("{text:?} is not an id")) }
}
