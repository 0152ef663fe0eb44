//! Secrets, spelled: names and places, never a value.
//!
//! Receives typed secrets, hands on JSON as a document has it: what is printed here and read again is the same. What has its default
//! value is left out, but for times, which are easier to judge when they are there.

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::{
    ClientAuth, CommandSource, GithubAppSource, JwtBearerSource, OAuth2Source, Place, Placeholder,
    PlaceholderLook, RedisSource, Secret, SecretSource, VaultAuth, VaultSource,
};
use crate::Entry;

impl Secret {
    /// As a document spells it.
    pub fn to_json(&self) -> Value {
        let Self { source, hosts, instances, classes, placeholder, scrub, allow_plaintext } = self;
        let mut keys = Keys::default();
        keys.say(source.kind(), Some(source.to_json()));
        keys.say("hosts", hosts.as_ref().map(|list| list.iter().map(Entry::to_json).collect::<Value>()));
        keys.say("instances", some(instances));
        keys.say("classes", some(classes));
        keys.say("placeholder", placeholder.as_ref().map(Placeholder::to_json));
        keys.say("scrub", (!scrub).then_some(false));
        keys.say("allowPlaintext", (!allow_plaintext.is_empty()).then(|| networks(allow_plaintext)));
        Value::Object(keys.0)
    }
}

/// An object whose optional members are left out.
#[derive(Default)]
struct Keys(Map<String, Value>);

impl Keys {
    fn say(&mut self, key: &str, value: Option<impl Into<Value>>) {
        self.0.extend(value.map(|value| (key.to_owned(), value.into())));
    }
}

fn some(list: &[String]) -> Option<Value> {
    (!list.is_empty()).then(|| json!(list))
}

fn networks(list: &[IpNet]) -> Value {
    list.iter().map(ToString::to_string).collect()
}

impl Placeholder {
    fn to_json(&self) -> Value {
        if *self == Self::default() {
            return json!(true);
        }
        let Self { look, env, places } = self;
        let mut keys = Keys::default();
        keys.say("env", env.clone());
        match look {
            PlaceholderLook::Fixed(text) => keys.say("value", Some(text.clone())),
            random => keys.say("format", random.format()),
        }
        let spelled = || places.iter().map(|place| place.as_str()).collect::<Value>();
        keys.say("in", (places.len() < Place::ALL.len()).then(spelled));
        Value::Object(keys.0)
    }
}

impl SecretSource {
    fn to_json(&self) -> Value {
        match self {
            Self::Env(variable) => json!(variable),
            Self::File(text) | Self::Credential(text) => json!(text.to_string()),
            Self::Command(CommandSource { program, arguments, ttl_seconds, timeout_seconds }) => {
                let arguments = arguments.iter().map(ToString::to_string);
                let run: Vec<String> = [program.clone()].into_iter().chain(arguments).collect();
                json!({ "run": run, "ttlSeconds": ttl_seconds, "timeoutSeconds": timeout_seconds })
            }
            Self::Vault(vault) => vault.to_json(),
            Self::Redis(RedisSource { store, key, ttl_seconds }) => {
                json!({ "store": store, "key": key.to_string(), "ttlSeconds": ttl_seconds })
            }
            Self::OAuth2(oauth) => oauth.to_json(),
            Self::JwtBearer(jwt) => jwt.to_json(),
            Self::GithubApp(app) => app.to_json(),
        }
    }
}

impl VaultSource {
    fn to_json(&self) -> Value {
        let Self { address, path, field, auth, namespace, ttl_seconds } = self;
        let mut keys = Keys::default();
        keys.say("address", Some(address.clone()));
        keys.say("path", Some(path.to_string()));
        keys.say("field", Some(field.clone()));
        let auth = match auth {
            VaultAuth::Token(name) => json!({ "token": name }),
            VaultAuth::AppRole { role_id, secret_id } => {
                json!({ "appRole": { "roleId": role_id, "secretId": secret_id } })
            }
            VaultAuth::Kubernetes { role, jwt_file } => {
                json!({ "kubernetes": { "role": role, "jwtFile": jwt_file } })
            }
        };
        keys.say("auth", Some(auth));
        keys.say("namespace", namespace.clone());
        keys.say("ttlSeconds", *ttl_seconds);
        Value::Object(keys.0)
    }
}

impl OAuth2Source {
    fn to_json(&self) -> Value {
        let Self { token_url, client_id, client_secret, refresh_token, scope, audience, client_auth } = self;
        let mut keys = Keys::default();
        keys.say("tokenUrl", Some(token_url.clone()));
        keys.say("clientId", Some(client_id.clone()));
        keys.say("clientSecret", client_secret.clone());
        keys.say("refreshToken", refresh_token.clone());
        keys.say("scope", scope.clone());
        keys.say("audience", audience.clone());
        keys.say("clientAuth", (*client_auth != ClientAuth::default()).then(|| client_auth.as_str()));
        Value::Object(keys.0)
    }
}

impl JwtBearerSource {
    fn to_json(&self) -> Value {
        let Self { token_url, key, algorithm, key_id, issuer, subject, audience, scope, lifetime_seconds } =
            self;
        let mut keys = Keys::default();
        keys.say("tokenUrl", Some(token_url.clone()));
        keys.say("key", Some(key.clone()));
        keys.say("algorithm", Some(algorithm.as_str()));
        keys.say("keyId", key_id.clone());
        keys.say("issuer", Some(issuer.clone()));
        keys.say("subject", subject.clone());
        keys.say("audience", audience.clone());
        keys.say("scope", scope.clone());
        keys.say("lifetimeSeconds", Some(*lifetime_seconds));
        Value::Object(keys.0)
    }
}

impl GithubAppSource {
    fn to_json(&self) -> Value {
        let Self { app_id, installation_id, key, api_url, repositories, permissions } = self;
        let mut keys = Keys::default();
        keys.say("appId", Some(app_id.clone()));
        keys.say("installationId", Some(*installation_id));
        keys.say("key", Some(key.clone()));
        keys.say("apiUrl", (!self.is_public()).then(|| api_url.clone()));
        keys.say("repositories", some(repositories));
        keys.say("permissions", (!permissions.is_empty()).then(|| json!(permissions)));
        Value::Object(keys.0)
    }
}
