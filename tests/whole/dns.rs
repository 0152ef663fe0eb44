//! Names: what the policy may let through has an address, everything else does not exist.
//!
//! Whatever server the workload asks, the proxy answers, at once, over v4 and v6.

use harness::{Lab, Settings, User, for_each_user};

use crate::programs::{NAMES, PYTHON};

for_each_user!(names);

fn names(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = "allowedHosts: [api.example.test]";
    let command = [PYTHON, "-c", NAMES, "api.example.test", "evil.test", "sub.api.example.test"];
    let finished = lab.run(policy, &[&origin]).finish(&command).ok();
    let expected = "api.example.test AF_INET AF_INET6
evil.test unknown True
sub.api.example.test unknown True
198.51.100.53 rcode=0 answers=1 rcode=3 answers=0
2001:db8::53 rcode=0 answers=1 rcode=3 answers=0
127.0.0.53 rcode=0 answers=1 rcode=3 answers=0
other type rcode=0 answers=0
after nonsense rcode=0 answers=1
";
    assert_eq!(finished.stdout, expected, "{}", finished.stderr);
    let questions = finished.audit.questions();
    for (name, decision) in [("api.example.test", "allow"), ("evil.test", "deny")] {
        let found = questions.iter().any(|record| {
            record["decision"] == decision
                && record["authority"].as_str().is_some_and(|one| one.starts_with(name))
        });
        assert!(found, "{name} {decision}: {questions:?}");
    }
}
