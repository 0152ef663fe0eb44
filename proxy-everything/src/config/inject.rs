//! The built-in handlers that put secrets into requests. Receives what the document says of them, hands on what a chain runs; the values
//! come with each request.

use std::sync::Arc;

use handlers::{
    Inject, Part, Sign, Value,
    sign::{self, Aws, Digest, Encoding, Hmac},
};
use http::{HeaderName, HeaderValue, header};
use policy::{
    AwsSource, BasicSource, HmacAlgorithm, HmacEncoding, HmacPart, HmacSource, InjectSource, SignSource,
    Template, TemplatePart,
};

/// What `inject`, `bearer`, `basic` and `query` of one handler do together.
pub(super) fn inject(source: &InjectSource) -> Result<Inject, String> {
    let header = |(name, template): &(String, Template)| {
        let value = match template.secrets().next() {
            Some(_) => Value::Made(made_of(template)),
            None => Value::Plain(header_value(name, &plain(template))?),
        };
        Ok((header_name(name)?, value))
    };
    let mut headers = source.headers.iter().map(header).collect::<Result<Vec<_>, String>>()?;
    if let Some(BasicSource { username, password }) = &source.basic {
        let value = Value::Basic { username: made_of(username), password: made_of(password) };
        headers.push((header::AUTHORIZATION, value));
    }
    let query = source.query.iter().map(|(name, value)| (name.clone(), made_of(value))).collect();
    Ok(Inject { headers, query })
}

/// What `sign` does.
pub(super) fn sign(source: &SignSource) -> Result<Sign, String> {
    Ok(match source {
        SignSource::Aws(source) => Sign::Aws(Arc::new(aws(source))),
        SignSource::Hmac(source) => Sign::Hmac(Arc::new(hmac(source)?)),
    })
}

fn aws(source: &AwsSource) -> Aws {
    Aws {
        access_key_id: source.access_key_id.as_str().into(),
        secret_access_key: source.secret_access_key.as_str().into(),
        session_token: source.session_token.as_deref().map(Arc::from),
        region: source.region.clone(),
        service: source.service.clone(),
    }
}

fn hmac(source: &HmacSource) -> Result<Hmac, String> {
    let part = |part: &HmacPart| match part {
        HmacPart::Timestamp => sign::Part::Timestamp,
        HmacPart::Method => sign::Part::Method,
        HmacPart::Host => sign::Part::Host,
        HmacPart::Path => sign::Part::Path,
        HmacPart::Query => sign::Part::Query,
        HmacPart::Body => sign::Part::Body,
    };
    Ok(Hmac {
        secret: source.secret.as_str().into(),
        header: header_name(&source.header)?,
        algorithm: match source.algorithm {
            HmacAlgorithm::Sha256 => Digest::Sha256,
            HmacAlgorithm::Sha512 => Digest::Sha512,
            HmacAlgorithm::Sha1 => Digest::Sha1,
        },
        encoding: match source.encoding {
            HmacEncoding::Hex => Encoding::Hex,
            HmacEncoding::Base64 => Encoding::Base64,
        },
        prefix: source.prefix.clone(),
        timestamp_header: source.timestamp_header.as_deref().map(header_name).transpose()?,
        over: source.over.iter().map(part).collect(),
        separator: source.separator.clone(),
    })
}

fn made_of(template: &Template) -> handlers::Template {
    let part = |part: &TemplatePart| match part {
        TemplatePart::Text(text) => Part::Text(text.clone()),
        TemplatePart::Secret(name) => Part::Secret(name.as_str().into()),
    };
    handlers::Template(template.0.iter().map(part).collect())
}

/// The text of a template without secrets.
fn plain(template: &Template) -> String {
    let text = |part: &TemplatePart| match part {
        TemplatePart::Text(text) | TemplatePart::Secret(text) => text.clone(),
    };
    template.0.iter().map(text).collect()
}

pub(super) fn header_name(name: &str) -> Result<HeaderName, String> {
    name.parse().map_err(|_| format!("`{name}` is no header name"))
}

pub(super) fn header_value(name: &str, value: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(value).map_err(|_| format!("the value of `{name}` cannot stand in a header"))
}
