//! The JSON Schema of documents, for editors. It tells shapes and names; what patterns mean, and which names are declared, only reading
//! a document tells.

/// JSON Schema, draft 2020-12.
pub const SCHEMA: &str = include_str!("../../docs/policy.schema.json");

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::SCHEMA;
    use crate::{Document, Limits, presets};

    fn schema() -> Value {
        serde_json::from_str(SCHEMA).unwrap()
    }

    /// As much of the standard as the schema uses; anything else in it fails.
    fn check(schema: &Value, value: &Value, root: &Value) -> Result<(), String> {
        for (key, rule) in schema.as_object().unwrap() {
            let good = match key.as_str() {
                "$schema" | "$defs" | "title" | "description" => true,
                "$ref" => {
                    let place = rule.as_str().unwrap().strip_prefix('#').unwrap();
                    check(root.pointer(place).expect(place), value, root)?;
                    true
                }
                "type" => list(rule).iter().any(|kind| is(kind, value)),
                "enum" => list(rule).contains(&value),
                "oneOf" => list(rule).iter().filter(|one| check(one, value, root).is_ok()).count() == 1,
                "required" => value
                    .as_object()
                    .is_none_or(|map| list(rule).iter().all(|key| map.contains_key(key.as_str().unwrap()))),
                "properties" => {
                    for (key, value) in value.as_object().into_iter().flatten() {
                        rule.get(key).map_or(Ok(()), |rule| check(rule, value, root))?;
                    }
                    true
                }
                "additionalProperties" => {
                    let known =
                        |key: &String| schema.get("properties").is_some_and(|known| known.get(key).is_some());
                    for (key, value) in value.as_object().into_iter().flatten().filter(|(key, _)| !known(key))
                    {
                        match rule {
                            Value::Bool(false) => return Err(format!("unknown key {key}")),
                            rule => check(rule, value, root)?,
                        }
                    }
                    true
                }
                "propertyNames" => {
                    for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
                        check(rule, &Value::from(key.as_str()), root)?;
                    }
                    true
                }
                "items" => value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .try_for_each(|item| check(rule, item, root))
                    .map(|()| true)?,
                _ => bounds(key, rule, value),
            };
            if !good {
                return Err(format!("{key} {rule}: {value}"));
            }
        }
        Ok(())
    }

    /// The rules about sizes and spelling.
    fn bounds(key: &str, rule: &Value, value: &Value) -> bool {
        match key {
            "maxItems" => value.as_array().is_none_or(|list| list.len() as u64 <= rule.as_u64().unwrap()),
            "minProperties" => value.as_object().is_none_or(|map| map.len() as u64 >= rule.as_u64().unwrap()),
            "minItems" => value.as_array().is_none_or(|list| list.len() as u64 >= rule.as_u64().unwrap()),
            "maxProperties" => value.as_object().is_none_or(|map| map.len() as u64 <= rule.as_u64().unwrap()),
            "minLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 >= rule.as_u64().unwrap())
            }
            "maxLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 <= rule.as_u64().unwrap())
            }
            "minimum" => value.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap()),
            "maximum" => value.as_i64().is_none_or(|number| number <= rule.as_i64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| fits(rule.as_str().unwrap(), text)),
            other => panic!("{other} is not known here"),
        }
    }

    fn list(rule: &Value) -> Vec<&Value> {
        rule.as_array().map_or_else(|| vec![rule], |list| list.iter().collect())
    }

    fn is(kind: &Value, value: &Value) -> bool {
        match kind.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("{other} is not known here"),
        }
    }

    /// The regular expressions of the schema.
    fn fits(pattern: &str, text: &str) -> bool {
        match pattern {
            "^/" => text.starts_with('/'),
            "^[^=]+$" => !text.is_empty() && !text.contains('='),
            "^[0-9A-Fa-f]{64}$" => text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "^[ -~]*$" => text.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "\\{[0-9]+\\}" => {
                let number = text.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
                number.is_some_and(|(number, _)| {
                    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
                })
            }
            "^[a-z0-9._-]{1,64}$" => {
                (1..=64).contains(&text.len())
                    && text.bytes().all(|byte| {
                        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
                    })
            }
            "^[ -~]{1,64}$" => {
                (1..=64).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            }
            "^rediss?://" => text.starts_with("redis://") || text.starts_with("rediss://"),
            "^https?://" => text.starts_with("http://") || text.starts_with("https://"),
            "^[A-Z_-]{1,64}$" => {
                (1..=64).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_uppercase() || b"_-".contains(&byte))
            }
            "^[A-Za-z_][A-Za-z0-9_-]{0,63}$" => {
                text.len() <= 64
                    && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
            }
            other => panic!("{other} is not known here"),
        }
    }

    fn judge(text: &str) -> Result<(), String> {
        let value: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        let schema = schema();
        check(&schema, &value, &schema)
    }

    /// The blocks of `yaml` that are documents.
    fn examples() -> Vec<String> {
        let pages = [
            include_str!("../../docs/policy.md"),
            include_str!("../../docs/handlers.md"),
            include_str!("../../docs/credentials.md"),
            include_str!("../../README.md"),
        ];
        let blocks = pages.iter().flat_map(|page| page.split("```yaml\n").skip(1));
        let blocks = blocks.filter_map(|block| block.split_once("```").map(|(block, _)| block.to_owned()));
        blocks.filter(|block| Document::parse(block).is_ok()).collect()
    }

    #[test]
    fn documents_are_valid() {
        let examples = examples();
        assert!(examples.len() > 10, "{}", examples.len());
        for text in examples.iter().map(String::as_str).chain(presets().iter().map(|preset| preset.text)) {
            assert_eq!(judge(text), Ok(()), "{text}");
        }
        let printed = Document::parse(
            "limits: { connectTimeoutMs: 1 }\nallowedHosts: [{ host: a.test, methods: GET }]",
        )
        .unwrap()
        .to_json();
        assert_eq!(judge(&printed), Ok(()), "{printed}");
        let full = crate::document::FULL;
        let printed = Document::parse(full).unwrap().to_json();
        assert_eq!((judge(full), judge(&printed)), (Ok(()), Ok(())), "{printed}");
        let all = crate::document::CREDENTIALS;
        let printed = Document::parse(all).unwrap().to_json();
        assert_eq!((judge(all), judge(&printed)), (Ok(()), Ok(())), "{printed}");
    }

    const FAULTY: &[&str] = &[
        "allowedHost: []",
        "allowedHosts: a.test",
        "allowedHosts: [1]",
        "allowedHosts: [{ methods: GET }]",
        "allowedHosts: [{ host: a.test, methods: get }]",
        "allowedHosts: [{ host: a.test, methods: [] }]",
        "allowedHosts: [{ host: a.test, paths: [a] }]",
        "allowedHosts: [{ host: a.test, monitor: true }]",
        "deniedHosts: [{ host: a.test, answer: { status: 200 } }]",
        "deniedHosts: [{ host: a.test, path: /a }]",
        "raw: [{ host: 'a.test:1', methods: GET }]",
        "enableInternet: yes please",
        "compat: squid",
        "presets: [no-such]",
        "outbound: []",
        "outbound: { handler: h }",
        "outboundByHost: [a.test]",
        "handlers: { h: {} }",
        "handlers: { h: { deny: {}, respond: {} } }",
        "handlers: { h: { deny: { status: 200 } } }",
        "handlers: { '1': { deny: {} } }",
        "handlers: { h: { deny: {}, calls: 1 } }",
        "handlers: { h: { wasm: w, sha256: 0f } }",
        "handlers: { h: { wasm: w, version: '' } }",
        "handlers: { h: { wasm: w, config: { 'a b': x } } }",
        "handlers: { h: { wasm: w, config: { a: [x] } } }",
        "handlers: { h: { wasm: w, keyvalue: [s] } }",
        "handlers: { h: { wasm: w, rateLimits: { L: { limit: 0, periodMs: 1 } } } }",
        "handlers: { h: { wasm: w, rateLimits: { L: { limit: 1 } } } }",
        "handlers: { h: { wasm: w, fetch: [{ host: a.test, name: x }] } }",
        "handlers: { h: { wasm: w, calls: 10001 } }",
        "handlers: { h: { wasm: w, onError: passs } }",
        "tail: h",
        "stores: { s: {} }",
        "stores: { s: { memory: {}, file: x } }",
        "stores: { s: { memory: { size: 1 } } }",
        "stores: { '1': { memory: {} } }",
        "stores: { s: { redis: { url: 'http://r.test' } } }",
        "stores: { s: { redis: {} } }",
        "stores: { s: { s3: { bucket: ab, region: r, accessKeyId: S, secretAccessKey: S } } }\nsecrets: { S: { env: S } }",
        "secrets: { S: { env: S, file: S } }",
        "secrets: { S: { hosts: [a.test] } }",
        "secrets: { S: { env: S, hosts: [] } }",
        "secrets: { S: { env: S, hosts: a.test } }",
        "secrets: { S: { env: S, hosts: [{ host: a.test, name: x }] } }",
        "secrets: { S: { env: S, instances: [] } }",
        "secrets: { S: { env: S, scrub: 1 } }",
        "secrets: { S: { env: S, allowPlaintext: [] } }",
        "secrets: { S: { env: S, hosts: [a.test], placeholder: false } }",
        "secrets: { S: { env: S, hosts: [a.test], placeholder: { format: x } } }",
        "secrets: { S: { env: S, hosts: [a.test], placeholder: { value: short } } }",
        "secrets: { S: { env: S, hosts: [a.test], placeholder: { in: [header] } } }",
        "secrets: { S: { command: { run: [] } } }",
        "secrets: { S: { command: { run: [x], ttlSeconds: 0 } } }",
        "secrets: { S: { credential: '' } }",
        "secrets: { T: { env: T }, S: { vault: { address: v.test, path: a, field: f, auth: { token: T } } } }",
        "secrets: { T: { env: T }, S: { vault: { address: 'https://v.test', path: a, field: f, auth: {} } } }",
        "secrets: { S: { redis: { key: k } } }",
        "secrets: { T: { env: T }, S: { oauth2: { clientId: c, clientSecret: T } } }",
        "secrets: { T: { env: T }, S: { oauth2: { tokenUrl: 'https://a.test', clientId: c, clientSecret: T, clientAuth: jwt } } }",
        "secrets: { T: { env: T }, S: { jwtBearer: { tokenUrl: 'https://a.test', key: T, issuer: i, algorithm: HS256 } } }",
        "secrets: { T: { env: T }, S: { githubApp: { appId: 1, installationId: 1, key: T, permissions: { contents: all } } } }",
        "handlers: { h: { bearer: x, deny: {} } }",
        "handlers: { h: { basic: { username: u } } }",
        "handlers: { h: { query: { '': x } } }",
        "handlers: { h: { sign: {} } }",
        "handlers: { h: { sign: { aws: { accessKeyId: K } } } }",
        "handlers: { h: { sign: { hmac: { secret: K, header: x, over: [] } } } }",
        "outboundByHost: { a.test: { handlers: h, upgrade: tls } }",
        "limits: { connectTimeoutMs: 0 }",
        "limits: { connectTimeout: 1 }",
        "dns: { types: [ANY] }",
        "upstreamTls: { hosts: a.test }",
        "upstreamTls: [{ hosts: a.test }]",
        "upstreamTls: [{ roots: [a], crls: [b] }]",
        "upstreamTls: [{ hosts: a.test, roots: [] }]",
        "upstreamTls: [{ hosts: a.test, clientCertificate: { key: k } }]",
        "upstreamTls: [{ hosts: a.test, crls: c, requireStatus: 1 }]",
    ];

    #[test]
    fn faulty_documents_are_not() {
        for text in FAULTY {
            assert!(judge(text).is_err(), "{text}");
            let handler = if text.starts_with("handlers") { "" } else { "\nhandlers: { h: { deny: {} } }" };
            assert!(Document::parse(&format!("{text}{handler}")).is_err(), "{text}");
        }
    }

    #[test]
    fn its_tables_are_those_of_the_reader() {
        let schema = schema();
        let limits = schema["properties"]["limits"]["properties"].as_object().unwrap();
        let names: Vec<&str> = Limits::default().all().into_iter().map(|(name, _)| name).collect();
        assert!(names.len() == limits.len() && names.iter().all(|name| limits.contains_key(*name)));
        let known: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
        assert_eq!(schema["properties"]["presets"]["items"]["enum"], Value::from(known));
    }
}
