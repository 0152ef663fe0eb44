//! Access tokens against a signed assertion (RFC 7523), as Google, Salesforce and many others give them. Receives a private key and whom
//! it speaks for, hands on the token that the server gives for it. An assertion is made for one request, and no other like it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use handlers::jwt::{self, Algorithm};
use http::{Method, header};
use policy::{JwtAlgorithm, JwtBearerSource};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::{
    http::Http,
    oauth::{FORM, Form, token, value},
    slot::Slot,
    value::Reading,
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Clocks differ. Our assertions are this much older than they are.
const SKEW: Duration = Duration::from_secs(30);

/// How one token is asked for.
pub(super) struct JwtBearer {
    pub(super) http: Http,
    pub(super) source: JwtBearerSource,
    pub(super) key: Arc<Slot>,
}

impl JwtBearer {
    pub(super) async fn read(&self) -> Result<Reading, String> {
        let Self { source, .. } = self;
        let key = value(&self.key).await?;
        let assertion =
            signed(algorithm(source.algorithm), key.expose(), source.key_id.as_deref(), &self.claims()?)?;
        let mut form = Form::default();
        form.add("grant_type", GRANT);
        form.add("assertion", &assertion);
        if let Some(scope) = &source.scope {
            form.add("scope", scope);
        }
        let request = Http::request(Method::POST, &source.token_url).header(header::CONTENT_TYPE, FORM);
        let answer = self.http.ask(request.body(form.body())).await?;
        Ok(token(answer)?.0)
    }

    fn claims(&self) -> Result<Json, String> {
        let Self { source, .. } = self;
        let now = now().saturating_sub(SKEW.as_secs());
        let mut claims = json!({
            "iss": source.issuer,
            "sub": source.subject.as_ref().unwrap_or(&source.issuer),
            "aud": source.audience.as_ref().unwrap_or(&source.token_url),
            "iat": now,
            "exp": now + u64::from(source.lifetime_seconds),
            "jti": unique()?,
        });
        // Google's place for it; RFC 7521 has it beside the assertion.
        if let (Some(scope), Json::Object(claims)) = (&source.scope, &mut claims) {
            claims.insert("scope".to_owned(), scope.clone().into());
        }
        Ok(claims)
    }
}

pub(super) fn signed(
    algorithm: Algorithm,
    key: &str,
    key_id: Option<&str>,
    claims: &Json,
) -> Result<Zeroizing<String>, String> {
    jwt::sign(algorithm, key, key_id, claims).map(Zeroizing::new).map_err(|error| error.to_string())
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::Rs256 => Algorithm::Rs256,
        JwtAlgorithm::Es256 => Algorithm::Es256,
    }
}

fn unique() -> Result<String, String> {
    let mut bytes = [0; 16];
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| "the system has no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
