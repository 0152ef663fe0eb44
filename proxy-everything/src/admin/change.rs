//! Changes of what is in force: `PUT` of a document, of several (`policy/parts`) or of what was set at run time, and the verbs, which
//! change that. Receives a request, and hands on the change, which is made in one instance or in many; each tells the generation that
//! is in force then. Whatever is wrong with a change leaves everything as it is.

use std::{path::PathBuf, sync::Arc};

use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use policy::{Overrides, Verb};
use serde::Deserialize;

use super::{HEAD_TIMEOUT, answer::Problem, caller};
use crate::{
    config::{Document, MAX_DOCUMENT, Part},
    instance::{ChangeError, Changed, Expected, Instance, Same},
};

/// What to change, if what is expected is in force.
pub(super) struct Change {
    what: What,
    expected: Expected,
}

enum What {
    Policy(Vec<Part>),
    Overrides(String),
    Verb(Verb, String),
}

/// Several documents.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    parts: Vec<OnePart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OnePart {
    source: String,
    base: PathBuf,
    text: String,
}

impl Change {
    /// What a request for `resource` wants, whose method is one for changes.
    pub(super) async fn read(request: Request<Incoming>, resource: &str) -> Result<Self, Problem> {
        let no_tags = "`If-Match` is no list of tags; write the generation in quotes";
        let expected = caller::expected(request.headers())
            .map_err(|()| Problem::new(StatusCode::BAD_REQUEST, no_tags))?;
        let uri = request.uri().clone();
        let what = match (resource, Verb::named(resource)) {
            ("policy", _) => {
                let base = absolute(base(&uri))?;
                What::Policy(vec![Part { source: None, base, text: text(request).await? }])
            }
            ("policy/parts", _) => What::Policy(parts(&text(request).await?)?),
            ("overrides", _) => What::Overrides(text(request).await?),
            (_, Some(verb)) => What::Verb(verb, text(request).await?),
            (_, None) => return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such resource")),
        };
        Ok(Self { what, expected })
    }

    /// Returns when it is in force.
    pub(super) async fn make(self: &Arc<Self>, instance: Arc<Instance>) -> Result<Changed, Problem> {
        let change = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || change.make_blocking(&instance)).await;
        let not_made = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the change was not made");
        made.map_err(|_| not_made())?.map_err(|error| match error {
            ChangeError::Faulty(error) => Problem::from(&error),
            ChangeError::Outdated(current) => Problem::outdated(current),
            error @ ChangeError::NotKept(_) => {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
            }
        })
    }

    fn make_blocking(&self, instance: &Instance) -> Result<Changed, ChangeError> {
        match &self.what {
            What::Policy(parts) => {
                instance.change("PUT /v1/policy", Document::merge(parts.clone()), &self.expected)
            }
            What::Overrides(text) => {
                let parse = |_: &Overrides, document: &_| Overrides::parse(text, document);
                instance.change_overrides(&self.expected, Same::Nothing, parse)
            }
            What::Verb(verb, body) => {
                // Whoever names a file once more has made it anew.
                let same = if *verb == Verb::SetHandler { Same::LoadedAgain } else { Same::Nothing };
                let change = |overrides: &Overrides, document: &_| overrides.change(*verb, body, document);
                instance.change_overrides(&self.expected, same, change)
            }
        }
    }
}

fn base(uri: &Uri) -> PathBuf {
    let query = uri.query().unwrap_or_default();
    let base = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "base");
    PathBuf::from(base.map_or_else(|| "/".into(), |(_, value)| value.into_owned()))
}

fn absolute(base: PathBuf) -> Result<PathBuf, Problem> {
    let refused = || Problem::new(StatusCode::BAD_REQUEST, "`base` is not an absolute path");
    if base.is_absolute() { Ok(base) } else { Err(refused()) }
}

fn parts(text: &str) -> Result<Vec<Part>, Problem> {
    let Parts { parts } = read(text)?;
    let part = |OnePart { source, base, text }: OnePart| {
        if source.is_empty() || source.chars().any(char::is_control) {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "`source` is empty or no single line"));
        }
        Ok(Part { source: Some(source), base: absolute(base)?, text })
    };
    parts.into_iter().map(part).collect()
}

/// A body in JSON.
pub(super) fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| Problem::new(StatusCode::BAD_REQUEST, &error.to_string()))
}

/// The body of a request. One that says it is too large is not read at all.
pub(super) async fn text(request: Request<Incoming>) -> Result<String, Problem> {
    let too_large = || {
        let detail = "the document did not arrive, or is larger than 4 MiB";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    if request.body().size_hint().lower() > MAX_DOCUMENT as u64 {
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), MAX_DOCUMENT).collect();
    let Ok(body) = tokio::time::timeout(HEAD_TIMEOUT, body).await else {
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the document did not arrive in time"));
    };
    let body = body.map_err(|_| too_large())?;
    String::from_utf8(body.to_bytes().into())
        .map_err(|_| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the document is not UTF-8"))
}
