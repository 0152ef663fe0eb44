//! Random policies and requests: the crate and the model agree about all of them.

use proptest::{prelude::*, sample::select};

use crate::{Request, Spec, compile, verdict};

fn pattern(loose: bool) -> impl Strategy<Value = String> {
    let strict = prop_oneof![
        4 => "([ab]\\.){1,2}test",
        2 => "\\*\\.(a\\.)?test",
        1 => "a\\.\\*\\.test",
        1 => "10\\.0\\.0\\.[0-3]",
        1 => "10\\.0\\.0\\.0/(8|29|30)",
        1 => Just("*".to_owned()),
        1 => "A\\.B\\.Test\\.",
    ];
    let loose = if loose { "(\\*[ab]|[ab]\\*|\\*\\.t\\*|10\\.\\*)(\\.test)?" } else { "[ab]\\.test" };
    ("(http://|https://)?", prop_oneof![3 => strict, 1 => loose], "(:80|:443)?")
        .prop_map(|(scheme, host, port)| format!("{scheme}{host}{port}"))
}

fn condition() -> impl Strategy<Value = String> {
    let methods = select(vec!["", ", methods: [GET]", ", methods: [GET, POST]"]);
    let paths = select(vec!["", ", paths: [/a]", ", paths: [/a/**, /b]", ", paths: ['/*/b']"]);
    (methods, paths).prop_map(|(methods, paths)| format!("{methods}{paths}"))
}

fn list(loose: bool, monitor: &'static [&'static str]) -> impl Strategy<Value = String> {
    let rule = (pattern(loose), condition(), select(monitor));
    let text = |(pattern, condition, monitor): (String, String, &str)| match condition.as_str() {
        // Networks take no conditions here.
        _ if pattern.contains("10.0") => format!("'{pattern}'"),
        condition => format!("{{ host: '{pattern}'{condition}{monitor} }}"),
    };
    prop::collection::vec(rule.prop_map(text), 0..4).prop_map(|rules| format!("[{}]", rules.join(", ")))
}

fn route() -> impl Strategy<Value = String> {
    let step = |handler: &'static str| {
        condition().prop_map(move |condition| match condition.as_str() {
            "" => format!("{{ handlers: {handler}, methods: [PUT] }}"),
            condition => format!("{{ handlers: {handler}{condition} }}"),
        })
    };
    prop_oneof![
        select(vec!["h".to_owned(), "g".to_owned()]),
        (step("h"), step("g")).prop_map(|(first, second)| format!("[{first}, {second}]")),
        (step("g"), Just("{ handlers: c }")).prop_map(|(first, second)| format!("[{first}, {second}]")),
    ]
}

fn policy(loose: bool) -> impl Strategy<Value = String> {
    let routes = prop::collection::vec((pattern(loose), route()), 0..4);
    (
        list(loose, &["", "", ", monitor: true"]),
        prop::option::of(list(loose, &[""])),
        routes,
        prop::option::of(route()),
        select(vec!["", "enableInternet: true\n", "enableInternet: false\n"]),
        select(vec!["", "", "monitor: true\n"]),
    )
        .prop_map(move |(denied, allowed, mut routes, outbound, internet, monitor)| {
            routes.sort();
            routes.dedup_by_key(|(pattern, _)| pattern.clone());
            // In a document two keys that mean the same are a fault.
            routes.retain(|(pattern, _)| !pattern.contains('A'));
            let routes: Vec<_> =
                routes.iter().map(|(pattern, route)| format!("  '{pattern}': {route}\n")).collect();
            let by_host = if routes.is_empty() {
                String::new()
            } else {
                format!("outboundByHost:\n{}", routes.concat())
            };
            let allowed = allowed.map(|list| format!("allowedHosts: {list}\n")).unwrap_or_default();
            let outbound = outbound.map(|route| format!("outbound: {route}\n")).unwrap_or_default();
            let compat = if loose { "compat: cloudflare\n" } else { "" };
            format!("{compat}deniedHosts: {denied}\n{allowed}{by_host}{outbound}{internet}{monitor}")
        })
}

fn authority() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        3 => "([ab]\\.){1,3}test\\.?",
        1 => "([abAB]\\.){1,2}(Test|TEST|x)\\.?",
        1 => "10\\.0\\.0\\.[0-9]",
        1 => "\\[::ffff:10\\.0\\.0\\.[0-9]\\]",
        1 => "[ab0-9x.:@\\[\\]]{0,8}",
    ];
    (host, "(:80|:443|:22|:080|:)?").prop_map(|(host, port)| format!("{host}{port}"))
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "/", "/a", "/a/", "/b", "/x/b", "/a/b", "//", "/a/../b", "/%61", "*", "/a%2fb", "/A", "/a;x",
            "/a/;"
        ])
        .prop_map(str::to_owned),
        "/[ab/.;%25]{0,6}",
    ]
}

/// Whether the model and the crate say the same.
fn agree(text: &str, scheme: &str, authority: &str, method: &str, path: &str) -> Result<(), TestCaseError> {
    let request = Request { scheme, authority, method, path };
    let told = verdict(&compile(text), request);
    prop_assert_eq!(told, Spec::parse(text).verdict(request), "{:?} under\n{}", request, text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn strict(
        text in policy(false), scheme in select(vec!["http", "https"]), authority in authority(),
        method in select(vec!["GET", "POST", "PUT", "get"]), path in path()
    ) {
        agree(&text, scheme, &authority, method, &path)?;
    }

    #[test]
    fn cloudflare(
        text in policy(true), scheme in select(vec!["http", "https"]), authority in authority(),
        method in select(vec!["GET", "POST", "PUT", "get"]), path in path()
    ) {
        agree(&text, scheme, &authority, method, &path)?;
    }
}
