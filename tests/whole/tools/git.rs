//! git over HTTPS, against git's own server behind Basic auth: the whole way of a private repository, there and back.

use harness::{Lab, User, for_each_user};

use super::{ELSEWHERE, Server, elsewhere, run, strays};
use crate::programs::{PYTHON, SH, TOOLS_GIT};

for_each_user!(with_a_placeholder, with_nothing);

const NAME: &str = "git.example.test";
/// The same server, under a name that the secret is not for.
const MIRROR: &str = "mirror.example.test";

/// A private repository with some history, and its server.
fn server(lab: &Lab) -> Server {
    let served = lab.directory("served");
    let make = r#"git init -q --bare code.git && for number in $(seq 40); do
printf 'commit refs/heads/master\ncommitter a <a@b> %s +0000\ndata 1\nx\nM 644 inline file\ndata 2\n%s\n\n' $number $((number % 10))
done | git -C code.git fast-import --quiet"#;
    let mut command = User::Root.command(SH);
    command.args(["-c", make]).current_dir(&served).env("HOME", lab.path("home"));
    assert!(command.status().unwrap().success());
    let account = format!("me:{}", lab.canary.value());
    let words = [PYTHON, "-c", TOOLS_GIT];
    Server::start(lab, &[NAME, MIRROR], (&words, &[served.to_str().unwrap()]), &[("ACCOUNT", &account)])
}

/// Clones, commits more than git holds in one piece, pushes, and fetches into another clone that has a history of its own: longer than what
/// git says of it uncompressed.
const THERE_AND_BACK: &str = r#"
export GIT_TERMINAL_PROMPT=0 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
there_and_back() {
    git clone -q "$1" one
    git clone -q "$1" two
    head -c 1500000 /dev/urandom > one/large
    git -C one add large
    git -C one commit -q -m more
    git -C one push -q
    for number in $(seq 101 140); do
        printf 'commit refs/heads/own\ncommitter a <a@b> %s +0000\ndata 1\nx\n\n' $number
    done | git -C two fast-import --quiet
    git -C two fetch -q
    test "$(git -C one rev-parse HEAD)" = "$(git -C two rev-parse origin/master)"
    rm -rf one two
    echo there and back
}
"#;

fn assert_served(server: Server) {
    let told = server.told();
    for expected in [
        "GET refs plain length",
        "POST git-upload-pack plain length",
        "POST git-upload-pack gzip length",
        "POST git-receive-pack plain chunked",
    ] {
        assert!(told.iter().any(|line| line == expected), "{expected} is not among {told:#?}");
    }
}

/// As a part of the address, from a helper, and from a program that is asked.
fn with_a_placeholder(user: User) {
    let lab = Lab::new(user);
    let (server, elsewhere) = (server(&lab), elsewhere(&lab));
    let policy = r#"
allowedHosts: [git.example.test, mirror.example.test]
secrets: { GIT: { env: API_TOKEN, hosts: [git.example.test], placeholder: { env: GIT_TOKEN } } }
"#;
    let script = format!(
        r#"{THERE_AND_BACK}
there_and_back "https://me:$GIT_TOKEN@{NAME}/code.git"
if git clone -q "https://me:$GIT_TOKEN@{MIRROR}/code.git"; then exit 1; fi
printf '#!/bin/sh\ncase $1 in User*) echo me ;; *) echo "$GIT_TOKEN" ;; esac\n' > ask
chmod +x ask
GIT_ASKPASS=$PWD/ask there_and_back https://{NAME}/code.git
git config --global credential.helper '!f() {{ echo username=me; echo "password=$GIT_TOKEN"; }}; f'
there_and_back https://{NAME}/code.git"#
    );
    let finished = run(&lab, (policy, &[]), (&[&server], &elsewhere), &script, &[&lab.canary]);
    assert_eq!(finished.stdout, "there and back\n".repeat(3));
    // git says who it is when it is asked.
    assert_eq!(strays(&finished), 1);
    assert_served(server);
}

/// Nor is git asked for anything.
fn with_nothing(user: User) {
    let lab = Lab::new(user);
    let (server, elsewhere) = (server(&lab), elsewhere(&lab));
    let policy = r#"
allowedHosts: [git.example.test, elsewhere.example.test]
outboundByHost: { git.example.test: git }
handlers: { git: { basic: { username: me, password: "${GIT}" } } }
secrets: { GIT: { env: API_TOKEN, hosts: [git.example.test] } }
"#;
    let script = format!(
        "{THERE_AND_BACK}\nthere_and_back https://{NAME}/code.git
if git clone -q https://{ELSEWHERE}/code.git; then exit 1; fi"
    );
    let finished = run(&lab, (policy, &[]), (&[&server], &elsewhere), &script, &[&lab.canary]);
    assert_eq!(finished.stdout, "there and back\n");
    assert_eq!(elsewhere.requests().len(), 1);
    assert_served(server);
}
