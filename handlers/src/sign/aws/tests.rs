//! AWS's own examples: requests with the text to sign and the signature, in headers and presigned.
//!
//! They come with AWS's library for Rust, and were made for requests whose targets are not escaped yet; so paths are escaped once
//! here for every service, as their settings say.

use std::{fs, path::Path};

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::*;

/// One example.
struct Example {
    folder: std::path::PathBuf,
    settings: Value,
}

impl Example {
    fn file(&self, name: &str) -> String {
        let path = self.folder.join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn credential(&self, name: &str) -> Option<&str> {
        self.settings["credentials"][name].as_str()
    }

    fn is(&self, setting: &str) -> bool {
        self.settings[setting].as_bool().unwrap_or_default()
    }

    fn signer(&self) -> Signer {
        let text = |name: &str| self.settings[name].as_str().unwrap().to_owned();
        assert_eq!(text("timestamp"), "2015-08-30T12:36:00Z");
        let stamp =
            Stamp::at(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_440_938_160)).unwrap();
        let place = Place { region: text("region"), service: text("service") };
        Signer::new(self.credential("secret_access_key").unwrap(), stamp, &place)
    }

    /// Method, path, query, headers and body.
    fn request(&self) -> (String, String, Query, HeaderMap, String) {
        let text = self.file("request.txt").replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or_else(|| (text.trim_end(), ""));
        // A value may go on in the next line.
        let head = head.replace("\n  ", " ");
        let mut lines = head.lines();
        let (method, rest) = lines.next().unwrap().split_once(' ').unwrap();
        let target = rest.strip_suffix(" HTTP/1.1").unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(name.parse::<HeaderName>().unwrap(), value);
        }
        let normal = if self.is("normalize") { target::normalised(path) } else { path.to_owned() };
        (method.to_owned(), target::strict(&normal), Query::parse(query), headers, body.to_owned())
    }
}

fn examples() -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/aws-sigv4/v4");
    assert!(folder.exists(), "{} is missing; fetch it first: make target/aws-sigv4", folder.display());
    let folders = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    // Two have no settings, and concern escaping alone.
    let whole = folders.filter(|folder| folder.join("context.json").exists());
    let parsed = whole.map(|folder| {
        let settings = fs::read_to_string(folder.join("context.json")).unwrap();
        Example { settings: serde_json::from_str(&settings).unwrap(), folder }
    });
    parsed.collect()
}

fn name(text: &str) -> HeaderName {
    text.parse().unwrap()
}

#[test]
fn headers_of_awss_examples() {
    let examples = examples();
    assert_eq!(examples.len(), 38);
    for example in &examples {
        let (signer, (method, path, query, mut headers, body)) = (example.signer(), example.request());
        headers.insert("x-amz-date", signer.stamp().to_string().parse().unwrap());
        if let Some(token) = example.credential("token").filter(|_| !example.is("omit_session_token")) {
            headers.insert(name("x-amz-security-token"), token.parse().unwrap());
        }
        let payload = hash(body.as_bytes());
        if example.is("sign_body") {
            headers.insert(PAYLOAD, payload.parse().unwrap());
        }
        let headers = canonical::chosen(&headers, |_| true);
        let text = canonical::text(&method, &path, &query.signed(), &headers, &payload);
        let folder = example.folder.display();
        assert_eq!(String::from_utf8_lossy(&text), example.file("header-canonical-request.txt"), "{folder}");
        let signature = signer.sign(key::ALGORITHM, &[&hash(&text)]);
        assert_eq!(signature, example.file("header-signature.txt").trim(), "{folder}");
    }
}

#[test]
fn presigned_urls_of_awss_examples() {
    for example in &examples() {
        let (signer, (method, path, mut query, headers, body)) = (example.signer(), example.request());
        let headers = canonical::chosen(&headers, |_| true);
        let credential = format!("{}/{}", example.credential("access_key_id").unwrap(), signer.scope());
        query.push("X-Amz-Algorithm", key::ALGORITHM);
        query.push("X-Amz-Credential", &credential);
        query.push("X-Amz-Date", &signer.stamp().to_string());
        query.push("X-Amz-Expires", &example.settings["expiration_in_seconds"].to_string());
        query.push("X-Amz-SignedHeaders", &canonical::names(&headers));
        if let Some(token) = example.credential("token").filter(|_| !example.is("omit_session_token")) {
            query.push("X-Amz-Security-Token", token);
        }
        let text = canonical::text(&method, &path, &query.signed(), &headers, &hash(body.as_bytes()));
        let folder = example.folder.display();
        assert_eq!(String::from_utf8_lossy(&text), example.file("query-canonical-request.txt"), "{folder}");
        let signature = signer.sign(key::ALGORITHM, &[&hash(&text)]);
        assert_eq!(signature, example.file("query-signature.txt").trim(), "{folder}");
    }
}
