//! Any text as the path of a rule, and any as that of a request: nothing that servers could read in two ways passes by a rule, and
//! what stands below a folder stays there.

use policy::{
    CanonicalHost, Condition, Decision, Document, Entry, Origin, Overrides, PathPattern, Pattern, Policy,
    RequestFacts, Scheme,
};

/// A rule's and a request's.
pub(crate) fn run(texts: (&str, &str)) {
    let (pattern, path) = texts;
    let Ok(pattern) = PathPattern::parse(pattern) else {
        return;
    };
    assert_eq!(PathPattern::parse(pattern.as_str()).as_ref(), Ok(&pattern), "not idempotent");
    let below = pattern
        .as_str()
        .strip_suffix("**")
        .filter(|before| !before.contains('*'))
        .map(str::to_ascii_lowercase);
    if passes(pattern, path) {
        let path = path.to_ascii_lowercase();
        assert!(
            !["//", "/../", "/./", "%2e", "%2f", "%5c", "\\"].iter().any(|odd| path.contains(odd)),
            "{path}"
        );
        assert!(!path.ends_with("/..") && !path.contains("/..;"), "{path}");
        assert!(below.is_none_or(|before| path.starts_with(&before)), "{path}");
    }
}

fn passes(pattern: PathPattern, path: &str) -> bool {
    let host = Pattern::parse("a.test").expect("a pattern");
    let condition = Condition { methods: Vec::new(), paths: vec![pattern] };
    let entry = Entry { condition, ..Entry::new(host, Origin::RunTime) };
    let document = Document { allowed_hosts: Some(vec![entry]), ..Document::default() };
    let host = CanonicalHost::parse("a.test").expect("a host");
    let facts = RequestFacts { scheme: Scheme::Https, host: &host, port: 443, method: "GET", path };
    matches!(Policy::compile(&document, &Overrides::default()).decide(&facts), Decision::Forward { .. })
}
