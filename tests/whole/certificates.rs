//! Upstreams with certificates good and bad, of every kind that is known to have been taken for good somewhere; revocation by list
//! and by staple; and who we are to those that ask. Whoever is refused gets no byte of a request, and so no credential.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};

use harness::{Lab, Running, User, for_each_user};
use serde_json::Value;

use crate::programs::{CERTIFICATES, CERTIFICATES_ASK, PYTHON};

for_each_user!(every_certificate, files_that_are_wrong, the_key_is_hidden, sessions_are_resumed);

const POLICY: &str = r#"
allowedHosts: ["*.test", 192.0.2.0/24]
outbound: token
handlers: { token: { inject: { x-auth-token: "${API_TOKEN}" } } }
secrets: { API_TOKEN: { env: API_TOKEN } }
"#;

/// The servers, which know what should become of each.
struct Servers {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    told: Value,
}

impl Servers {
    fn start(lab: &Lab) -> Self {
        let mut command = User::Root.command(PYTHON);
        let folder = lab.directory("pki");
        command.args(["-W", "ignore", "-c", CERTIFICATES]).arg(&folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        for file in std::fs::read_dir(&folder).unwrap() {
            lab.user.own(&file.unwrap().path());
        }
        Self { child, lines, told: serde_json::from_str(&line).unwrap() }
    }

    /// How many bytes each was sent.
    fn received(mut self) -> Value {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        serde_json::from_str(&rest).unwrap()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The roots, lists and identities of the servers' hosts.
fn upstream_tls(folder: &Path) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    let (roots, listed, lists) = (file("roots.pem"), file("listed.pem"), file("lists.pem"));
    let identity = format!("{{ certificate: {}, key: {} }}", file("client.pem"), file("client-key.pem"));
    format!(
        "upstreamTls:
- {{ hosts: '*', roots: {roots} }}
- {{ hosts: '*.l.test', roots: {listed}, crls: {lists} }}
- {{ hosts: '*.strict.test', roots: {listed}, crls: {lists}, requireStatus: true }}
- {{ hosts: '*.id.test', roots: {roots}, clientCertificate: {identity} }}"
    )
}

fn every_certificate(user: User) {
    let lab = Lab::new(user);
    let servers = Servers::start(&lab);
    let cases = servers.told["cases"].as_array().unwrap().clone();
    assert!(cases.len() > 80, "{}", cases.len());
    let policy =
        format!("{POLICY}\nresolve: {}\n{}", servers.told["resolve"], upstream_tls(&lab.path("pki")));
    let hosts: Vec<&str> = cases.iter().map(|case| case["host"].as_str().unwrap()).collect();
    let command = [&[PYTHON, "-c", CERTIFICATES_ASK], &hosts[..]].concat();
    let finished = lab.run(&policy, &[]).start(&command).finish_abrupt().ok();
    let received = servers.received();
    let answers = finished.json_lines();
    assert_eq!(answers.len(), cases.len());
    let mut wrong = Vec::new();
    for (case, answer) in cases.iter().zip(&answers) {
        let (host, expected) = (case["host"].as_str().unwrap(), case["expected"].as_str().unwrap());
        let got = answer["got"].as_str().unwrap();
        let is_refused = expected.starts_with("upstream");
        let sent = received[host].as_u64().unwrap_or(0);
        let record = finished
            .audit
            .exchanges()
            .into_iter()
            .find(|record| record["authority"] == format!("{host}:443"));
        let noted = record.is_some_and(|record| !is_refused || record["error"] == expected);
        if !got.starts_with(expected) || (is_refused && sent > 0) || !noted {
            wrong.push(format!("{case}: {got}, {sent} bytes sent, {record:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Nothing is in force with a file that cannot be used, and the fault names it.
fn files_that_are_wrong(user: User) {
    let lab = Lab::new(user);
    let good = lab.ca.client_pem();
    let (certificate, key) = good.split_at(good.find("-----BEGIN PRIVATE").unwrap());
    let other = lab.ca.client_pem();
    let other = &other[other.find("-----BEGIN PRIVATE").unwrap()..];
    for (name, text) in
        [("good.pem", certificate), ("good.key", key), ("other.key", other), ("empty.pem", "")]
    {
        lab.write(name, text);
    }
    lab.write("locked.key", &key.replace(" PRIVATE", " ENCRYPTED PRIVATE"));
    lab.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    lab.write("broken.crl", "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n");
    let identity = |certificate: &str, key: &str| {
        format!("clientCertificate: {{ certificate: {certificate}, key: {key} }}")
    };
    for (entry, expected) in [
        ("roots: none.pem".to_owned(), "none.pem: No such file"),
        ("roots: empty.pem".to_owned(), "empty.pem: it holds no certificate"),
        ("roots: broken.pem".to_owned(), "broken.pem: it is not PEM"),
        ("roots: .".to_owned(), "it is no regular file"),
        ("crls: good.pem".to_owned(), "good.pem: it holds no revocation list"),
        ("crls: broken.crl".to_owned(), "broken.crl: "),
        (identity("good.pem", "other.key"), "other.key: it is not the key of the certificate"),
        (identity("good.pem", "locked.key"), "locked.key: its key is encrypted"),
        (identity("good.pem", "good.pem"), "good.pem: it holds no private key"),
        (identity("good.key", "good.key"), "good.key: it holds no certificate"),
        (identity("good.pem", "none.key"), "none.key: No such file"),
    ] {
        let policy = lab.write("policy.yaml", &format!("upstreamTls: [{{ hosts: a.test, {entry} }}]"));
        let output = lab.cli(&["run", "--policy", policy.to_str().unwrap(), "--", "/bin/true"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(expected), "{entry}: {told}");
        assert!(!told.contains(key.lines().nth(1).unwrap()), "{told}");
    }
}

/// A private key is a credential: the command does not see it, and one that it has seen is not used.
fn the_key_is_hidden(user: User) {
    let lab = Lab::new(user);
    let good = lab.ca.client_pem();
    let (certificate, key) = good.split_at(good.find("-----BEGIN PRIVATE").unwrap());
    let paths = [("own.pem", certificate), ("own.key", key)].map(|(name, text)| lab.write(name, text));
    let [certificate, key] = paths.each_ref().map(|path| path.to_str().unwrap());
    let entry = format!(
        "upstreamTls: [{{ hosts: a.test, clientCertificate: {{ certificate: {certificate}, key: {key} }} }}]"
    );
    let script = "import sys\nprint(*(len(open(path).read()) > 0 for path in sys.argv[1:]), flush=True)\nsys.stdin.read()";
    let command = [PYTHON, "-c", script, certificate, key];
    let mut running = lab.run(&entry, &[]).start(&command);
    assert_eq!(running.hear(), "True False");
    drop(running);
    let mut running = lab.run("", &[]).start(&command);
    assert_eq!(running.hear(), "True True");
    let output = running.apply(&entry);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("was not hidden from the workload"), "{told}");
}

/// A second connection resumes the session of the first, also one that was opened with an identity; none outlives its generation.
fn sessions_are_resumed(user: User) {
    let lab = Lab::new(user);
    let servers = Servers::start(&lab);
    let text = |more: &str| {
        let resolve = format!("resolve: {}", servers.told["resolve"]);
        format!("allowedHosts: ['*.test']\n{resolve}\n{}\n{more}", upstream_tls(&lab.path("pki")))
    };
    let mut running = lab.run(&text(""), &[]).start(&[PYTHON, "-c", CERTIFICATES_ASK]);
    let ask = |running: &mut Running<'_>, host: &str| {
        let answer: Value = serde_json::from_str(&running.ask(host)).unwrap();
        answer["got"].as_str().unwrap().to_owned()
    };
    for (host, who) in
        [("tls12.v.test", "nobody"), ("quiet.id.test", "nobody"), ("mine.id.test", "the client")]
    {
        assert_eq!(ask(&mut running, host), format!("ok {who} False"), "{host}");
        assert_eq!(ask(&mut running, host), format!("ok {who} True"), "{host}");
        assert!(running.apply(&text("limits: { connectTimeoutMs: 9000 }")).status.success());
        assert_eq!(ask(&mut running, host), format!("ok {who} False"), "{host}");
    }
    let _ = running.finish_abrupt().ok();
}
