//! Text with places in it: `${NAME}` is a place, `$${` is a literal `${`, and any other `$` is itself.
//!
//! Receives a text and hands on its pieces, so that whoever renders them only concatenates. In a [`Template`] the places are for
//! secrets; in an [`InstanceText`] they are for the id and the class of the instance that a value is fetched for.

use std::{fmt, mem, path::Path};

use super::{
    read::{is_name, text},
    source::Word,
};
use crate::{
    Fault,
    fault::{Position, clip, did_you_mean},
};

/// A text with places for secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub Vec<TemplatePart>);

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    /// Text that stands for itself.
    Text(String),
    /// The value of the secret of this name.
    Secret(String),
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let part = |piece| match piece {
            Piece::Text(text) => Ok(TemplatePart::Text(text)),
            Piece::Place(name) if is_name(name) => Ok(TemplatePart::Secret(name.to_owned())),
            Piece::Place(name) => Err(format!("`{}` is no name for a secret", clip(name))),
        };
        pieces(text)?.into_iter().map(part).collect::<Result<_, _>>().map(Self)
    }

    /// This text, and the template behind it.
    pub(super) fn after(mut self, before: &str) -> Self {
        match self.0.first_mut() {
            Some(TemplatePart::Text(text)) => text.insert_str(0, before),
            _ => self.0.insert(0, TemplatePart::Text(before.to_owned())),
        }
        self
    }

    /// The names of the secrets in it.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            TemplatePart::Secret(name) => Some(name.as_str()),
            TemplatePart::Text(_) => None,
        })
    }

    /// The pieces that stand for themselves.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            TemplatePart::Text(text) => Some(text.as_str()),
            TemplatePart::Secret(_) => None,
        })
    }
}

impl fmt::Display for Template {
    /// As a document spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            TemplatePart::Text(text) => f.write_str(&literal(text)),
            TemplatePart::Secret(name) => write!(f, "${{{name}}}"),
        })
    }
}

/// A text with places for `${instance}` and `${class}`, without NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceText(Vec<InstancePart>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum InstancePart {
    Text(String),
    Instance,
    Class,
}

/// Who a value is fetched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceFacts<'a> {
    /// The instance's id.
    pub id: &'a str,
    /// Its class.
    pub class: &'a str,
}

/// An id or a class that cannot stand in a path or a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot stand for `${{{place}}}`: it is empty, or holds `..`, a control character or one of `/\\?#%`", clip(.value))]
pub struct InstanceTextError {
    place: &'static str,
    value: String,
}

impl InstanceText {
    /// `kind` is what faults call it.
    pub(super) fn read(kind: &str, word: Word) -> Result<Self, Fault> {
        let at = Position::from(word.referenced);
        Self::parse(&text(kind, word)?, at)
    }

    /// An argument of a command, which may be empty.
    pub(super) fn argument(word: Word) -> Result<Self, Fault> {
        let at = Position::from(word.referenced);
        if word.value.contains('\0') {
            return Err(Fault::new(at, "an argument holds no NUL"));
        }
        Self::parse(&word.value, at)
    }

    fn parse(text: &str, at: Position) -> Result<Self, Fault> {
        let part = |piece| match piece {
            Piece::Text(text) => Ok(InstancePart::Text(text)),
            Piece::Place("instance") => Ok(InstancePart::Instance),
            Piece::Place("class") => Ok(InstancePart::Class),
            Piece::Place(name) => {
                let message = format!("`${{{}}}` is neither `${{instance}}` nor `${{class}}`", clip(name));
                Err(Fault::new(at, message).suggesting(did_you_mean(name, ["instance", "class"])))
            }
        };
        let pieces = pieces(text).map_err(|message| Fault::new(at, message))?;
        pieces.into_iter().map(part).collect::<Result<_, _>>().map(Self)
    }

    /// The name of a file, from `base` if it is relative.
    pub(super) fn file(word: Word, base: &Path) -> Result<Self, Fault> {
        let at = word.referenced.into();
        let Self(mut parts) = Self::read("file name", word)?;
        let absolute = matches!(parts.first(), Some(InstancePart::Text(text)) if text.starts_with('/'));
        if absolute || base.as_os_str().is_empty() {
            return Ok(Self(parts));
        }
        let folder = base.join("").into_os_string().into_string().map_err(|_| not_utf8(at))?;
        match parts.first_mut() {
            Some(InstancePart::Text(text)) => text.insert_str(0, &folder),
            _ => parts.insert(0, InstancePart::Text(folder)),
        }
        Ok(Self(parts))
    }

    /// The text for one instance.
    pub fn render(&self, instance: &InstanceFacts<'_>) -> Result<String, InstanceTextError> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                InstancePart::Text(part) => text.push_str(part),
                InstancePart::Instance => text.push_str(segment("instance", instance.id)?),
                InstancePart::Class => text.push_str(segment("class", instance.class)?),
            }
        }
        Ok(text)
    }

    /// Whether it is another text for another instance.
    pub fn varies(&self) -> bool {
        self.0.iter().any(|part| !matches!(part, InstancePart::Text(_)))
    }

    /// What holds for each piece of text in it.
    pub(super) fn all(&self, good: impl Fn(u8) -> bool) -> bool {
        self.0.iter().all(|part| match part {
            InstancePart::Text(text) => text.bytes().all(&good),
            InstancePart::Instance | InstancePart::Class => true,
        })
    }
}

/// What divides paths and URLs, or is read as something else in them.
const DIVIDERS: [char; 5] = ['/', '\\', '?', '#', '%'];

/// An id comes from whoever started the workload: it must stay one segment of whatever it is put into.
fn segment<'a>(place: &'static str, value: &'a str) -> Result<&'a str, InstanceTextError> {
    let bad = value.is_empty() || value == "." || value.contains("..") || value.contains(DIVIDERS);
    if bad || value.chars().any(char::is_control) {
        return Err(InstanceTextError { place, value: value.to_owned() });
    }
    Ok(value)
}

impl fmt::Display for InstanceText {
    /// As a document spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            InstancePart::Text(text) => f.write_str(&literal(text)),
            InstancePart::Instance => f.write_str("${instance}"),
            InstancePart::Class => f.write_str("${class}"),
        })
    }
}

enum Piece<'a> {
    Text(String),
    Place(&'a str),
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            literal.extend([before, "${"]);
            rest = after;
            continue;
        }
        literal.push_str(before);
        let (name, tail) = after.split_once('}').ok_or("`${` has no `}`; write `$${` for a literal `${`")?;
        if !literal.is_empty() {
            pieces.push(Piece::Text(mem::take(&mut literal)));
        }
        pieces.push(Piece::Place(name));
        rest = tail;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(pieces)
}

fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

/// A document is printed as text, and its folder stands before the relative paths in it.
pub(super) fn not_utf8(at: Position) -> Fault {
    let cure = "write an absolute path".to_owned();
    Fault::new(at, "the document's folder has a name that is not UTF-8").suggesting(Some(cure))
}
