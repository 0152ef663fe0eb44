//! The shapes of what the admin API answers: JSON with a generation as its tag, or problem details (RFC 9457) that say whose fault it
//! is, with line and column where a text is at fault. Nothing here ever holds a secret.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value, json};

use crate::{config::ConfigError, instance::Changed};

pub(super) type Answer = Response<Full<Bytes>>;

pub(super) fn json(status: StatusCode, value: &Value) -> Answer {
    typed(status, "application/json", format!("{value}\n"))
}

pub(super) fn typed(status: StatusCode, content: &'static str, text: String) -> Answer {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content));
    response
}

/// With the generation that it is about.
pub(super) fn tagged(mut answer: Answer, generation: u64) -> Answer {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{generation}\"")) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    answer
}

/// What became of a change.
pub(super) fn changed(changed: Changed) -> Value {
    json!({ "generation": changed.generation(), "changed": changed.is_new() })
}

/// Why there is nothing else to answer.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    body: Map<String, Value>,
    /// What is in force instead.
    generation: Option<u64>,
    /// The methods that would do.
    allow: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: &str) -> Self {
        let body = [
            ("type", "about:blank".into()),
            ("title", status.canonical_reason().into()),
            ("status", status.as_u16().into()),
            ("detail", detail.into()),
        ];
        let body = body.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Self { status, body, generation: None, allow: None }
    }

    pub(super) fn outdated(current: u64) -> Self {
        let detail = format!("generation {current} is in force; nothing was changed");
        let mut problem = Self::new(StatusCode::PRECONDITION_FAILED, &detail);
        problem.body.insert("generation".into(), current.into());
        problem.generation = Some(current);
        problem
    }

    pub(super) fn no_such_method(methods: &[&str]) -> Self {
        let mut problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "this resource has no such method");
        problem.allow = Some(methods.join(", "));
        problem
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn body(self) -> Value {
        Value::Object(self.body)
    }

    pub(super) fn answer(self) -> Answer {
        let Self { status, body, generation, allow } = self;
        let mut answer = typed(status, "application/problem+json", format!("{}\n", Value::Object(body)));
        if let Some(Ok(allow)) = allow.map(HeaderValue::try_from) {
            answer.headers_mut().insert(header::ALLOW, allow);
        }
        match generation {
            Some(generation) => tagged(answer, generation),
            None => answer,
        }
    }
}

impl From<&ConfigError> for Problem {
    fn from(error: &ConfigError) -> Self {
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string());
        if let Some((line, column)) = error.position() {
            problem.body.insert("line".into(), line.into());
            problem.body.insert("column".into(), column.into());
        }
        problem.body.extend(error.part().map(|part| ("source".into(), part.into())));
        problem
    }
}
