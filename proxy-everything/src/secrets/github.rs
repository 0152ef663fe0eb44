//! Tokens of installations of GitHub apps. Receives the app's private key, hands on a token for an hour, which can be one for some
//! repositories and some permissions only.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use handlers::jwt::Algorithm;
use http::{Method, header};
use http_body_util::Full;
use policy::GithubAppSource;
use serde_json::{Map, Value as Json, json};

use super::{
    http::{Http, sensitive, taken},
    jwt::{now, signed},
    oauth::value,
    slot::Slot,
    value::{Reading, until},
};

/// GitHub takes assertions of ten minutes at most, and advises to begin them a minute ago.
const SKEW: u64 = 60;
const LIFETIME: u64 = 9 * 60;
/// What GitHub's tokens are good for if it does not say.
const UNTOLD: Duration = Duration::from_secs(3600);

/// How one token is asked for.
pub(super) struct GithubApp {
    pub(super) http: Http,
    pub(super) source: GithubAppSource,
    pub(super) key: Arc<Slot>,
}

impl GithubApp {
    pub(super) async fn read(&self) -> Result<Reading, String> {
        let Self { source, .. } = self;
        let key = value(&self.key).await?;
        let issued = now().saturating_sub(SKEW);
        let claims = json!({ "iss": source.app_id, "iat": issued, "exp": issued + LIFETIME });
        let assertion = signed(Algorithm::Rs256, key.expose(), None, &claims)?;
        let bearer = sensitive(&zeroize::Zeroizing::new(format!("Bearer {}", *assertion)));
        let url = format!("{}/app/installations/{}/access_tokens", source.api_url, source.installation_id);
        let request = Http::request(Method::POST, &url)
            .header(header::AUTHORIZATION, bearer.ok_or("the assertion does not fit")?)
            .header("x-github-api-version", "2022-11-28")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(self.wanted().to_string())));
        let mut json = self.http.ask(request).await?.success()?;
        let token = taken(&mut json, "token").ok_or("the server's answer has no `token`")?;
        let lasts = json.get("expires_at").and_then(Json::as_str).and_then(until).unwrap_or(UNTOLD);
        Ok(Reading::of(token.to_string(), lasts))
    }

    /// Less than all that the installation may do, if the source says so.
    fn wanted(&self) -> Json {
        let mut wanted = Map::new();
        if !self.source.repositories.is_empty() {
            wanted.insert("repositories".to_owned(), json!(self.source.repositories));
        }
        if !self.source.permissions.is_empty() {
            wanted.insert("permissions".to_owned(), json!(self.source.permissions));
        }
        Json::Object(wanted)
    }
}
