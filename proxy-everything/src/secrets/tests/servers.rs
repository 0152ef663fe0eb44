//! Real servers that hand out secrets, each on a port of its own. They end with the value.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use http::Method;
use rustls::RootCertStore;
use serde_json::{Value as Json, json};

use crate::secrets::http::Http;

fn built(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(path);
    assert!(path.exists(), "{} is not there: `make test` makes it", path.display());
    path
}

/// Servers in Python.
pub(super) struct Servers {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub(super) hello: Json,
}

impl Servers {
    pub(super) fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/secrets/tests/servers.py");
        let mut command = Command::new(built("token-servers/bin/python"));
        command.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().expect("start the servers");
        let (orders, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut servers = Self { child, orders, answers, hello: Json::Null };
        servers.hello = servers.line();
        servers
    }

    /// Something of the first line.
    pub(super) fn told(&self, name: &str) -> &str {
        self.hello[name].as_str().unwrap()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.hello["plain"])
    }

    pub(super) fn secure(&self, host: &str) -> String {
        format!("https://{host}:{}/token", self.hello["secure"])
    }

    /// Gives an order, and what the servers have seen until then.
    pub(super) fn order(&mut self, order: Json) -> Json {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
        self.line()
    }

    /// What was asked of `path`, in order.
    pub(super) fn seen(&mut self, path: &str) -> Vec<Json> {
        self.order(json!({}))["seen"][path].as_array().cloned().unwrap_or_default()
    }

    fn line(&mut self) -> Json {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("the servers' words")
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
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
