//! Replacing, against a slow and simple one, however the input is cut.

use proptest::prelude::*;

use super::*;

fn patterns(texts: &[&str]) -> Arc<Patterns> {
    Arc::new(Patterns::new(texts.iter().map(|text| Zeroizing::new(text.as_bytes().to_vec()))))
}

/// `<n>` for a match of pattern n.
fn numbered(number: usize, _: &[u8], out: &mut BytesMut) -> Result<(), Infallible> {
    out.extend_from_slice(format!("<{number}>").as_bytes());
    Ok(())
}

fn cut(patterns: &Arc<Patterns>, text: &[u8], size: usize) -> Vec<u8> {
    let mut stream = Stream::new(Arc::clone(patterns));
    let mut out = Vec::new();
    for chunk in text.chunks(size.max(1)) {
        out.extend(sure(stream.push(Bytes::copy_from_slice(chunk), numbered)));
        assert!(stream.held() < patterns.longest.max(1));
    }
    out.extend(sure(stream.finish(numbered)));
    out
}

/// What it is meant to do, one byte after the other.
fn slowly(patterns: &[Vec<u8>], text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        let longest = patterns
            .iter()
            .enumerate()
            .filter(|(_, one)| one.len() >= Patterns::MIN && rest.starts_with(one));
        match longest.rev().max_by_key(|(_, one)| one.len()) {
            Some((number, pattern)) => {
                out.extend(format!("<{number}>").as_bytes());
                rest = &rest[pattern.len()..];
            }
            None => {
                out.push(*byte);
                rest = behind;
            }
        }
    }
    out
}

#[test]
fn the_leftmost_and_of_those_the_longest_is_replaced() {
    let many = patterns(&["secret", "secret-long", "cret-longer", "longer", "short"]);
    for (text, expected) in [
        ("", ""),
        ("nothing", "nothing"),
        ("secret", "<0>"),
        ("a secret, a secret-longer", "a <0>, a <1>er"),
        ("secret-lo", "<0>-lo"),
        ("asecretsecret-longlonger", "a<0><1><3>"),
        ("xcret-longer", "x<2>"),
        ("short", "short"),
        ("secre", "secre"),
    ] {
        for size in 1..=text.len().max(1) {
            assert_eq!(cut(&many, text.as_bytes(), size), expected.as_bytes(), "{text} in pieces of {size}");
        }
    }
}

#[test]
fn what_has_no_match_is_handed_on_as_it_is() {
    let mut stream = Stream::new(patterns(&["secret", "password"]));
    let chunk = Bytes::from(b"data: nothing to see here\n\n".repeat(1000));
    let out = sure(stream.push(chunk.clone(), numbered));
    assert_eq!((out.as_ptr(), out.len(), stream.held()), (chunk.as_ptr(), chunk.len(), 0));
    let chunk = Bytes::from("up to a pass");
    let out = sure(stream.push(chunk.clone(), numbered));
    assert_eq!((out.as_ptr(), out.len(), stream.held()), (chunk.as_ptr(), chunk.len() - 4, 4));
}

#[test]
fn only_what_may_be_a_beginning_waits() {
    let mut stream = Stream::new(patterns(&["secret", "cretin"]));
    let mut seen = Vec::new();
    for (chunk, out, held) in [
        ("a", "a", 0),
        ("se", "", 2),
        ("cr", "", 4),
        ("x", "secrx", 0),
        ("secre", "", 5),
        ("d", "secred", 0),
        ("cre", "", 3),
    ] {
        assert_eq!(sure(stream.push(Bytes::from(chunk), numbered)), out);
        assert_eq!(stream.held(), held, "{chunk}");
        seen.push(chunk);
    }
    assert_eq!(sure(stream.finish(numbered)), "cre");
}

#[test]
fn after_an_error_nothing_of_the_match_was_handed_on() {
    let mut stream = Stream::new(patterns(&["secret"]));
    let first = sure(stream.push(Bytes::from("before sec"), numbered));
    assert_eq!(first, "before ");
    let refused = stream.push(Bytes::from("ret behind"), |number, text, _| Err((number, text.to_vec())));
    assert_eq!(refused, Err((0, b"secret".to_vec())));
}

#[test]
fn without_patterns_everything_passes() {
    let none = patterns(&["short"]);
    assert!(none.is_empty());
    assert_eq!(cut(&none, b"short and more", 3), b"short and more");
}

fn few_letters(size: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(0), Just(255)], size)
}

proptest! {
    /// However text is cut, it is what a slow and simple search makes of it. Few letters, so that much overlaps.
    #[test]
    fn any_cut_gives_the_same(
        list in proptest::collection::vec(few_letters(1..12), 0..12),
        text in few_letters(0..200),
        planted in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4),
        size in 1_usize..40,
    ) {
        let mut text = text;
        for (which, place) in planted.into_iter().filter(|_| !list.is_empty()) {
            let place = place.index(text.len() + 1);
            text.splice(place..place, which.get(&list).clone());
        }
        let compiled = Arc::new(Patterns::new(list.iter().cloned().map(Zeroizing::new)));
        let expected = slowly(&list, &text);
        prop_assert_eq!(&cut(&compiled, &text, size), &expected);
        prop_assert_eq!(&cut(&compiled, &text, 1), &expected);
    }

    /// Many long patterns: the places that are looked at are far apart.
    #[test]
    fn long_patterns_are_found_at_every_place(
        list in proptest::collection::vec("[a-f]{6,40}", 1..60),
        before in "[a-f]{0,40}",
        which in any::<prop::sample::Index>(),
        size in 1_usize..100,
    ) {
        let text = format!("{before}{}{before}", which.get(&list));
        let list: Vec<Vec<u8>> = list.into_iter().map(String::into_bytes).collect();
        let compiled = Arc::new(Patterns::new(list.iter().cloned().map(Zeroizing::new)));
        prop_assert_eq!(cut(&compiled, text.as_bytes(), size), slowly(&list, text.as_bytes()));
    }
}
