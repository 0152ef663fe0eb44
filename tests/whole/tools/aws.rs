//! boto3, with made-up keys in its environment, against moto; every signature is checked by botocore, AWS's own library.

use harness::{Canary, Lab, User};

use super::{Server, elsewhere, made, run};
use crate::programs::{TOOLS_AWS, TOOLS_BOTO3};

const NAMES: [&str; 4] = [
    "s3.amazonaws.com",
    "bucket.s3.amazonaws.com",
    "bucket.s3.us-east-1.amazonaws.com",
    "sts.us-east-1.amazonaws.com",
];

/// The workload's own. Signed with these, a request is refused.
const MADE_UP: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "no-key-at-all"),
    ("AWS_DEFAULT_REGION", "us-east-1"),
];

const SIGNED: &str = r#"
allowedHosts: [s3.amazonaws.com, bucket.s3.amazonaws.com, bucket.s3.us-east-1.amazonaws.com, sts.us-east-1.amazonaws.com]
outbound: aws
handlers: { aws: { sign: { aws: { accessKeyId: ID, secretAccessKey: KEY } } } }
secrets:
  ID: { env: REAL_ID, hosts: ["*.amazonaws.com"] }
  KEY: { env: REAL_KEY, hosts: ["*.amazonaws.com"] }
"#;

fn server(lab: &Lab, id: &Canary) -> Server {
    let python = made("moto", "bin/python");
    let environment = [("KEY_ID", id.value()), ("KEY", lab.canary.value()), ("HOME", "/nonexistent")];
    Server::start(lab, &NAMES, (&[&python, "-c", TOOLS_AWS], &[]), &environment)
}

/// The words of boto3, and of the server, under a policy.
fn boto3(lab: &Lab, id: &Canary, policy: &str, key: &str) -> (String, Vec<String>) {
    let (server, elsewhere) = (server(lab, id), elsewhere(lab));
    let environment = [&MADE_UP[..], &[("REAL_ID", id.value()), ("REAL_KEY", key)]].concat();
    let program = lab.write("work/boto.py", TOOLS_BOTO3);
    let script = format!("exec {} {}", made("moto", "bin/python"), program.display());
    let finished = run(lab, (policy, &environment), (&[&server], &elsewhere), &script, &[&lab.canary, id]);
    (finished.stdout, server.told())
}

#[test]
fn boto3_with_keys_that_are_made_up() {
    let (lab, id) = (Lab::new(User::Root), Canary::new());
    let (stdout, told) = boto3(&lab, &id, SIGNED, lab.canary.value());
    let ways = ["with a hash", "with a trailer", "without a hash"];
    let keys: Vec<_> = ways.iter().map(|way| format!("'{way}/a+b=\u{fc}~'")).collect();
    assert_eq!(stdout, format!("['bucket']\n[{}]\n123456789012\n", keys.join(", ")));
    for expected in [
        "PUT s3 header hash",
        "PUT s3 header STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "PUT s3 header STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "PUT s3 header UNSIGNED-PAYLOAD",
        "PUT s3 presigned -",
        "GET s3 presigned -",
        "GET s3 header hash",
        "POST s3 header hash",
        "POST sts header -",
    ] {
        assert!(told.iter().any(|line| line == expected), "{expected} is not among {told:#?}");
    }
    assert!(!told.iter().any(|line| line.ends_with("refused")), "{told:#?}");
}

/// So a wrong signature would be noticed: as the workload signs it, and as another key does.
#[test]
fn boto3_with_a_wrong_signature() {
    for policy in [&SIGNED.replace("outbound: aws\n", ""), SIGNED] {
        let (lab, id) = (Lab::new(User::Root), Canary::new());
        let (stdout, told) = boto3(&lab, &id, policy, "another key");
        assert_eq!(stdout, "SignatureDoesNotMatch\n");
        assert_eq!(told, ["PUT refused"]);
    }
}
