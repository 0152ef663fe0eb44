//! Real clients, with no flags and no configuration, reach the origin with a token that they never had.
//!
//! Every test checks both ends: what the client says, and what the origin saw. That no client saw the token is an
//! invariant of the harness.

use harness::{HOST, Lab, Origin, Settings, TOKEN_POLICY, User, for_each_user};

use crate::programs::{CURL, FETCH, GIT, NODE, PYTHON, STRICT};

for_each_user!(curl, curl_to_any_address, python, node, git_clone, the_workloads_own_token_is_replaced);

const RIGHT: &str = "the token is right\n";
const URL: &str = "https://api.example.test/token";

fn curl(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    for family in ["-4", "-6"] {
        let finished = lab.run(TOKEN_POLICY, &[&origin]).finish(&[CURL, "-sS", family, URL]).ok();
        assert_eq!(finished.stdout, RIGHT, "curl {family}");
        assert_eq!(finished.audit.exchanges().len(), 1);
    }
    assert_tokens(&lab, &origin, 2);
}

fn curl_to_any_address(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    for address in ["198.51.100.9", "[2001:db8::9]", "10.1.2.3", "169.254.169.254"] {
        let resolve = format!("{HOST}:443:{address}");
        let finished =
            lab.run(TOKEN_POLICY, &[&origin]).finish(&[CURL, "-sS", "--resolve", &resolve, URL]).ok();
        assert_eq!(finished.stdout, RIGHT, "{address}");
        let picked = finished.audit.exchanges()[0]["destination"].as_str().unwrap().to_owned();
        assert!(picked.starts_with(address), "{picked} is not {address}");
    }
    assert_tokens(&lab, &origin, 4);
}

fn python(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let finished = lab.run(TOKEN_POLICY, &[&origin]).finish(&[PYTHON, "-c", STRICT, URL]).ok();
    assert_eq!(finished.stdout, "200 the token is right\n".repeat(2));
    assert_tokens(&lab, &origin, 2);
}

fn node(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let finished = lab.run(TOKEN_POLICY, &[&origin]).finish(&[NODE, "-e", FETCH, URL]).ok();
    assert_eq!(finished.stdout, "200 the token is right\n".repeat(2));
    assert_tokens(&lab, &origin, 2);
}

fn git_clone(user: User) {
    let lab = Lab::new(user);
    let files = lab.directory("served");
    let served = files.join("code.git");
    let make = format!(
        "git init -q work && cd work && echo 'fn main() {{}}' > main.rs && git add . &&
         git -c user.name=a -c user.email=a@b commit -q -m one && git clone -q --bare . '{0}' &&
         git -C '{0}' update-server-info",
        served.display()
    );
    let mut command = lab.user.command("/bin/sh");
    command.args(["-c", &make]).env("HOME", lab.path("home")).current_dir(lab.path("home"));
    assert!(command.status().unwrap().success());
    let origin = lab.origin(Settings { files: Some(files), ..Settings::default() });
    let clone = [GIT, "clone", "-q", "https://api.example.test/files/code.git", "cloned"];
    let _ = lab.run(TOKEN_POLICY, &[&origin]).finish(&clone).ok();
    assert_eq!(std::fs::read_to_string(lab.path("work/cloned/main.rs")).unwrap(), "fn main() {}\n");
    assert_tokens(&lab, &origin, origin.requests().len());
}

fn the_workloads_own_token_is_replaced(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let own = ["-H", "x-auth-token: mine", "-H", "X-Auth-Token: mine too", "-H", "X_Auth_Token: and mine"];
    let finished = lab.run(TOKEN_POLICY, &[&origin]).finish(&[&[CURL, "-sS", URL][..], &own].concat()).ok();
    assert_eq!(finished.stdout, RIGHT);
    assert!(!origin.requests()[0].headers.contains_key("x_auth_token"));
}

fn assert_tokens(lab: &Lab, origin: &Origin, requests: usize) {
    let seen = origin.requests();
    assert_eq!(seen.len(), requests);
    for request in seen {
        assert_eq!(request.headers["x-auth-token"], lab.canary.value(), "{}", request.uri);
    }
}
