//! Signing against what others publish and compute, and its rules one by one.

mod botocore;
mod chunks;
mod examples;
mod hmac;
mod rules;

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, request::Parts};
use http_body_util::BodyExt;

use super::{Aws, SignError};
use crate::{Body, Secret, Secrets, full};

/// What is signed here never waits.
fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// 2013-05-24T00:00:00Z
const THEN: u64 = 1_369_353_600;

fn secrets(all: &[(&str, &str)]) -> Secrets {
    all.iter().map(|(name, value)| (Arc::from(*name), Arc::new(Secret::new((*value).to_owned())))).collect()
}

/// The key of S3's documentation.
fn documented() -> Secrets {
    secrets(&[
        ("ID", "AKIAIOSFODNN7EXAMPLE"),
        ("KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("TOKEN", "a/session+token=="),
    ])
}

fn aws() -> Aws {
    Aws {
        access_key_id: "ID".into(),
        secret_access_key: "KEY".into(),
        session_token: None,
        region: None,
        service: None,
    }
}

fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut head = Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0;
    for (name, value) in headers {
        head.headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    head
}

fn all(body: Body) -> Result<Bytes, String> {
    now_or_never(body.collect()).map(|all| all.to_bytes()).map_err(|error| error.to_string())
}

/// What is sent for a request without a body.
fn signed(aws: &Aws, mut head: Parts) -> Result<Parts, SignError> {
    now_or_never(aws.apply(&mut head, full(""), &documented(), at(THEN)))?;
    Ok(head)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}
