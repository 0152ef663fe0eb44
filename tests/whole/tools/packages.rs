//! pip and npm, against a private index and a private registry: pypiserver and verdaccio.

use harness::{Canary, Lab, User};

use super::{ELSEWHERE, Server, elsewhere, made, run, strays};
use crate::programs::{NODE, NPM, TOOLS_NPM, TOOLS_PYPI};

const INDEX: &str = "pypi.example.test";
const REGISTRY: &str = "npm.example.test";

fn index(lab: &Lab) -> Server {
    let (python, folder) = (made("python-tools", "bin/python"), lab.directory("packages"));
    let account = format!("build:{}", lab.canary.value());
    let words = [&python, "-c", TOOLS_PYPI];
    Server::start(lab, &[INDEX], (&words, &[folder.to_str().unwrap()]), &[("ACCOUNT", &account)])
}

/// Installs the package from the index, and only then has it.
fn pip_install() -> String {
    let python = made("python-tools", "bin/python");
    format!(
        "export PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
pip_install() {{ {python} -m pip install -q --target site private-thing; }}
if pip_install 2> refused; then exit 1; fi\n",
    )
}

const IMPORT: &str = "import sys; sys.path.insert(0, 'site'); import private_thing";

/// As a part of the address, and from the file of passwords that pip shares with others.
#[test]
fn pip_with_a_placeholder() {
    let lab = Lab::new(User::Root);
    let (server, elsewhere) = (index(&lab), elsewhere(&lab));
    let policy = r#"
allowedHosts: [pypi.example.test, elsewhere.example.test]
secrets: { PYPI: { env: API_TOKEN, hosts: [pypi.example.test], placeholder: { env: PYPI_TOKEN } } }
"#;
    let python = made("python-tools", "bin/python");
    let script = format!(
        r#"export PIP_INDEX_URL="https://{INDEX}/simple/"
{}
export PIP_INDEX_URL="https://build:$PYPI_TOKEN@{INDEX}/simple/"
pip_install
{python} -c "{IMPORT}"
rm -r site
export PIP_INDEX_URL="https://build:$PYPI_TOKEN@{ELSEWHERE}/simple/"
if pip_install 2> refused; then exit 1; fi
export PIP_INDEX_URL="https://{INDEX}/simple/"
echo "machine {INDEX} login build password $PYPI_TOKEN" > ~/.netrc
pip_install
{python} -c "{IMPORT}""#,
        pip_install()
    );
    let finished = run(&lab, (policy, &[]), (&[&server], &elsewhere), &script, &[&lab.canary]);
    assert_eq!(finished.stdout, "installed\n".repeat(2));
    assert!(strays(&finished) > 0 && elsewhere.requests().is_empty());
}

#[test]
fn pip_with_nothing() {
    let lab = Lab::new(User::Root);
    let (server, elsewhere) = (index(&lab), elsewhere(&lab));
    let policy = r#"
allowedHosts: [pypi.example.test, elsewhere.example.test]
outboundByHost: { pypi.example.test: pypi }
handlers: { pypi: { basic: { username: build, password: "${PYPI}" } } }
secrets: { PYPI: { env: API_TOKEN, hosts: [pypi.example.test] } }
"#;
    let python = made("python-tools", "bin/python");
    let script = format!(
        r#"export PIP_INDEX_URL="https://{ELSEWHERE}/simple/"
{}
export PIP_INDEX_URL="https://{INDEX}/simple/"
pip_install
{python} -c "{IMPORT}""#,
        pip_install()
    );
    let finished = run(&lab, (policy, &[]), (&[&server], &elsewhere), &script, &[&lab.canary]);
    assert_eq!(finished.stdout, "installed\n");
    assert!(!elsewhere.requests().is_empty());
}

/// A registry, with the token that it gave.
fn registry(lab: &Lab) -> (Server, Canary) {
    let (verdaccio, folder) = (made("verdaccio", ""), lab.directory("packages"));
    let program = lab.write("registry.cjs", TOOLS_NPM);
    let words = [NODE, program.to_str().unwrap(), &verdaccio];
    let mut server = Server::start(lab, &[REGISTRY], (&words, &[folder.to_str().unwrap()]), &[]);
    let token = Canary::of(&server.hear());
    (server, token)
}

/// Publishes with a placeholder, and installs with one; then without anything, where the policy adds the token.
#[test]
fn npm() {
    let lab = Lab::new(User::Root);
    let ((server, token), elsewhere) = (registry(&lab), elsewhere(&lab));
    let environment = [("API_TOKEN", token.value())];
    let prepare = r#"export npm_config_update_notifier=false npm_config_audit=false npm_config_fund=false
install() { rm -rf app; mkdir app; cp npmrc app/.npmrc; (cd app; npm install --loglevel error @me/private-thing > log 2>&1); }
show() { (cd app; node -e 'require("@me/private-thing")'); }
"#
    .replace("npm install", &format!("{NPM} install"))
    .replace("node -e", &format!("{NODE} -e"));
    let policy = r#"
allowedHosts: [npm.example.test, elsewhere.example.test]
secrets: { NPM: { env: API_TOKEN, hosts: [npm.example.test], placeholder: { env: NPM_TOKEN, format: "npm_{36}" } } }
"#;
    let script = format!(
        r#"{prepare}
cat > npmrc <<'END'
@me:registry=https://{REGISTRY}/
//{REGISTRY}/:_authToken=${{NPM_TOKEN}}
END
mkdir thing
echo '{{ "name": "@me/private-thing", "version": "1.0.0" }}' > thing/package.json
echo 'console.log("installed")' > thing/index.js
cp npmrc thing/.npmrc
(cd thing; {NPM} publish --loglevel error > log 2>&1) || {{ cat thing/log; exit 1; }}
install || {{ cat app/log; exit 1; }}
show
sed -i s/{REGISTRY}/{ELSEWHERE}/ npmrc
if install; then exit 1; fi"#
    );
    let secrets = [&lab.canary, &token];
    let finished = run(&lab, (policy, &environment), (&[&server], &elsewhere), &script, &secrets);
    assert_eq!(finished.stdout, "installed\n");
    assert!(strays(&finished) > 0 && elsewhere.requests().is_empty());

    let policy = r#"
allowedHosts: [npm.example.test, elsewhere.example.test]
outboundByHost: { npm.example.test: npm }
handlers: { npm: { bearer: "${NPM}" } }
secrets: { NPM: { env: API_TOKEN, hosts: [npm.example.test] } }
"#;
    let script = format!(
        r#"{prepare}
echo '@me:registry=https://{REGISTRY}/' > npmrc
install || {{ cat app/log; exit 1; }}
show
echo '@me:registry=https://{ELSEWHERE}/' > npmrc
if install; then exit 1; fi"#
    );
    let finished = run(&lab, (policy, &environment), (&[&server], &elsewhere), &script, &secrets);
    assert_eq!(finished.stdout, "installed\n");
    assert!(!elsewhere.requests().is_empty());
}
