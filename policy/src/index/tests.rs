//! What patterns match, and which of several is the most specific.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

fn index(patterns: &[&str]) -> Index {
    let patterns: Vec<Pattern> = patterns.iter().map(|text| Pattern::parse(text).expect(text)).collect();
    Index::new(patterns.iter().map(|pattern| (pattern, Requests::All)))
}

/// Asks for `scheme://authority`; `tcp://` is a connection that is not HTTP.
fn find(index: &Index, url: &str) -> Option<usize> {
    let (scheme, authority) = url.split_once("://").expect(url);
    let scheme = Scheme::ALL.into_iter().find(|known| known.as_str() == scheme);
    let authority = crate::Authority::parse(authority, scheme.unwrap_or(Scheme::Https)).expect(url);
    index.find(&authority.host, Asked { scheme, port: authority.port }, |_| true)
}

#[test]
fn patterns_and_names() {
    const NAMES: [&str; 15] = [
        "github.com",
        "GITHUB.com.",
        "evilgithub.com",
        "github.com.evil.com",
        "api.github.com",
        "a.b.github.com",
        "com",
        "github",
        "api.x.example.com",
        "api.x.y.example.com",
        "api.example.com",
        "x.api.y.example.com",
        "example.com",
        "192.0.2.1",
        "[2001:db8::1]",
    ];
    // One column for each name above.
    for (pattern, row) in [
        ("github.com", "##............."),
        ("*.github.com", "....##........."),
        ("*.b.github.com", ".....#........."),
        ("com", "......#........"),
        ("*", "###############"),
        ("api.*.example.com", "........##....."),
        ("*.example.com", "........####..."),
        ("*.api.*.example.com", "...........#..."),
        ("*.*.example.com", "........##.#..."),
        ("192.0.2.1", ".............#."),
        ("192.0.2.0/24", ".............#."),
        ("0.0.0.0/0", ".............#."),
        ("2001:db8::/32", "..............#"),
        ("::/0", "..............#"),
    ] {
        let index = index(&[pattern]);
        let matched =
            |name: &&str| if find(&index, &format!("https://{name}")).is_some() { '#' } else { '.' };
        assert_eq!(NAMES.iter().map(matched).collect::<String>(), row, "{pattern}");
    }
}

#[test]
fn the_scheme_and_the_port_are_part_of_a_pattern() {
    for (pattern, yes, no) in [
        ("good.test", &["https://good.test", "http://good.test:22", "tcp://good.test:1"][..], &[][..]),
        (
            "good.test:443",
            &["https://good.test", "http://good.test:443"],
            &["http://good.test", "https://good.test:22"],
        ),
        ("https://good.test", &["https://good.test:1"], &["http://good.test", "tcp://good.test"]),
        (
            "http://*:80",
            &["http://a.test", "http://192.0.2.1"],
            &["https://a.test:80", "http://a.test:81", "tcp://a.test:80"],
        ),
        (
            "10.0.0.0/8:80",
            &["http://10.1.2.3", "tcp://10.1.2.3:80"],
            &["http://10.1.2.3:81", "http://11.0.0.0"],
        ),
        ("https://[fd00::/8]:443", &["https://[fd00::1]"], &["tcp://[fd00::1]:443", "https://[fc00::1]"]),
    ] {
        let index = index(&[pattern]);
        for url in yes {
            assert_eq!(find(&index, url), Some(0), "{pattern} and {url}");
        }
        for url in no {
            assert_eq!(find(&index, url), None, "{pattern} and {url}");
        }
    }
}

#[test]
fn the_most_specific_pattern_wins_in_any_order() {
    // Of each pair the first pattern wins for the URL.
    for (first, second, url) in [
        ("a.b.test", "*.b.test", "https://a.b.test"),
        ("a.b.test", "https://*.b.test:443", "https://a.b.test"),
        ("*.b.test", "*.test", "https://a.b.test"),
        ("a.*.long.test", "*.x.long.test", "https://a.x.y.long.test"),
        ("api.*.b.test", "*.x.b.test", "https://api.x.b.test"),
        ("*.x.b.test", "a.*.b.test", "https://a.x.b.test"),
        ("*.test", "*", "https://a.test"),
        ("10.1.0.0/16", "10.0.0.0/8", "https://10.1.2.3"),
        ("10.1.2.3", "10.1.2.0/24", "https://10.1.2.3"),
        ("10.0.0.0/8", "*", "https://10.1.2.3"),
        ("0.0.0.0/0", "*", "https://10.1.2.3"),
        ("2001:db8::/32", "::/0", "https://[2001:db8::1]"),
        ("a.test:443", "a.test", "https://a.test"),
        ("https://a.test", "a.test", "https://a.test"),
        ("a.test:443", "https://a.test", "https://a.test"),
        ("https://a.test:443", "a.test:443", "https://a.test"),
        ("https://*.a.test", "*.a.test", "https://x.a.test"),
        ("*:443", "*", "https://a.test"),
        ("10.0.0.0/8:443", "10.0.0.0/8", "https://10.1.2.3"),
    ] {
        assert_eq!(find(&index(&[first, second]), url), Some(0), "{first} before {second}");
        assert_eq!(find(&index(&[second, first]), url), Some(1), "{second} after {first}");
    }
}

#[test]
fn a_more_specific_pattern_for_another_port_does_not_hide_a_wider_one() {
    for (narrow, wide, url) in [
        ("a.b.test:22", "*.b.test", "https://a.b.test"),
        ("http://*.b.test", "*.test", "https://a.b.test"),
        ("*.b.test:22", "*", "https://a.b.test"),
        ("10.1.0.0/16:22", "10.0.0.0/8", "https://10.1.2.3"),
        ("10.1.2.3:22", "*", "https://10.1.2.3"),
    ] {
        assert_eq!(find(&index(&[narrow, wide]), url), Some(1), "{narrow} and {wide}");
    }
}

#[test]
fn names_within_takes_only_networks_inside_the_range() {
    let index = index(&["0.0.0.0/0", "10.1.0.0/16:80", "*"]);
    for (range, address, wanted) in [
        ("10.0.0.0/8", "10.1.2.3:80", true),
        ("10.0.0.0/8", "10.1.2.3:81", false),
        ("10.0.0.0/8", "10.2.2.3:80", false),
        ("127.0.0.0/8", "127.0.0.1:80", false),
    ] {
        let address: SocketAddr = address.parse().unwrap();
        let asked = Asked { scheme: None, port: address.port() };
        let found = index.names_within(range.parse().unwrap(), address.ip(), asked);
        assert_eq!(found, wanted, "{range} {address}");
    }
}

/// Matching as the words of the documentation have it, label by label and with no index.
fn matches_slowly(pattern: &[&str], name: &[&str]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ["*", rest @ ..] => (1..=name.len()).any(|taken| matches_slowly(rest, &name[taken..])),
        [label, rest @ ..] => name.first() == Some(label) && matches_slowly(rest, &name[1..]),
    }
}

proptest! {
    #[test]
    fn globs_match_as_documented(
        globs in prop::collection::vec("((\\*|a|b|aa)\\.){1,4}(a|b)\\.test", 1..6),
        name in "((a|b|aa|ab)\\.){0,6}(a|b)\\.test",
    ) {
        let globs: Vec<&str> = globs.iter().map(String::as_str).collect();
        let labels: Vec<&str> = name.split('.').collect();
        let matching = |glob: &&&str| matches_slowly(&glob.split('.').collect::<Vec<_>>(), &labels);
        let exact = globs.contains(&name.as_str());
        let longest = globs.iter().filter(matching).map(|glob| glob.len()).max();
        let found = find(&index(&globs), &format!("https://{name}"));
        prop_assert_eq!(found.is_some(), longest.is_some());
        if let Some(place) = found {
            prop_assert!(matching(&&globs[place]));
            prop_assert_eq!(exact, globs[place] == name);
            prop_assert!(exact || Some(globs[place].len()) == longest);
        }
    }

    #[test]
    fn the_longest_prefix_wins(
        nets in prop::collection::vec((0u32..16, 26u8..=32), 1..8),
        last in 0u32..16,
    ) {
        let nets: Vec<Pattern> = nets.into_iter().map(|(last, length)| {
            let net = IpNet::new(std::net::Ipv4Addr::from_bits(0x0a00_0000 | last).into(), length).unwrap();
            Pattern::parse(&net.trunc().to_string()).unwrap()
        }).collect();
        let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 | last));
        let net_of = |pattern: &Pattern| match pattern.target {
            Target::Network(net) => net,
            _ => unreachable!(),
        };
        let longest = nets.iter().map(net_of).filter(|net| net.contains(&address)).map(|net| net.prefix_len()).max();
        let found = Index::new(nets.iter().map(|net| (net, Requests::All)))
            .find(&address.into(), Asked { scheme: None, port: 1 }, |_| true);
        prop_assert_eq!(found.map(|place| net_of(&nets[place]).prefix_len()), longest);
    }
}
