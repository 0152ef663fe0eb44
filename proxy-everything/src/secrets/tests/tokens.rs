//! Tokens of an OAuth server and of GitHub.

use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use super::{Lab, servers::Servers};

const SECRET: &str = "s%cret:+/&canary";

fn client(servers: &Servers) -> Json {
    json!({ "tokenUrl": servers.url("/token"), "clientId": "client:1", "clientSecret": "SECRET" })
}

/// `source` with `more`.
fn with(mut source: Json, more: &Json) -> Json {
    let (Json::Object(source_keys), Json::Object(more)) = (&mut source, more) else { panic!("objects") };
    source_keys.extend(more.clone());
    source
}

#[tokio::test]
async fn the_clients_own_credentials() {
    let mut servers = Servers::start();
    let lab = Lab::new();
    for (more, expected) in [
        (json!({}), "client_credentials-1"),
        (json!({ "clientAuth": "body" }), "client_credentials-2"),
        (json!({ "scope": "read write", "audience": "https://api" }), "client_credentials-3"),
    ] {
        let source = with(client(&servers), &more);
        let opened =
            lab.open(json!({ "SECRET": lab.file("secret", SECRET), "T": { "oauth2": source } })).unwrap();
        assert_eq!(opened.value("T").await.unwrap(), expected);
        assert_eq!(opened.value("T").await.unwrap(), expected);
    }
    let seen = servers.seen("/token");
    assert_eq!(seen.len(), 3);
    assert!(seen[0]["headers"]["Authorization"].as_str().unwrap().starts_with("Basic "));
    assert!(!seen[0]["body"].as_str().unwrap().contains("secret"));
    assert!(seen[1]["headers"].get("Authorization").is_none());
    assert!(seen[2]["body"].as_str().unwrap().contains("scope=read+write&audience=https%3A%2F%2Fapi"));
}

#[tokio::test]
async fn a_hundred_requests_ask_once() {
    let mut servers = Servers::start();
    let lab = Lab::new();
    servers.order(json!({ "set": { "expires_in": 0 } }));
    let secrets = json!({ "SECRET": lab.file("secret", SECRET), "T": { "oauth2": client(&servers) } });
    let opened = lab.open(secrets).unwrap();
    // What was read is good no more. Whoever comes now waits for the same answer.
    servers.order(json!({ "set": { "expires_in": 3600, "delay": 0.3 } }));
    let mut waiting = JoinSet::new();
    for _ in 0..100 {
        let slot = std::sync::Arc::clone(&opened.slots["T"]);
        waiting.spawn(async move { slot.value().await.map(|value| value.expose().to_owned()) });
    }
    let values: Vec<_> = waiting.join_all().await;
    assert!(values.iter().all(|value| value.as_deref() == Ok("client_credentials-2")), "{values:?}");
    assert_eq!(servers.seen("/token").len(), 2);
}

#[tokio::test]
async fn refresh_tokens_that_are_replaced() {
    let mut servers = Servers::start();
    let lab = Lab::new();
    servers.order(json!({ "set": { "expires_in": 0 } }));
    let source = with(client(&servers), &json!({ "refreshToken": "REFRESH" }));
    let secrets = |refresh: &str| {
        let refresh = lab.file("refresh", refresh);
        json!({ "SECRET": lab.file("secret", SECRET), "REFRESH": refresh, "T": { "oauth2": source } })
    };
    let opened = lab.open(secrets("first-refresh-canary")).unwrap();
    // Each is good for one time, so the server has none of those before.
    for expected in ["refresh_token-2", "refresh_token-3"] {
        assert_eq!(opened.value("T").await.unwrap(), expected);
    }
    // A change of the policy does not lose the newest.
    let again = lab
        .open(with(secrets("first-refresh-canary"), &json!({ "OTHER": lab.file("other", "value") })))
        .unwrap();
    drop(opened);
    assert_eq!(again.value("T").await.unwrap(), "refresh_token-4");
    // Nor does one that asks anew.
    let other = Lab { roots: std::sync::Arc::new(rustls::RootCertStore::empty()), ..lab };
    let anew = other.open(json!({ "SECRET": other.file("secret", SECRET),
        "REFRESH": other.file("refresh", "first-refresh-canary"), "T": { "oauth2": source } }));
    assert_eq!(anew.unwrap().value("T").await.unwrap(), "refresh_token-6");
}

#[tokio::test]
async fn a_new_refresh_token_in_the_source_counts_and_clients_may_be_public() {
    let mut servers = Servers::start();
    let lab = Lab::new();
    servers.order(json!({ "set": { "expires_in": 0 } }));
    let source =
        json!({ "tokenUrl": servers.url("/token"), "clientId": "public", "refreshToken": "REFRESH" });
    let secrets =
        json!({ "REFRESH": lab.file("refresh", "public-refresh-canary"), "T": { "oauth2": source } });
    let opened = lab.open(secrets).unwrap();
    lab.file("refresh", "unknown-canary");
    let error = opened.value("T").await.unwrap_err();
    assert!(error.contains("400: invalid_grant") && !error.contains("canary"), "{error}");
}

#[tokio::test]
async fn assertions_that_the_server_verifies() {
    let mut servers = Servers::start();
    let lab = Lab::new();
    for (number, (key, algorithm)) in
        [("rsa", "RS256"), ("rsa_old", "RS256"), ("ec", "ES256")].into_iter().enumerate()
    {
        let source = json!({
            "tokenUrl": servers.url("/token"), "key": "KEY", "algorithm": algorithm, "keyId": "key-1",
            "issuer": "service@example.test", "scope": "read",
        });
        let key = lab.file("key", servers.told(key));
        let opened = lab.open(json!({ "KEY": key, "T": { "jwtBearer": source } })).unwrap();
        assert_eq!(opened.value("T").await.unwrap(), format!("jwt-bearer-{}", number + 1));
    }
    let assertions = servers.seen("assertions");
    let (head, claims) = (&assertions[2]["headers"], &assertions[2]["payload"]);
    assert_eq!((head["alg"].as_str(), head["kid"].as_str()), (Some("ES256"), Some("key-1")));
    assert_eq!(claims["iss"], claims["sub"]);
    assert_eq!(claims["aud"], servers.url("/token"));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 300);
    assert_ne!(claims["jti"], assertions[1]["payload"]["jti"]);
}

#[tokio::test]
async fn keys_that_are_none() {
    let servers = Servers::start();
    let lab = Lab::new();
    for (key, fault) in [("canary", "no"), (servers.told("ec"), "RS256")] {
        let source = json!({ "tokenUrl": servers.url("/token"), "key": "KEY", "issuer": "me" });
        let error = lab.refused(json!({ "KEY": lab.file("key", key), "T": { "jwtBearer": source } }));
        assert!(error.starts_with("secret `T`: ") && error.contains(fault), "{error}");
    }
    // Several lines are for keys alone.
    let error = lab.refused(json!({ "KEY": lab.file("key", servers.told("ec")) }));
    assert!(error.contains("more than one line"), "{error}");
}

#[tokio::test]
async fn tokens_of_a_github_app() {
    let mut servers = Servers::start();
    let lab = Lab::new();
    let source = json!({
        "appId": 12345, "installationId": 7, "key": "KEY", "apiUrl": servers.url(""),
        "repositories": ["app"], "permissions": { "contents": "read" },
    });
    let key = lab.file("key", servers.told("rsa_old"));
    let opened = lab.open(json!({ "KEY": key, "T": { "githubApp": source } })).unwrap();
    assert_eq!(opened.value("T").await.unwrap(), "ghs_1");
    let seen = servers.seen("/app/installations/7/access_tokens");
    let asked: Json = serde_json::from_str(seen[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(asked, json!({ "repositories": ["app"], "permissions": { "contents": "read" } }));
    let other = json!({ "appId": 1, "installationId": 8, "key": "KEY", "apiUrl": servers.url("") });
    let key = lab.file("key", servers.told("rsa_old"));
    assert!(lab.refused(json!({ "KEY": key, "T": { "githubApp": other } })).contains("404"));
}

#[tokio::test]
async fn servers_that_are_verified() {
    let servers = Servers::start();
    let trusting = Lab::trusting(servers.told("root"));
    let source = |host: &str| json!({ "tokenUrl": servers.secure(host), "clientId": "client:1", "clientSecret": "SECRET" });
    let secrets = |lab: &Lab, host: &str| json!({ "SECRET": lab.file("secret", SECRET), "T": { "oauth2": source(host) } });
    let opened = trusting.open(secrets(&trusting, "localhost")).unwrap();
    assert_eq!(opened.value("T").await.unwrap(), "client_credentials-1");
    // Its certificate is for another name, or of somebody unknown.
    for (lab, host) in [(trusting, "127.0.0.1"), (Lab::new(), "localhost")] {
        let error = lab.refused(secrets(&lab, host));
        assert!(error.contains("no connection to") && error.contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn what_servers_say_wrong() {
    let mut servers = Servers::start();
    let lab = Lab::new();
    let refused = |path: &str, servers: &Servers| {
        let source = json!({ "tokenUrl": servers.url(path), "clientId": "client:1", "clientSecret": "SECRET",
            "clientAuth": "body" });
        lab.refused(json!({ "SECRET": lab.file("secret", SECRET), "T": { "oauth2": source } }))
    };
    for (path, fault) in [
        ("/redirect", "answered 307"),
        ("/long", "too long"),
        ("/text", "no JSON object"),
        ("/empty", "no `access_token`"),
        ("/nowhere", "answered 404"),
    ] {
        let error = refused(path, &servers);
        assert!(error.contains(fault), "{path}: {error}");
    }
    // It repeats what it was sent.
    servers.order(json!({ "set": { "status": 500 } }));
    assert!(refused("/token", &servers).ends_with("answered 500: server_error"));
    assert_eq!(servers.seen("/token").len(), 1, "a redirect is not followed");
}
