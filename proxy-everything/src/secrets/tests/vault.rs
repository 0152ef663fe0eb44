//! Vault, as its documentation describes it: a server of the tests. `rusty_vault` beside this has one of others.

use std::time::Instant;

use serde_json::json;

use super::{Lab, servers::Servers};

fn kubernetes(servers: &Servers, lab: &Lab, path: &str, field: &str) -> serde_json::Value {
    let jwt = lab.file("jwt", "service-account-canary\n");
    json!({ "vault": {
        "address": servers.url(""), "path": path, "field": field, "namespace": "team",
        "auth": { "kubernetes": { "role": "proxy", "jwtFile": jwt["file"] } },
    } })
}

#[tokio::test]
async fn the_second_version_and_a_login_that_is_kept() {
    let mut servers = Servers::start();
    let lab = Lab::new();
    let secrets = json!({ "T": kubernetes(&servers, &lab, "secret/data/app", "password"),
        "OTHER": kubernetes(&servers, &lab, "secret/data/app", "other") });
    let opened = lab.open(secrets).unwrap();
    assert_eq!(opened.value("T").await.unwrap(), "v2-canary");
    assert_eq!(opened.value("OTHER").await.unwrap(), "more");
    assert_eq!(servers.seen("/v1/auth/kubernetes/login").len(), 1);
    assert_eq!(servers.seen("/v1/secret/data/app").len(), 1, "the fields of a path are read together");
    lab.file("jwt", "wrong-canary");
    let other = Lab::new();
    let jwt = other.file("jwt", "wrong-canary");
    let source = json!({ "vault": {
        "address": servers.url(""), "path": "secret/data/app", "field": "password", "namespace": "team",
        "auth": { "kubernetes": { "role": "proxy", "jwtFile": jwt["file"] } },
    } });
    assert!(other.refused(json!({ "T": source })).contains("logging in with kubernetes"));
}

#[tokio::test]
async fn the_first_version_by_token_and_by_role() {
    let servers = Servers::start();
    let lab = Lab::new();
    let by_token = json!({ "token": "PROOF" });
    let by_role = json!({ "appRole": { "roleId": "web", "secretId": "PROOF" } });
    for (auth, proof) in [(by_token, "root-token-canary"), (by_role, "proof-canary")] {
        let source = |field: &str, path: &str| json!({ "vault": { "address": servers.url(""), "path": path, "field": field, "auth": auth, "namespace": "team" } });
        let secrets = |first| json!({ "PROOF": lab.file("proof", proof), "T": first });
        let opened = lab.open(secrets(source("password", "secret/${instance}/app"))).unwrap();
        assert_eq!(opened.value("T").await.unwrap(), "v2-canary");
        assert!(lab.refused(secrets(source("user", "secret/${instance}/app"))).contains("no field `user`"));
        assert!(
            lab.refused(secrets(source("password", "secret/no/app"))).contains("nothing at secret/no/app")
        );
        let other = Lab::new();
        let wrong = json!({ "PROOF": other.file("proof", "wrong-canary"), "T": source("password", "secret/web-1/app") });
        assert!(other.refused(wrong).starts_with("secret `T`: "));
    }
}

#[tokio::test]
async fn leases_are_renewed_and_then_made_anew() {
    let mut servers = Servers::start();
    let lab = Lab::new();
    // What is good for a second is renewed about as often.
    let source = |field| {
        let mut source = kubernetes(&servers, &lab, "database/creds/app", field);
        source["vault"]["ttlSeconds"] = json!(1);
        source
    };
    let secrets = json!({ "USER": source("username"), "PASSWORD": source("password") });
    let opened = lab.open(secrets).unwrap();
    assert_eq!(opened.value("USER").await.unwrap(), "user-1");
    assert_eq!(opened.value("PASSWORD").await.unwrap(), "dynamic-1", "of the same lease");
    let began = Instant::now();
    while servers.seen("/v1/sys/leases/renew").len() < 2 {
        assert_eq!(opened.value("USER").await.unwrap(), "user-1");
        assert!(began.elapsed().as_secs() < 20, "nothing is renewed");
    }
    assert_eq!(servers.seen("/v1/database/creds/app").len(), 1);
    assert_eq!(servers.seen("/v1/auth/kubernetes/login").len(), 1);
    // The server forgets leases and logins: another lease, after another login.
    servers.order(json!({ "forget": true }));
    opened.becomes("USER", "user-2").await;
    assert_eq!(opened.value("PASSWORD").await.unwrap(), "dynamic-2");
    assert_eq!(servers.seen("/v1/auth/kubernetes/login").len(), 2);
    // What can be renewed no more is made anew before its end.
    servers.order(json!({ "set": { "renewable": false } }));
    opened.becomes("USER", "user-3").await;
    opened.becomes("USER", "user-4").await;
    assert_eq!(servers.seen("/v1/auth/kubernetes/login").len(), 2);
}
