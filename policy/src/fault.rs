//! What is wrong with a document, where, and what was probably meant.
//!
//! Every check of a document ends in one [`Fault`]: a 1-based position and a sentence that names the input. The person
//! who reads it has an editor open; the position must be the one of the offending word.

use std::fmt;

/// Longest word, in characters, that a suggestion is looked for: names of keys, handlers and secrets are shorter.
const MAX_WORD: usize = 64;

/// The first mistake in a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// 1-based line.
    pub line: u64,
    /// 1-based column, in characters.
    pub column: u64,
    /// What is wrong.
    pub message: String,
    /// What was probably meant, or how to write it.
    pub suggestion: Option<String>,
}

impl Fault {
    pub(crate) fn new(at: Position, message: impl Into<String>) -> Self {
        Self { line: at.line, column: at.column, message: message.into(), suggestion: None }
    }

    pub(crate) fn suggesting(self, suggestion: Option<String>) -> Self {
        Self { suggestion, ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)?;
        self.suggestion.as_ref().map_or(Ok(()), |suggestion| write!(f, "; {suggestion}"))
    }
}

/// A place in the text of a document, 1-based.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

impl Position {
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

impl From<serde_saphyr::Location> for Position {
    /// An unknown location is line 0 there; the start of the document is the best that can be said then.
    fn from(location: serde_saphyr::Location) -> Self {
        Self { line: location.line().max(1), column: location.column().max(1) }
    }
}

/// As much of a text as a message can bear.
pub(crate) fn clip(text: &str) -> &str {
    text.char_indices().nth(80).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// ``did you mean `token`?``, if a known word is near enough.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let length = word.chars().count();
    if length > MAX_WORD {
        return None;
    }
    let near = |candidate: &&str| distance(word, candidate) <= (length / 3).clamp(1, 3);
    let best = known.into_iter().filter(near).min_by_key(|candidate| distance(word, candidate))?;
    Some(format!("did you mean `{best}`?"))
}

/// The number of edits between two words without regard to case; an edit inserts, removes or changes a character or
/// swaps two neighbours (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let fold = |text: &str| text.chars().map(|c| c.to_ascii_lowercase()).collect::<Vec<_>>();
    let (left, right) = (fold(left), fold(right));
    let at = |row: &[usize], place: usize| row.get(place).copied().unwrap_or(usize::MAX / 2);
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, r) in right.iter().enumerate() {
            let change = at(&row, j) + usize::from(l != r);
            let mut best = change.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let neighbours =
                i.checked_sub(1).and_then(|i| left.get(i)).zip(j.checked_sub(1).and_then(|j| right.get(j)));
            if neighbours == Some((r, l)) {
                best = best.min(at(&above, j - 1) + 1);
            }
            next.push(best);
        }
        above = std::mem::replace(&mut row, next);
    }
    at(&row, right.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_word_is_suggested() {
        let known = ["deny", "token", "refuse", "allowedHosts", "deniedHosts"];
        for (word, wanted) in [
            ("tokn", Some("token")),
            ("tokens", Some("token")),
            ("TOKEN", Some("token")),
            ("tokne", Some("token")),
            ("dney", Some("deny")),
            ("alowedHost", Some("allowedHosts")),
            ("allowedhosts", Some("allowedHosts")),
            ("t", None),
            ("something", None),
            ("", None),
        ] {
            let wanted = wanted.map(|name| format!("did you mean `{name}`?"));
            assert_eq!(did_you_mean(word, known), wanted, "{word}");
        }
        assert_eq!(did_you_mean(&"x".repeat(1_000_000), known), None);
    }
}
