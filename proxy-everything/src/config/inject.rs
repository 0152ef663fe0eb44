//! The built-in handlers that put secrets into requests: from what the document says of them to what a chain runs.

use handlers::{Inject, Part, Value};
use http::{HeaderName, HeaderValue, header};
use policy::{BasicSource, InjectSource, Template, TemplatePart};

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
