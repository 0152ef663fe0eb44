//! What the admin API can be asked about all instances of an `attach` process: `GET /v1/instances`; `POST /v1/instances` with a
//! workload to attach; `DELETE /v1/instances/ID`, which leaves the workload sealed: it has no network until it is attached again; all
//! that one instance can be asked, below `/v1/instances/ID/`; and changes of all of them, below `/v1/instances/*/`.

use std::{path::PathBuf, sync::Arc};

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Problem, json},
    change::{Change, read, text},
    routes::{of_instance, permit},
};
use crate::{
    config::Part,
    fleet::{Fleet, FleetError, Given, Origin, Wanted},
    publish::Publish,
};

/// In the place of an id, which it cannot be: every instance.
const ALL: &str = "*";

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

pub(super) async fn answer(
    request: Request<Incoming>,
    resource: &str,
    fleet: &Arc<Fleet>,
) -> Result<Answer, Problem> {
    let unknown = |what: &str| Problem::new(StatusCode::NOT_FOUND, what);
    let mut parts = resource.splitn(3, '/');
    let (Some("instances"), id, below) = (parts.next(), parts.next(), parts.next()) else {
        return Err(unknown("the resource is /v1/instances"));
    };
    match (id, below) {
        (None, _) => match *request.method() {
            Method::GET => Ok(json(StatusCode::OK, &json!({ "instances": fleet.list().await }))),
            Method::POST => attach(&text(request).await?, fleet).await,
            _ => Err(Problem::no_such_method(&["GET", "POST"])),
        },
        (Some(ALL), Some(below)) => change_all(request, below, fleet).await,
        (Some(id), Some(below)) => match fleet.instance(id) {
            Some(instance) => of_instance(request, below, instance).await,
            None => Err(unknown("there is no such instance")),
        },
        (Some(id), None) => match *request.method() {
            Method::DELETE if fleet.remove(id).await => Ok(json(StatusCode::OK, &json!({}))),
            Method::DELETE => Err(unknown("there is no such instance")),
            _ => Err(Problem::no_such_method(&["DELETE"])),
        },
    }
}

/// One after the other; that one cannot be changed is no reason to leave the others as they are.
async fn change_all(
    request: Request<Incoming>,
    resource: &str,
    fleet: &Arc<Fleet>,
) -> Result<Answer, Problem> {
    permit(request.method(), resource)?;
    if request.method() == Method::GET || resource == "explain" {
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "of one instance only: name it by its id"));
    }
    let change = Arc::new(Change::read(request, resource).await?);
    let (mut told, mut status) = (Vec::new(), StatusCode::OK);
    for (id, instance) in fleet.instances() {
        told.push(match change.make(instance).await {
            Ok(made) => json!({
                "instance": id,
                "status": StatusCode::OK.as_u16(),
                "generation": made.generation(),
                "changed": made.is_new(),
            }),
            Err(problem) => {
                status = StatusCode::MULTI_STATUS;
                json!({ "instance": id, "status": problem.status().as_u16(), "problem": problem.body() })
            }
        });
    }
    Ok(json(status, &json!({ "instances": Value::from(told) })))
}

async fn attach(text: &str, fleet: &Arc<Fleet>) -> Result<Answer, Problem> {
    let wanted = wanted(read(text)?).map_err(|reason| Problem::new(StatusCode::BAD_REQUEST, &reason))?;
    match fleet.attach(wanted).await {
        Ok(id) => Ok(json(StatusCode::CREATED, &json!({ "id": id }))),
        Err(FleetError::Config(error)) => Err(Problem::from(&error)),
        Err(error @ FleetError::Taken(_)) => Err(Problem::new(StatusCode::CONFLICT, &error.to_string())),
        Err(error) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, &format!("{error:#}"))),
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
