//! docs/openapi.yaml is what the admin sockets do: everything that it describes is asked for, and what is answered has the shape that
//! is described. That nothing is missing in it is tested beside the routes.

use std::fs;
use std::path::Path;

use harness::{Answer, Lab, User, Workload, request, wait};
use serde_json::{Value, json};

const POLICY: &str = r"
compat: cloudflare
presets: [github]
deniedHosts: [{ host: d.test, name: four, answer: { status: 451, body: no } }, { host: m.test, monitor: true }]
allowedHosts: [a.test, { host: b.test, methods: [GET], paths: [/x/*] }]
outboundByHost: { a.test: { handlers: one, methods: [GET] } }
outbound: one
raw: ['192.0.2.7:22']
handlers: { one: { respond: {} }, two: { wasm: COMPONENT } }
";

#[test]
fn answers_have_the_shape_that_is_described() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.yaml")).unwrap();
    let api: Value = serde_saphyr::from_str(&text).unwrap();
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let control = lab.path("control");
    let component = lab.write("component.wat", include_str!("../clients/guest.wat"));
    let component = component.to_str().unwrap();
    let policy = POLICY.replace("COMPONENT", component);
    let pid = workload.pid().to_string();
    let arguments = ["--pid", &pid, "--control", control.to_str().unwrap(), "--publish", "0:80"];
    let mut attached = lab.attach(&policy, &[], &arguments);
    let id = workload.id();
    assert_eq!(attached.hear(), format!("attached {id}"));
    wait::until("the control socket", || std::os::unix::net::UnixStream::connect(&control).ok());
    let socket = attached.socket(&id);
    for (path, operations) in api["paths"].as_object().unwrap() {
        let at = if path.starts_with("/v1/instances") { &control } else { &socket };
        for (method, operation) in follow(&api, operations).as_object().unwrap() {
            let is_asked =
                ["get", "put"].contains(&method.as_str()) || method == "post" && path != "/v1/instances";
            if is_asked {
                let body = body(operation).replace("COMPONENT", component);
                ask(&api, at, &path.replace("{instance}", &id), (method, operation), &body);
            }
            if is_asked && path.starts_with("/v1/instances/{") && operation["responses"].get("207").is_some()
            {
                let body = body(operation).replace("COMPONENT", component);
                ask_all(&api, at, &path.replace("{instance}", "*"), method, &body);
            }
        }
    }
    for url in ["https://a.test/", "https://d.test/", "https://m.test/", "https://none.test/"] {
        let operation = &api["paths"]["/v1/explain"]["post"];
        conforms(
            &api,
            operation,
            &request(&socket, "POST", "/v1/explain", &json!({ "url": url }).to_string()),
        );
    }
    let (post, path) = (&api["paths"]["/v1/instances"]["post"], "/v1/instances");
    let attach = || request(&control, "POST", path, &json!({ "pid": workload.pid() }).to_string());
    conforms(&api, post, &attach());
    let delete = &api["paths"]["/v1/instances/{instance}"]["delete"];
    conforms(&api, delete, &request(&control, "DELETE", &format!("{path}/{id}"), ""));
    let again = attach();
    assert_eq!(again.status, 201, "{again:?}");
    conforms(&api, post, &again);
    let _ = attached.stop();
}

/// With a good body, and with one that is none.
fn ask(api: &Value, socket: &Path, path: &str, (method, operation): (&str, &Value), body: &str) {
    let method = method.to_uppercase();
    if let Some(described) = operation.get("requestBody") {
        let schema = &described["content"]["application/json"]["schema"];
        if !schema.is_null() {
            matches(api, schema, &serde_json::from_str(body).unwrap(), path);
        }
        let refused = request(socket, &method, path, "{\"bogus\":1}");
        assert!([400, 422].contains(&refused.status), "{path}: {refused:?}");
        conforms(api, operation, &refused);
    }
    let answer = request(socket, &method, path, body);
    assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
    conforms(api, operation, &answer);
}

/// What cannot be read is refused as a whole, and not by each.
fn ask_all(api: &Value, socket: &Path, path: &str, method: &str, body: &str) {
    let refused = if path.ends_with("/policy/parts") { 400 } else { 207 };
    for (body, status) in [(body, 200), ("{\"bogus\":1}", refused)] {
        let answer = request(socket, &method.to_uppercase(), path, body);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        if status != 400 {
            matches(api, &json!({ "$ref": "#/components/schemas/Several" }), &answer.json(), path);
        }
    }
}

fn body(operation: &Value) -> &'static str {
    BODIES.into_iter().find(|(name, _)| operation["operationId"] == *name).map_or("", |(_, body)| body)
}

/// What each operation is asked with, by its id.
const BODIES: [(&str, &str); 18] = [
    ("putPolicy", POLICY),
    (
        "putPolicyParts",
        r#"{"parts":[{"source":"a","base":"/","text":"handlers: { one: { deny: {} }, two: { wasm: COMPONENT } }"}]}"#,
    ),
    (
        "putOverrides",
        r#"{"deniedHosts":["x.test"],"outboundByHost":{"a.test":"one","b.test":[{"handlers":["one"],"methods":["GET"]}]},"outbound":"one","handlers":{"two":{"wasm":"COMPONENT"}}}"#,
    ),
    ("explain", r#"{"method":"PUT","url":"https://a.test/"}"#),
    ("setOutboundHandler", r#"{"handler":"one","name":"tea"}"#),
    ("removeOutboundHandler", "{}"),
    ("setOutboundByHost", r#"{"host":"a.test","handlers":["one"],"paths":["/x"]}"#),
    ("setOutboundByHosts", r#"{"hosts":{"a.test":"one","b.test":{"method":"one"}}}"#),
    ("removeOutboundByHost", r#"{"host":"a.test"}"#),
    ("setAllowedHosts", r#"{"hosts":["a.test",{"host":"b.test","methods":["GET"]}]}"#),
    ("setDeniedHosts", r#"{"hosts":[{"host":"a.test","monitor":true}]}"#),
    ("allowHost", r#"{"host":"c.test"}"#),
    ("denyHost", r#"{"host":{"host":"d.test","answer":{"status":404}}}"#),
    ("removeAllowedHost", r#"{"host":"c.test"}"#),
    ("removeDeniedHost", r#"{"host":"d.test"}"#),
    ("setHandler", r#"{"name":"two","wasm":"COMPONENT"}"#),
    ("resetHandler", r#"{"name":"two"}"#),
    ("clear", "{}"),
];

fn conforms(api: &Value, operation: &Value, answer: &Answer) {
    let what = operation["operationId"].as_str().unwrap();
    let responses = &operation["responses"];
    let described = responses.get(answer.status.to_string()).unwrap_or_else(|| &responses["default"]);
    let described = follow(api, described);
    if described.get("headers").is_some() {
        assert!(answer.head.contains("\r\netag: \""), "{what}: {answer:?}");
    }
    let (content, media) = described["content"].as_object().unwrap().iter().next().unwrap();
    assert!(answer.head.contains(&format!("\r\ncontent-type: {content}")), "{what}: {answer:?}");
    if content.ends_with("json") {
        matches(api, &media["schema"], &answer.json(), what);
    }
}

/// What a reference leads to.
fn follow<'a>(api: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(path) => api.pointer(path.trim_start_matches('#')).unwrap_or_else(|| panic!("no {path}")),
        None => value,
    }
}

fn matches(api: &Value, schema: &Value, value: &Value, what: &str) {
    if let Err(fault) = judge(api, schema, value) {
        panic!("{what}: {fault} in {value}");
    }
}

/// As much of JSON Schema as is used; any other word is a mistake.
fn judge(api: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = follow(api, schema);
    for (word, wanted) in schema.as_object().unwrap() {
        let is_good = match word.as_str() {
            "description" | "default" => true,
            "type" => {
                let types = wanted.as_array().cloned().unwrap_or_else(|| vec![wanted.clone()]);
                types.iter().any(|kind| is_of(kind.as_str().unwrap(), value))
            }
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "minimum" => value.as_i64() >= wanted.as_i64(),
            "required" => {
                value.is_null()
                    || wanted.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some())
            }
            "oneOf" => {
                wanted.as_array().unwrap().iter().filter(|one| judge(api, one, value).is_ok()).count() == 1
            }
            "items" => {
                value.as_array().into_iter().flatten().try_for_each(|item| judge(api, wanted, item))?;
                true
            }
            "properties" => {
                let present = wanted.as_object().unwrap().iter();
                present
                    .filter_map(|(key, schema)| Some((schema, value.get(key)?)))
                    .try_for_each(|(schema, value)| judge(api, schema, value))?;
                true
            }
            "additionalProperties" => {
                let known = |key: &String| schema.get("properties").is_some_and(|all| all.get(key).is_some());
                let mut more = value.as_object().into_iter().flatten().filter(|(key, _)| !known(key));
                match wanted {
                    Value::Bool(false) => more.next().is_none(),
                    schema => more.try_for_each(|(_, value)| judge(api, schema, value)).is_ok(),
                }
            }
            other => panic!("`{other}` is not understood"),
        };
        if !is_good {
            return Err(format!("{value} does not obey {word}: {wanted}"));
        }
    }
    Ok(())
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("`{other}` is not understood"),
    }
}
