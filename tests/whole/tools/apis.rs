//! APIs: gh, curl, libraries for Python, and Node. Their keys are in headers, in Basic auth, in bodies and in messages; each host
//! hears of its own key only.

use harness::{Canary, Lab, User, for_each_user};
use sha2::{Digest, Sha256};

use super::{ELSEWHERE, Server, elsewhere, made, run, strays};
use crate::programs::{CURL, GH, NODE, PYTHON, TOOLS_API, TOOLS_LOGIN, TOOLS_SDKS, WEBSOCKET_SERVER};

for_each_user!(commands, node);

const API: &str = "api.example.test";
const TALK: &str = "talk.example.test";
const NAMES: [&str; 4] = [API, "api.github.com", "api.openai.com", "api.anthropic.com"];

/// The keys of the hosts, with the variables of the proxy that hold them, and the server that knows them.
struct Keys {
    server: Server,
    values: [Canary; 4],
}

const VARIABLES: [&str; 4] = ["REAL_API", "REAL_GITHUB", "REAL_OPENAI", "REAL_ANTHROPIC"];

impl Keys {
    fn new(lab: &Lab) -> Self {
        let values = std::array::from_fn(|_| Canary::new());
        let pairs = NAMES.iter().zip(&values).map(|(name, key)| (name.to_string(), key.value().into()));
        let keys = serde_json::Value::Object(pairs.collect()).to_string();
        let words = [PYTHON, "-c", TOOLS_API];
        Self { server: Server::start(lab, &NAMES, (&words, &[]), &[("KEYS", &keys)]), values }
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        VARIABLES.into_iter().zip(self.values.iter().map(Canary::value)).collect()
    }
}

const PLACEHOLDERS: &str = r#"
allowedHosts: [api.example.test, api.github.com, api.openai.com, api.anthropic.com, elsewhere.example.test]
secrets:
  API: { env: REAL_API, hosts: [api.example.test], placeholder: { env: API_KEY } }
  GITHUB: { env: REAL_GITHUB, hosts: [api.github.com], placeholder: { env: GH_TOKEN, format: "ghp_{36}" } }
  OPENAI: { env: REAL_OPENAI, hosts: [api.openai.com], placeholder: { env: OPENAI_API_KEY, format: "sk-{48}" } }
  ANTHROPIC: { env: REAL_ANTHROPIC, hosts: [api.anthropic.com], placeholder: { env: ANTHROPIC_API_KEY, format: "sk-ant-{48}" } }
"#;

const INJECTED: &str = r#"
allowedHosts: [api.example.test, api.github.com, api.openai.com, api.anthropic.com, elsewhere.example.test]
outboundByHost: { api.example.test: api, api.github.com: github, api.openai.com: openai, api.anthropic.com: anthropic }
handlers:
  api: { bearer: "${API}" }
  github: { bearer: "${GITHUB}" }
  openai: { bearer: "${OPENAI}" }
  anthropic: { bearer: "${ANTHROPIC}" }
secrets:
  API: { env: REAL_API, hosts: [api.example.test] }
  GITHUB: { env: REAL_GITHUB, hosts: [api.github.com] }
  OPENAI: { env: REAL_OPENAI, hosts: [api.openai.com] }
  ANTHROPIC: { env: REAL_ANTHROPIC, hosts: [api.anthropic.com] }
"#;

/// Tools that do not start without a key get one, of no worth.
const WORTHLESS: [(&str, &str); 4] =
    [("API_KEY", "none"), ("GH_TOKEN", "none"), ("OPENAI_API_KEY", "none"), ("ANTHROPIC_API_KEY", "none")];

const RIGHT: &str = r#"{"login": "right"}"#;

fn commands(user: User) {
    let lab = Lab::new(user);
    let (keys, elsewhere) = (Keys::new(&lab), elsewhere(&lab));
    let ask = format!(
        r#"export GH_NO_UPDATE_NOTIFIER=1 DO_NOT_TRACK=1
{GH} api user --jq .login
ask() {{ {CURL} -sS --fail "$@" && echo; }}
ask -H "Authorization: Bearer $API_KEY" https://{API}/user"#
    );
    let script = format!(
        r#"{ask}
ask -u "me:$API_KEY" https://{API}/user
ask -H "x-api-key: $ANTHROPIC_API_KEY" https://api.anthropic.com/user
for key in "$API_KEY" "$GH_TOKEN"; do
    if ask -H "x: $key" https://{ELSEWHERE}/ || ask -u "me:$key" https://api.openai.com/user; then exit 1; fi
done 2> refused"#
    );
    let secrets: Vec<_> = keys.values.iter().collect();
    let environment = keys.environment();
    let finished = run(&lab, (PLACEHOLDERS, &environment), (&[&keys.server], &elsewhere), &script, &secrets);
    assert_eq!(finished.stdout, format!("right\n{RIGHT}\n{RIGHT}\n{RIGHT}\n"));
    assert_eq!(strays(&finished), 4);
    assert!(elsewhere.requests().is_empty());

    let environment = [&environment[..], &WORTHLESS].concat();
    let script = format!("{ask}\n{CURL} -sS --fail https://{ELSEWHERE}/ > answer");
    let finished = run(&lab, (INJECTED, &environment), (&[&keys.server], &elsewhere), &script, &secrets);
    assert_eq!(finished.stdout, format!("right\n{RIGHT}\n"));
    assert_eq!(elsewhere.requests().len(), 1);
    let told: Vec<_> =
        keys.server.told().into_iter().filter(|line| !line.starts_with("api.github.com /user ")).collect();
    let bearer = "api.example.test /user Bearer";
    let anthropic = "api.anthropic.com /user x-api-key";
    assert_eq!(told, [bearer, "api.example.test /user Basic", anthropic, bearer]);
}

#[test]
fn libraries() {
    let lab = Lab::new(User::Root);
    let (keys, elsewhere) = (Keys::new(&lab), elsewhere(&lab));
    let program = lab.write("work/sdks.py", TOOLS_SDKS);
    let script = format!("exec {} {}", made("python-tools", "bin/python"), program.display());
    let secrets: Vec<_> = keys.values.iter().collect();
    let environment = keys.environment();
    let worthless = [&environment[..], &WORTHLESS].concat();
    for (policy, environment) in [(PLACEHOLDERS, &environment), (INJECTED, &worthless)] {
        let finished = run(&lab, (policy, environment), (&[&keys.server], &elsewhere), &script, &secrets);
        assert_eq!(finished.stdout, format!("right\npiece by piece\nright\n{RIGHT}\n{RIGHT}\n"));
    }
    let expected = |basic: &str| {
        [
            "api.openai.com /v1/chat/completions Bearer".to_owned(),
            "api.openai.com /v1/chat/completions Bearer".to_owned(),
            "api.anthropic.com /v1/messages Bearer".to_owned(),
            "api.example.test /user Bearer".to_owned(),
            format!("api.example.test /user {basic}"),
        ]
    };
    // What is injected takes the place of what the workload says.
    assert_eq!(keys.server.told(), [expected("Basic"), expected("Bearer")].concat());
}

/// With a WebSocket too, whose server answers with the hash of what it hears.
fn node(user: User) {
    let lab = Lab::new(user);
    let (keys, elsewhere) = (Keys::new(&lab), elsewhere(&lab));
    let talk = Server::start(&lab, &[TALK], (&[PYTHON, "-c", WEBSOCKET_SERVER], &[]), &[]);
    let policy = PLACEHOLDERS
        .replace("hosts: [api.example.test]", "hosts: [api.example.test, talk.example.test]")
        .replace("allowedHosts: [", "allowedHosts: [talk.example.test, ");
    let program = lab.write("work/login.js", TOOLS_LOGIN);
    let script = format!("exec {NODE} {} https://{API}/login wss://{TALK}/hash", program.display());
    let secrets: Vec<_> = keys.values.iter().collect();
    let environment = keys.environment();
    let servers = [&keys.server, &talk];
    let finished = run(&lab, (&policy, &environment), (&servers, &elsewhere), &script, &secrets);
    let hash = Sha256::digest(format!("{{\"apiKey\":\"{}\"}}", keys.values[0].value()));
    assert_eq!(finished.stdout, format!("200 {RIGHT}\n200 {RIGHT}\n{hash:x}\n"));
    assert_eq!(keys.server.told(), ["api.example.test /login Bearer", "api.example.test /login body"]);
    assert_eq!(talk.told()[0], format!("open {}", keys.values[0].value()));
}
