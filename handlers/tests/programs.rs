//! Programs as users of other platforms have published them, with nothing changed but the lines around them.
//!
//! Their texts are not ours, so they are not in the repository: they are taken out of a page beside it, or the one that the variable
//! REFERENCE_PROGRAMS names, and built by the SDK. Without that page our own examples of the same shapes must pass the same checks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/built.rs"]
mod built;
#[path = "support/stores.rs"]
mod stores;
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use handlers::{Chain, Event, KeyValueGrant, Level, Line, RateLimit, Scope, Script, ScriptSettings};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use stores::{Files, Values};
use support::{ENGINE, Upstream, chain_of, context, full, get, limits, response, secret, text};

const IMPORT: &str = "import { Container, Sandbox, WorkerEntrypoint } from '@proxy-everything/handler';\n";

/// A published program: the heading of its section, the place of its text there, and the lines before and after it.
struct Program {
    section: &'static str,
    block: usize,
    before: &'static str,
    after: &'static str,
    /// Our example of the same shape.
    ours: &'static str,
}

/// Whose program it is: the names in it differ.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Theirs,
    Ours,
}

impl Whose {
    fn say<T>(self, theirs: T, ours: T) -> T {
        if self == Self::Theirs { theirs } else { ours }
    }
}

impl Program {
    fn component(&self) -> (Vec<u8>, Whose) {
        let Some(page) = page() else { return (built::component(self.ours), Whose::Ours) };
        let (language, text) = block(&page, self.section, self.block);
        let program = format!("{IMPORT}{}\n{text}\n{}\n", self.before, self.after);
        (build(&format!("{}-{}.{language}", self.section, self.block), &program), Whose::Theirs)
    }

    fn load(&self, settings: impl FnOnce(Whose) -> ScriptSettings) -> (Script, Whose) {
        let (component, whose) = self.component();
        let settings = ScriptSettings { limits: limits(2000, 20_000), ..settings(whose) };
        (ENGINE.load(&component, settings).unwrap(), whose)
    }

    fn chain(&self, settings: impl FnOnce(Whose) -> ScriptSettings) -> (Chain, Whose) {
        let (script, whose) = self.load(settings);
        (chain_of(script), whose)
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn page() -> Option<String> {
    match std::env::var_os("REFERENCE_PROGRAMS") {
        Some(named) => Some(fs::read_to_string(named).expect("REFERENCE_PROGRAMS")),
        None => fs::read_to_string(workspace().join("../shared/reference/seed-examples.md")).ok(),
    }
}

/// The language and the text of a block of code in a section, which begins with its name and a full stop.
fn block(page: &str, section: &str, number: usize) -> (String, String) {
    let heading = format!("{section}. ");
    let lines: Vec<_> = page.lines().skip_while(|line| !line.starts_with(&heading)).skip(1).collect();
    let next = |line: &&str| !(line.starts_with('S') && line.contains(". "));
    let section: Vec<_> = lines.into_iter().take_while(next).collect();
    let mut blocks = section.split(|line| *line == "```").filter_map(|part| {
        let begin = part.iter().position(|line| line.starts_with("```"))?;
        Some((part[begin][3..].to_owned(), part[begin + 1..].join("\n")))
    });
    blocks.nth(number).unwrap_or_else(|| panic!("{heading} has no block {number}"))
}

fn build(name: &str, program: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    fs::create_dir_all(&folder).unwrap();
    let (source, component) = (folder.join(name), folder.join(format!("{name}.wasm")));
    fs::write(&source, program).unwrap();
    let node = Command::new(workspace().join("tools/node")).output().unwrap();
    let node = String::from_utf8(node.stdout).unwrap();
    let build = workspace().join("handlers/sdk/js/build.mjs");
    let output =
        Command::new(node.trim()).arg(build).arg(&source).arg("-o").arg(&component).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    fs::read(component).unwrap()
}

fn named(name: &str) -> ScriptSettings {
    ScriptSettings::named(name)
}

fn shared(name: &str, store: &Arc<Values>, scope: Scope) -> Vec<KeyValueGrant> {
    vec![KeyValueGrant { name: name.to_owned(), store: store.clone(), scope }]
}

#[tokio::test]
async fn a_token_by_host() {
    for (block, after) in [(0, "export { OpenCodeInABox };"), (1, "")] {
        let program = Program { section: "S1", block, before: "", after, ours: "token-by-host" };
        let (chain, _) = program.chain(|_| ScriptSettings { secrets: secret("SECRET"), ..named("token") });
        let upstream = Upstream::text("private");
        let mut request = get("https://github.com/a?b");
        request.headers_mut().insert("x-auth-token", "mine".parse().unwrap());
        assert_eq!(text(response(&chain, request, &upstream).await.into_body()).await, "private");
        let head = upstream.seen().remove(0);
        assert_eq!(head.headers.get_all("x-auth-token").iter().collect::<Vec<_>>(), ["SEKRIT-2"]);
        assert_eq!(
            (head.headers["accept"].to_str().unwrap(), head.uri.to_string().as_str()),
            ("*/*", "https://github.com/a?b")
        );
    }
}

#[tokio::test]
async fn only_get() {
    let program = Program {
        section: "S2",
        block: 0,
        before: "",
        after: "export { MySandboxedApp };",
        ours: "only-get",
    };
    let (chain, _) = program.chain(|_| named("only-get"));
    let upstream = Upstream::text("page");
    for (method, status) in [("GET", 200), ("POST", 405), ("DELETE", 405)] {
        let mut request = get("https://api.example.test/");
        *request.method_mut() = method.parse().unwrap();
        assert_eq!(response(&chain, request, &upstream).await.status(), status, "{method}");
    }
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_key_for_each_container_that_is_rotated() {
    let before = "export class MySandbox extends Sandbox {}";
    let program = Program { section: "S3", block: 0, before, after: "", ours: "key-per-container" };
    let store = Arc::new(Values::default());
    let (chain, whose) = program
        .chain(|_| ScriptSettings { keyvalue: shared("KEYS", &store, Scope::Shared), ..named("keys") });
    let upstream = Upstream::text("");
    let host = whose.say("my-internal-vcs.dev", "vcs.example.test");
    for key in ["first", "second"] {
        store.put("container-1", key);
        response(&chain, get(&format!("https://{host}/")), &upstream).await;
        assert_eq!(upstream.seen().pop().unwrap().headers["x-auth-token"], key);
    }
}

#[tokio::test]
async fn hosts_that_do_not_exist() {
    let after = "const anotherFunction = (body) => new Response(body, { status: 201 });
        const someWorkersFunction = (body) => new Response(body, { status: 202 });";
    let before = "export class MyApp extends Container {}";
    let program = Program { section: "S4", block: 0, before, after, ours: "stores" };
    let (values, files) = (Arc::new(Values::default()), Arc::new(Files::default()));
    values.put("key", "value");
    let (chain, whose) = program.chain(|whose| {
        let mut settings = named("stores");
        settings.keyvalue = shared(whose.say("KV", "VALUES"), &values, Scope::Shared);
        for name in whose.say(&["BUCKET", "R2"][..], &["FILES"]) {
            settings.blobs.insert((*name).to_owned(), files.clone());
        }
        settings
    });
    files.write("key", "object").await;
    files.write("container-1/key", "own object").await;
    let theirs = [
        ("my.kv/key", 200, "value"),
        ("my.kv/none", 404, ""),
        ("my.r2/key", 200, "object"),
        ("my.r2/none", 404, ""),
        ("objects.cf/key", 200, "own object"),
        ("my.worker/", 201, "sent"),
        ("other.test/", 202, "sent"),
    ];
    let ours = [("values.internal/key", 200, "value"), ("files.internal/key", 200, "own object")];
    for (url, status, body) in whose.say(&theirs[..], &ours) {
        let request = Request::post(format!("http://{url}")).body(full("sent")).unwrap();
        let request = if *body == "sent" { request } else { get(&format!("http://{url}")) };
        let answer = response(&chain, request, &Upstream::text("")).await;
        assert_eq!(
            (answer.status().as_u16(), text(answer.into_body()).await.as_str()),
            (*status, *body),
            "{url}"
        );
    }
}

#[tokio::test]
async fn state_of_one_container() {
    let before = "export class MyContainer extends Container {
        async getStateForKey(body) {
          const key = await new Response(body).text();
          const count = ((await this.ctx.storage.get(key)) ?? 0) + 1;
          await this.ctx.storage.put(key, count);
          return Response.json({ count });
        }
      }";
    let program = Program { section: "S5", block: 0, before, after: "", ours: "notes" };
    let store = Arc::new(Values::default());
    let (chain, whose) = program.chain(|whose| ScriptSettings {
        keyvalue: shared(whose.say("MY_CONTAINER", "NOTES"), &store, Scope::Instance),
        ..named("state")
    });
    for (container, count) in [("container-1", 1), ("container-1", 2), ("container-2", 1)] {
        let url = whose.say("http://get-state.do/", "http://notes.internal/");
        let context = handlers::Context { instance: container.into(), ..context() };
        let outcome = chain
            .run(Request::post(url).body(full("key")).unwrap(), &context, Upstream::text(""))
            .await
            .unwrap();
        let handlers::Outcome::Response(answer) = outcome else { panic!("denied") };
        let told: Value = serde_json::from_str(&text(answer.into_body()).await).unwrap();
        assert_eq!(told["count"], count);
    }
}

/// Which hosts there are is for the policy to say; the class is the same.
#[tokio::test]
async fn a_class_that_lists_hosts() {
    let after = "MySandbox.outbound = (request) => fetch(request);";
    let program = Program { section: "S6", block: 0, before: "", after, ours: "doors" };
    let (chain, _) = program.chain(|_| named("lists"));
    let answer = response(&chain, get("https://github.com/"), &Upstream::text("page")).await;
    assert_eq!(text(answer.into_body()).await, "page");
}

#[tokio::test]
async fn named_handlers_with_params() {
    let before = "export class MySandbox extends Sandbox {}";
    let program = Program { section: "S7", block: 0, before, after: "", ours: "doors" };
    let upstream = Upstream::text("page");
    for (theirs, ours, statuses) in
        [("allowHosts", "someDoors", [200, 403]), ("noHttp", "noDoor", [403, 403])]
    {
        let (chain, _) = program.chain(|whose| {
            let key = whose.say("allowedHostnames", "hosts");
            ScriptSettings {
                params: json!({ key: ["github.com", "npmjs.org"] }),
                ..named(whose.say(theirs, ours))
            }
        });
        for (host, status) in ["npmjs.org", "evil.test"].into_iter().zip(statuses) {
            let answer = response(&chain, get(&format!("https://{host}/")), &upstream).await;
            assert_eq!(answer.status(), status, "{theirs} {host}");
        }
    }
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn everything_through_one_hook() {
    let program = Program { section: "S8", block: 0, before: "", after: "", ours: "doors" };
    let (chain, _) = program.chain(|_| named("hook"));
    let answer = response(&chain, get("https://any.example.test/"), &Upstream::text("page")).await;
    assert_eq!(text(answer.into_body()).await, "page");
}

#[tokio::test]
async fn a_tail() {
    let program = Program { section: "S10", block: 0, before: "", after: "export { Tail };", ours: "tail" };
    let (script, _) = program.load(|_| ScriptSettings { params: json!({ "id": "t1" }), ..named("Tail") });
    let lines = vec![Line { handler: "guest".into(), level: Level::Warn, message: "words".to_owned() }];
    let event = Event { record: json!({ "status": 403 }).to_string(), lines };
    let context = context();
    script.tail(vec![event], &context, Upstream::text("")).await.unwrap();
    let (lines, _) = context.logs.take();
    let all: String = lines.into_iter().map(|line| line.message).collect();
    for word in ["t1", "warn", "words"] {
        assert!(all.contains(word), "{all}");
    }
}

/// The two that are described in words only: a capability, and a limit for each identity.
#[tokio::test]
async fn a_capability_and_a_limit() {
    let props = json!({ "user": "ann", "teams": ["one"] });
    let settings =
        ScriptSettings { params: props.clone(), limits: limits(2000, 20_000), ..named("Directory") };
    let capability = chain_of(ENGINE.load(&built::component("capability"), settings).unwrap());
    let answer = response(&capability, get("http://directory.internal/teams"), &Upstream::text("")).await;
    assert_eq!(serde_json::from_str::<Value>(&text(answer.into_body()).await).unwrap(), props);
    let mut settings = ScriptSettings { limits: limits(2000, 20_000), ..named("limited") };
    settings.rate_limits.insert("LIMITER".to_owned(), Arc::new(RateLimit::new(2, Duration::from_secs(3600))));
    let limited = chain_of(ENGINE.load(&built::component("limited"), settings).unwrap());
    for status in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        let answer = response(&limited, get("https://api.example.test/"), &Upstream::text("")).await;
        assert_eq!(answer.status(), status);
    }
}
