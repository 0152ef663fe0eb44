//! From one document to the next.

use std::{fs, sync::Arc};

use serde_json::json;

use super::{Lab, servers::Servers};

#[tokio::test]
async fn a_file_is_followed_without_a_new_document() {
    let lab = Lab::new();
    let opened = lab.open(json!({ "T": lab.file("${instance}-token", "unused") }));
    assert!(opened.is_err(), "the name is for the instance");
    lab.file("web-1-token", "first");
    let opened = lab.open(json!({ "T": { "file": lab.folder.path().join("${instance}-token") } })).unwrap();
    assert_eq!(opened.value("T").await.unwrap(), "first");
    lab.file("web-1-token", "second");
    assert_eq!(opened.value("T").await.unwrap(), "second");
    fs::remove_file(lab.folder.path().join("web-1-token")).unwrap();
    let error = opened.value("T").await.unwrap_err();
    assert!(error.starts_with("secret `T`: ") && error.contains("No such file"), "{error}");
}

#[tokio::test]
async fn only_what_the_instance_may_use_is_opened() {
    let lab = Lab::new();
    let missing = |who: &str, list: &str| json!({ "file": "/no/such/file", who: [list] });
    let opened = lab.open(json!({
        "MINE": { "file": lab.file("a", "value")["file"], "instances": ["web-1"] },
        "OURS": { "file": lab.file("b", "value")["file"], "classes": ["builder"] },
        "OTHERS": missing("instances", "web-2"),
        "THEIRS": missing("classes", "deployer"),
    }));
    assert_eq!(opened.unwrap().slots.keys().collect::<Vec<_>>(), ["MINE", "OURS"]);
    assert!(lab.open(json!({ "T": missing("instances", "web-1") })).is_err());
}

#[tokio::test]
async fn a_slot_stays_while_nothing_of_it_changes() {
    let mut servers = Servers::start();
    let lab = Lab::new();
    let secrets = |scope: &str, more: &str| {
        json!({
            "SECRET": lab.file("secret", "s%cret:+/&canary"),
            "T": { "oauth2": {
                "tokenUrl": servers.url("/token"), "clientId": "client:1", "clientSecret": "SECRET", "scope": scope,
            } },
            more: lab.file("more", "value"),
        })
    };
    let first = lab.open(secrets("read", "A")).unwrap();
    let second = lab.open(secrets("read", "B")).unwrap();
    assert!(Arc::ptr_eq(&first.slots["T"], &second.slots["T"]));
    let third = lab.open(secrets("write", "B")).unwrap();
    assert!(!Arc::ptr_eq(&first.slots["T"], &third.slots["T"]));
    assert_eq!(servers.seen("/token").len(), 2);
    drop((first, second, third));
    let alone = lab.open(json!({})).unwrap();
    assert!(alone.slots.is_empty());
    assert!(lab.slots.0.lock().unwrap().is_empty(), "values go with the last generation that has them");
}

#[tokio::test]
async fn a_server_that_is_down_refuses_what_is_new_alone() {
    let mut servers = Servers::start();
    let lab = Lab::new();
    servers.order(json!({ "set": { "expires_in": 0 } }));
    let source = |scope: &str| {
        json!({ "oauth2": {
        "tokenUrl": servers.url("/token"), "clientId": "client:1", "clientSecret": "SECRET", "scope": scope,
    } })
    };
    let secrets =
        |scope: &str| json!({ "SECRET": lab.file("secret", "s%cret:+/&canary"), "T": source(scope) });
    let (known, new) = (secrets("read"), secrets("write"));
    let opened = lab.open(known.clone()).unwrap();
    servers.order(json!({ "set": { "status": 503 } }));
    assert!(opened.value("T").await.unwrap_err().contains("503"));
    let again = lab.open(known).unwrap();
    assert!(again.value("T").await.is_err());
    assert!(lab.refused(new).contains("503"));
}
