//! Placeholders: texts that the workload holds, and that become secrets on the way to their hosts and nowhere else.

use base64::Engine as _;
use harness::{Finished, HOST, Lab, Settings, User, Workload, for_each_user};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{curl, fingerprint, header};
use crate::programs::{CURL, DIALOGUE, PYTHON, SH};

for_each_user!(
    swapped_wherever_they_stand,
    only_where_they_may_stand,
    refused_anywhere_else,
    in_the_environment_in_the_place_of_the_secret,
    the_same_for_as_long_as_the_instance_lives,
);

const POLICY: &str = r#"
allowedHosts: ["*.example.test"]
secrets:
  T:
    env: API_TOKEN
    hosts: [{ host: api.example.test, methods: [GET, POST] }]
    placeholder: { env: FAKE, format: "ghp_{36}" }
"#;

fn settings() -> Settings {
    Settings { names: vec![HOST.to_owned(), "other.example.test".to_owned()], ..Settings::default() }
}

/// The styles and places of the secrets in each record.
fn used(finished: &Finished) -> Vec<Value> {
    finished.audit.exchanges().iter().map(|record| record["secrets"].clone()).collect()
}

fn swapped_wherever_they_stand(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(settings());
    let token = lab.canary.value();
    let requests = [
        r#"-H "x-auth-token: $FAKE" https://api.example.test/token"#,
        r#"-H "x: a $FAKE b $FAKE c" https://api.example.test/"#,
        r#"-u "me:$FAKE" https://api.example.test/"#,
        r#""https://api.example.test/a/$FAKE/b?k=$FAKE&l=1""#,
        r#"-d "k=$FAKE&l" https://api.example.test/upload -o body.txt"#,
    ];
    let (statuses, finished) = curl(lab.run(POLICY, &[&origin]), &requests);
    assert_eq!(statuses, ["200"; 5]);
    let seen = origin.requests();
    assert_eq!(header(&seen, 0, "x-auth-token"), [token]);
    assert_eq!(header(&seen, 1, "x"), [format!("a {token} b {token} c")]);
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("me:{token}"));
    assert_eq!(header(&seen, 2, "authorization"), [format!("Basic {basic}")]);
    assert_eq!(seen[3].uri.path_and_query().unwrap(), &format!("/a/{token}/b?k={token}&l=1"));
    let told: Value =
        serde_json::from_str(&std::fs::read_to_string(lab.path("work/body.txt")).unwrap()).unwrap();
    assert_eq!(told["sha256"], format!("{:x}", Sha256::digest(format!("k={token}&l"))));
    let fingerprint = fingerprint(token);
    let one = |place: &str| json!([{ "name": "T", "fingerprint": fingerprint, "style": "placeholder", "where": place }]);
    let used = used(&finished);
    assert_eq!(used[0], one("header:x-auth-token"));
    assert_eq!(used[2], one("basic"));
    assert_eq!(used[4], one("body"));
}

fn only_where_they_may_stand(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(settings());
    let policy = POLICY.replace("format: \"ghp_{36}\"", "value: a-made-up-token-1, in: [headers]");
    let requests = [
        r#"-H "x-auth-token: a-made-up-token-1" https://api.example.test/token"#,
        r#"-H "x: 1" https://api.example.test/a-made-up-token-1"#,
    ];
    let (statuses, _) = curl(lab.run(&policy, &[&origin]), &requests);
    assert_eq!(statuses, ["200", "200"]);
    assert_eq!(origin.requests()[1].uri.path(), "/a-made-up-token-1", "it stays what it is");
}

fn refused_anywhere_else(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(settings());
    let requests = [
        r#"-H "x: $FAKE" https://other.example.test/"#,
        r#"-u "me:$FAKE" https://other.example.test/"#,
        r#""https://other.example.test/?k=$FAKE""#,
        r#"-d "k=$FAKE" https://other.example.test/upload"#,
        r#"-X DELETE -H "x: $FAKE" https://api.example.test/"#,
        r#"-H "x: $FAKE" http://api.example.test/"#,
    ];
    let (statuses, finished) = curl(lab.run(POLICY, &[&origin]), &requests);
    assert_eq!(statuses, ["403"; 6]);
    let records = finished.audit.exchanges();
    for record in &records {
        assert_eq!(
            (&record["error"], &record["decision"]),
            (&json!("placeholder_elsewhere"), &json!("deny"))
        );
        assert!(record["secrets"].is_null() && record["stray"]["name"] == "T", "{record}");
    }
    assert_eq!(records[0]["stray"]["where"], "head");
    assert!(origin.requests().iter().all(|seen| seen.uri.path() == "/upload"), "a body may be under way");
    assert_eq!(origin.received(), 0);
}

fn in_the_environment_in_the_place_of_the_secret(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(settings());
    let policy = POLICY.replace("env: FAKE, format: \"ghp_{36}\"", "env: API_TOKEN");
    let script =
        format!("echo ${{API_TOKEN}} && {CURL} -sS -H \"x-auth-token: $API_TOKEN\" https://{HOST}/token");
    let finished = lab.run(&policy, &[&origin]).finish(&[SH, "-c", &script]).ok();
    let (fake, answer) = finished.stdout.split_once('\n').unwrap();
    assert!(fake.starts_with("pe_") && fake.len() == 43, "{fake}");
    assert_eq!(answer, "the token is right\n");
}

fn the_same_for_as_long_as_the_instance_lives(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(settings());
    let print = "import os; print(os.environ['FAKE'], flush=True)\n";
    let program = format!("{print}{DIALOGUE}");
    let mut running = lab.run(POLICY, &[&origin]).start(&[PYTHON, "-c", &program, HOST]);
    let fake = running.hear();
    // Its name is looked up while it may be.
    assert!(running.ask("GET /").starts_with("200"));
    let told = |running: &harness::Running<'_>| {
        running.admin("GET", "/v1/placeholders", "").json()["placeholders"].clone()
    };
    let expected = json!([{ "secret": "T", "env": "FAKE", "value": fake }]);
    assert_eq!(told(&running), expected);
    assert!(running.apply("allowedHosts: []").status.success());
    assert_eq!(told(&running), json!([]));
    assert!(running.apply(POLICY).status.success());
    assert_eq!(told(&running), expected);
    let socket = running.socket();
    let printed = lab.cli(&["placeholders", "--socket", socket.to_str().unwrap()]);
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), format!("FAKE={fake}\n"));
    assert!(running.ask(&format!("GET /{fake}")).starts_with("200"));
    assert_eq!(origin.requests()[1].uri.path(), format!("/{}", lab.canary.value()));
    let _ = running.finish().ok();
}

#[test]
fn they_outlive_the_proxy() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let (pid, id) = (workload.pid().to_string(), workload.id());
    let mut attached = lab.attach(POLICY, &[], &["--pid", &pid]);
    assert_eq!(attached.hear(), format!("attached {id}"));
    let before = attached.admin(&id, "GET", "/v1/placeholders").json();
    assert!(before["placeholders"][0]["value"].as_str().unwrap().starts_with("ghp_"), "{before}");
    attached.kill_worker();
    let after = attached.admin(&id, "GET", "/v1/placeholders").json();
    assert_eq!(after, before);
    let _ = attached.stop();
}
