//! What the admin API can be asked about all instances of an `attach` process: `GET /v1/instances`; `POST /v1/instances` with a
//! workload to attach; `DELETE /v1/instances/ID`. A workload that is detached stays sealed: it has no network until it is
//! attached again.

use std::{path::PathBuf, sync::Arc};

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use super::routes::{Answer, faulty, json, problem, text};
use crate::{
    config::Part,
    fleet::{Fleet, FleetError, Given, Origin, Wanted},
    publish::Publish,
};

/// A workload to attach.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Attach {
    container: Option<String>,
    pid: Option<u32>,
    netns: Option<PathBuf>,
    id: Option<String>,
    class: Option<String>,
    policy: Option<String>,
    base: Option<PathBuf>,
    #[serde(default)]
    publish: Vec<String>,
}

pub(super) async fn answer(request: Request<Incoming>, fleet: &Arc<Fleet>) -> Answer {
    let path = request.uri().path().to_owned();
    match (request.method(), path.strip_prefix("/v1/instances")) {
        (&Method::GET, Some("")) => json(StatusCode::OK, &json!({ "instances": fleet.list().await })),
        (&Method::POST, Some("")) => match text(request).await {
            Ok(text) => attach(&text, fleet).await,
            Err(refusal) => refusal,
        },
        (&Method::DELETE, Some(id)) if id.starts_with('/') => match fleet.remove(&id[1..]).await {
            true => json(StatusCode::OK, &json!({})),
            false => problem(StatusCode::NOT_FOUND, "there is no such instance"),
        },
        (_, Some(_)) => problem(StatusCode::METHOD_NOT_ALLOWED, "this resource has no such method"),
        (_, None) => problem(StatusCode::NOT_FOUND, "the resource is /v1/instances"),
    }
}

async fn attach(text: &str, fleet: &Arc<Fleet>) -> Answer {
    let wanted =
        match serde_json::from_str::<Attach>(text).map_err(|error| error.to_string()).and_then(wanted) {
            Ok(wanted) => wanted,
            Err(reason) => return problem(StatusCode::BAD_REQUEST, &reason),
        };
    match fleet.attach(wanted).await {
        Ok(id) => json(StatusCode::CREATED, &json!({ "id": id })),
        Err(FleetError::Config(error)) => faulty(&error),
        Err(error @ FleetError::Taken(_)) => problem(StatusCode::CONFLICT, &error.to_string()),
        Err(error) => problem(StatusCode::UNPROCESSABLE_ENTITY, &format!("{error:#}")),
    }
}

fn wanted(asked: Attach) -> Result<Wanted, String> {
    let origin = match (asked.container, asked.pid, asked.netns) {
        (Some(name), None, None) => Origin::Container(name),
        (None, Some(pid), None) => Origin::Process(pid),
        (None, None, Some(path)) => Origin::Namespace(path),
        _ => return Err("exactly one of `container`, `pid` and `netns` is needed".into()),
    };
    if let Some(id) = &asked.id {
        crate::cli::identifier(id)?;
    }
    let base = asked.base.unwrap_or_else(|| "/".into());
    if !base.is_absolute() {
        return Err("`base` is not an absolute path".into());
    }
    let publish: Result<Vec<Publish>, String> = asked.publish.iter().map(|text| text.parse()).collect();
    let policy = asked.policy.map(|text| Given::Texts(vec![Part { source: None, base, text }]));
    Ok(Wanted { origin, id: asked.id, class: asked.class, policy, publish: publish? })
}
