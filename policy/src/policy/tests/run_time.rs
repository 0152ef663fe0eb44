//! Sequences of changes at run time, against lists that are kept by hand.

use super::*;
use crate::{Changed, Entry, Origin, Pattern};

proptest! {
    /// Sequences of changes against lists kept by hand, as Cloudflare's library keeps them.
    #[test]
    fn changes_at_run_time(changes in prop::collection::vec((0..5_u8, 0..3_usize), 0..12), list in any::<bool>()) {
        let text = if list { "allowedHosts: [a.test]\ndeniedHosts: [b.test]\n" } else { "" };
        let document = Document::parse(&format!("{text}handlers: {{ h: {{ deny: {{}} }} }}")).unwrap();
        let hosts = ["a.test", "b.test", "c.test"];
        let mut overrides = Overrides::default();
        let mut allowed: Option<Vec<&str>> = list.then(|| vec!["a.test"]);
        let mut denied: Vec<&str> = if list { vec!["b.test"] } else { vec![] };
        let mut by_host: Vec<&str> = Vec::new();
        for (verb, place) in changes {
            let host = hosts[place];
            let pattern = Pattern::parse(host).unwrap();
            let entry = Entry::new(pattern.clone(), Origin::RunTime);
            let found = match verb {
                0 => {
                    overrides.allow_host(entry, &document);
                    let list = allowed.get_or_insert_default();
                    if !list.contains(&host) { list.push(host) }
                    None
                }
                1 => {
                    let found = allowed.as_ref().is_some_and(|list| list.contains(&host));
                    allowed.iter_mut().for_each(|list| list.retain(|other| *other != host));
                    Some((overrides.remove_allowed_host(&pattern, &document), found))
                }
                2 => {
                    overrides.deny_host(entry, &document);
                    if !denied.contains(&host) { denied.push(host) }
                    None
                }
                3 => {
                    let found = denied.contains(&host);
                    denied.retain(|other| *other != host);
                    Some((overrides.remove_denied_host(&pattern, &document), found))
                }
                _ if by_host.contains(&host) => {
                    by_host.retain(|other| *other != host);
                    Some((overrides.remove_outbound_by_host(&pattern), true))
                }
                _ => {
                    overrides.set_outbound_by_host(vec![Route { entry, handlers: vec!["h".into()], params: None }]);
                    by_host.push(host);
                    None
                }
            };
            if let Some((told, found)) = found {
                prop_assert_eq!(told == Changed::Yes, found);
            }
            let policy = Policy::compile(&document, &overrides);
            for host in hosts {
                let wanted = if denied.contains(&host) {
                    "deny host_denied"
                } else if allowed.as_ref().is_some_and(|list| !list.contains(&host)) {
                    "deny host_not_allowed"
                } else if by_host.contains(&host) {
                    host
                } else if allowed.is_some() {
                    "upstream"
                } else {
                    "deny internet_disabled"
                };
                let told = decide(&policy, &format!("https://{host}"));
                prop_assert!(told.starts_with(wanted), "{} is {} and not {}", host, told, wanted);
            }
            let again = Overrides::parse(&overrides.to_json(), &document).unwrap();
            let again = Policy::compile(&document, &again);
            for host in hosts {
                let told = [&again, &policy].map(|policy| decide(policy, &format!("https://{host}")));
                let [told, as_before] = told.each_ref().map(|told| told.split(" by ").next());
                prop_assert_eq!(told, as_before);
            }
        }
    }
}
