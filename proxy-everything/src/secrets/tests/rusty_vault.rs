//! Another's Vault: RustyVault, as far as it goes. Building it takes minutes, so it is asked for apart (`make test-vault`).

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use http::Method;
use rustls::RootCertStore;
use serde_json::{Value as Json, json};

use super::{Lab, servers::built};
use crate::secrets::http::Http;

#[tokio::test]
async fn a_real_one_by_token_and_by_role() {
    let vault = RustyVault::start().await;
    vault.ask(Method::POST, "secret/web-1/app", Some(json!({ "password": "kv-canary", "port": 8080 }))).await;
    vault.ask(Method::POST, "sys/auth/approle", Some(json!({ "type": "approle" }))).await;
    vault.ask(Method::POST, "auth/approle/role/web", Some(json!({ "token_ttl": "1h" }))).await;
    let role = vault.ask(Method::GET, "auth/approle/role/web/role-id", None).await;
    let made = vault.ask(Method::POST, "auth/approle/role/web/secret-id", Some(json!({}))).await;
    let lab = Lab::new();
    let secret_id = made["data"]["secret_id"].as_str().unwrap();
    let by_token = json!({ "token": "PROOF" });
    let by_role = json!({ "appRole": { "roleId": role["data"]["role_id"], "secretId": "PROOF" } });
    for (auth, proof) in [(by_token, vault.root_token.as_str()), (by_role, secret_id)] {
        let source = |field: &str, path: &str| json!({ "vault": { "address": vault.address, "path": path, "field": field, "auth": auth } });
        let path = "secret/${instance}/app";
        let secrets =
            |first| json!({ "PROOF": lab.file("proof", proof), "T": first, "PORT": source("port", path) });
        let opened = lab.open(secrets(source("password", path))).unwrap();
        assert_eq!(opened.value("T").await.unwrap(), "kv-canary");
        assert_eq!(opened.value("PORT").await.unwrap(), "8080");
        assert!(lab.refused(secrets(source("user", path))).contains("no field `user`"));
        assert!(
            lab.refused(secrets(source("password", "secret/nothing"))).contains("nothing at secret/nothing")
        );
        // What was in force would stay there.
        let other = Lab::new();
        let wrong = json!({ "PROOF": other.file("proof", "wrong-canary"), "T": source("password", path) });
        assert!(other.refused(wrong).starts_with("secret `T`: "));
    }
}

/// RustyVault, which is another's Vault: the first version of the key-value engine, tokens, and the login of `approle`.
pub(super) struct RustyVault {
    child: Child,
    pub(super) address: String,
    pub(super) root_token: String,
    _folder: tempfile::TempDir,
}

impl RustyVault {
    pub(super) async fn start() -> Self {
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let folder = tempfile::tempdir().unwrap();
            // Somebody else may have taken the port meanwhile.
            let Some(child) = rusty_vault(port, folder.path()) else { continue };
            let address = format!("http://127.0.0.1:{port}");
            let mut vault = Self { child, address, root_token: String::new(), _folder: folder };
            let shares = json!({ "secret_shares": 1, "secret_threshold": 1 });
            let made = vault.ask(Method::PUT, "sys/init", Some(shares)).await;
            vault.root_token = made["root_token"].as_str().unwrap().to_owned();
            vault.ask(Method::PUT, "sys/unseal", Some(json!({ "key": made["keys"][0] }))).await;
            return vault;
        }
    }

    /// Sends a request as the server's owner.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<Json>) -> Json {
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = Http::request(method, &format!("{}/v1/{path}", self.address))
            .header("x-vault-token", &self.root_token)
            .body(body.into());
        let http = Http::new(&Arc::new(RootCertStore::empty()));
        let answer = http.ask(request).await.unwrap();
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.json);
        answer.json
    }
}

impl Drop for RustyVault {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rusty_vault(port: u16, folder: &Path) -> Option<Child> {
    let settings = format!(
        r#"
        storage "file" {{ path = "{0}/data" }}
        listener "tcp" {{
          address = "127.0.0.1:{port}"
          tls_disable = "true"
        }}
        api_addr = "http://127.0.0.1:{port}"
        log_level = "info"
        pid_file = "{0}/pid"
        work_dir = "{0}"
        daemon = false
        "#,
        folder.display()
    );
    std::fs::write(folder.join("config.hcl"), settings).unwrap();
    let mut command = crate::stores::tests::servers::mortal(built("rusty-vault/bin/rvault"));
    command.arg("server").arg("--config").arg(folder.join("config.hcl"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("start RustyVault");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let ready = lines.any(|line| line.contains("starting service"));
    // What it says later goes nowhere, and must not stop it.
    std::thread::spawn(move || lines.for_each(drop));
    if !ready {
        let _ = child.wait();
    }
    ready.then_some(child)
}
