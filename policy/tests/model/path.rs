//! Paths, the naive way.

use super::host::characters;

/// Whether two servers could take a path for two.
pub(crate) fn is_ambiguous(path: &str) -> bool {
    if path == "*" {
        return false;
    }
    let dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'?');
    !path.starts_with('/')
        || path.contains("//")
        || path.split('/').any(dots)
        || !path.bytes().all(plain)
        || path.split('%').skip(1).any(is_odd_escape)
        || has_nested_escape(path)
}

/// What stands behind a `%`.
fn is_odd_escape(rest: &str) -> bool {
    let Some(byte) = rest.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
        return true;
    };
    byte.is_ascii_alphanumeric() || b"-._~/\\;\x7f".contains(&byte) || byte < b' '
}

fn has_nested_escape(path: &str) -> bool {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_hexdigit());
    path.match_indices("%25").any(|(at, _)| {
        let mut rest = path[at + 3..].chars();
        digit(rest.next()) && digit(rest.next())
    })
}

/// Whether a pattern is for an unambiguous path.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let segments = |text: &str| upper_escapes(text).split('/').map(str::to_owned).collect::<Vec<_>>();
    path != "*" && walk(&segments(pattern), &segments(path))
}

fn walk(pattern: &[String], path: &[String]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        ([last], [_, ..]) if last == "**" => true,
        ([stars, rest @ ..], _) if stars == "**" && !rest.is_empty() && walk(rest, path) => true,
        ([stars, ..], [_, others @ ..]) if stars == "**" => walk(pattern, others),
        ([segment, rest @ ..], [other, others @ ..]) => {
            characters(segment.as_bytes(), other.as_bytes()) && walk(rest, others)
        }
        _ => false,
    }
}

fn upper_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |done, part| {
        let (digits, rest) = part.split_at(part.len().min(2));
        format!("{done}%{}{rest}", digits.to_ascii_uppercase())
    })
}
