//! Access tokens of OAuth 2 servers (RFC 6749): by the client's own credentials, or by a refresh token. Receives who the client is,
//! hands on a token and for how long it is good. A server may hand out another refresh token with each access token, after which the
//! one before is worth nothing: the newest one is kept in memory, for as long as its secret is declared.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use form_urlencoded::Serializer;
use handlers::Secret;
use http::{Method, header};
use policy::{ClientAuth, OAuth2Source};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::{
    http::{Answer, Http, seconds, sensitive, taken},
    slot::Slot,
    value::Reading,
};

/// A token is good for this long if the server does not say.
const UNTOLD: Duration = Duration::from_secs(300);
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// How one token is asked for.
pub(super) struct OAuth2 {
    pub(super) http: Http,
    pub(super) source: OAuth2Source,
    pub(super) client_secret: Option<Arc<Slot>>,
    pub(super) refresh_token: Option<Arc<Slot>>,
    pub(super) newest: Arc<Newest>,
}

/// The refresh token that a server gave last, and the one that was in the document's source then.
#[derive(Debug, Default)]
pub(super) struct Newest(Mutex<Option<(Arc<Secret>, Arc<Secret>)>>);

impl Newest {
    /// What takes the place of `first`; itself, if that is new in its source.
    fn of(&self, first: Arc<Secret>) -> Arc<Secret> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((old, newest)) if old.expose() == first.expose() => Arc::clone(newest),
            _ => first,
        }
    }

    fn keep(&self, first: Arc<Secret>, newest: Secret) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((first, Arc::new(newest)));
    }
}

impl OAuth2 {
    pub(super) async fn read(&self) -> Result<Reading, String> {
        let Self { source, .. } = self;
        let mut form = Form::default();
        let mut first = None;
        match &self.refresh_token {
            None => form.add("grant_type", "client_credentials"),
            Some(slot) => {
                let refresh_token = value(slot).await?;
                form.add("grant_type", "refresh_token");
                form.add("refresh_token", self.newest.of(Arc::clone(&refresh_token)).expose());
                first = Some(refresh_token);
            }
        }
        for (name, text) in [("scope", &source.scope), ("audience", &source.audience)] {
            if let Some(text) = text {
                form.add(name, text);
            }
        }
        let mut request = Http::request(Method::POST, &source.token_url).header(header::CONTENT_TYPE, FORM);
        match (&self.client_secret, source.client_auth) {
            (None, _) => form.add("client_id", &source.client_id),
            (Some(secret), ClientAuth::Body) => {
                form.add("client_id", &source.client_id);
                form.add("client_secret", value(secret).await?.expose());
            }
            (Some(secret), ClientAuth::Basic) => {
                let basic = basic(&source.client_id, value(secret).await?.expose());
                request = request
                    .header(header::AUTHORIZATION, sensitive(&basic).ok_or("the credentials do not fit")?);
            }
        }
        let answer = self.http.ask(request.body(form.body())).await?;
        let (reading, refresh_token) = token(answer)?;
        if let (Some(first), Some(newest)) = (first, refresh_token) {
            self.newest.keep(first, Secret::new(newest));
        }
        Ok(reading)
    }
}

/// A form that is sent to a server.
#[derive(Default)]
pub(super) struct Form(Zeroizing<String>);

impl Form {
    pub(super) fn add(&mut self, name: &str, value: &str) {
        let text = std::mem::take(&mut *self.0);
        *self.0 = Serializer::new(text).append_pair(name, value).finish();
    }

    pub(super) fn body(&self) -> http_body_util::Full<bytes::Bytes> {
        bytes::Bytes::copy_from_slice(self.0.as_bytes()).into()
    }
}

/// The access token of an answer, and the refresh token that came with it.
pub(super) fn token(answer: Answer) -> Result<(Reading, Option<Zeroizing<String>>), String> {
    let mut json = answer.success()?;
    let access_token = taken(&mut json, "access_token").ok_or("the server's answer has no `access_token`")?;
    let lasts = seconds(&json, "expires_in").map_or(UNTOLD, Duration::from_secs);
    Ok((Reading::of(access_token.to_string(), lasts), taken(&mut json, "refresh_token")))
}

/// A secret that is made use of here.
pub(super) async fn value(slot: &Slot) -> Result<Arc<Secret>, String> {
    slot.fetch(&Handle::current()).await.map_err(|error| error.to_string())
}

/// RFC 6749, section 2.3.1: both halves are encoded as in a form.
fn basic(id: &str, secret: &str) -> Zeroizing<String> {
    let encoded =
        |text: &str| Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>());
    let pair = Zeroizing::new(format!("{}:{}", *encoded(id), *encoded(secret)));
    Zeroizing::new(format!("Basic {}", *Zeroizing::new(BASE64_STANDARD.encode(pair.as_bytes()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_are_encoded_before_they_are_joined() {
        let basic = basic("a:b", "c d%");
        assert_eq!(BASE64_STANDARD.decode(basic.strip_prefix("Basic ").unwrap()).unwrap(), b"a%3Ab:c+d%25");
    }

    #[test]
    fn the_newest_refresh_token_counts_until_the_source_has_another() {
        let secret = |text: &str| Arc::new(Secret::new(text.to_owned()));
        let newest = Newest::default();
        assert_eq!(newest.of(secret("a")).expose(), "a");
        newest.keep(secret("a"), Secret::new("b".to_owned()));
        assert_eq!(newest.of(secret("a")).expose(), "b");
        assert_eq!(newest.of(secret("c")).expose(), "c");
    }
}
