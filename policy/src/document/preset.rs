//! Presets: lists of hosts that many policies need, kept as documents that people can read, in `policy/presets/`.
//!
//! Receives the name of one and hands on the entries of its `allowedHosts`; it has nothing else.

use std::{path::Path, sync::Arc};

use super::{Document, Entry, Part, source::Word};
use crate::{
    Fault,
    fault::{clip, did_you_mean},
};

/// A list of hosts by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// What documents call it.
    pub name: &'static str,
    /// A document that has only `allowedHosts`.
    pub text: &'static str,
}

const PRESETS: [Preset; 12] = [
    Preset { name: "anthropic", text: include_str!("../../presets/anthropic.yaml") },
    Preset { name: "crates-io", text: include_str!("../../presets/crates-io.yaml") },
    Preset { name: "debian", text: include_str!("../../presets/debian.yaml") },
    Preset { name: "docker-hub", text: include_str!("../../presets/docker-hub.yaml") },
    Preset { name: "github", text: include_str!("../../presets/github.yaml") },
    Preset { name: "go", text: include_str!("../../presets/go.yaml") },
    Preset { name: "maven", text: include_str!("../../presets/maven.yaml") },
    Preset { name: "npm", text: include_str!("../../presets/npm.yaml") },
    Preset { name: "openai", text: include_str!("../../presets/openai.yaml") },
    Preset { name: "pypi", text: include_str!("../../presets/pypi.yaml") },
    Preset { name: "rubygems", text: include_str!("../../presets/rubygems.yaml") },
    Preset { name: "ubuntu", text: include_str!("../../presets/ubuntu.yaml") },
];

/// All that there are.
pub fn presets() -> &'static [Preset] {
    &PRESETS
}

/// The one that a document names.
pub(super) fn preset(word: &Word) -> Result<Preset, Fault> {
    PRESETS.into_iter().find(|preset| preset.name == word.value).ok_or_else(|| {
        let known = PRESETS.iter().map(|preset| preset.name);
        let list = || Some(format!("there are {}", known.clone().collect::<Vec<_>>().join(", ")));
        let message = format!("unknown preset `{}`", clip(&word.value));
        let cure = did_you_mean(&word.value, known.clone()).or_else(list);
        Fault::new(word.referenced.into(), message).suggesting(cure)
    })
}

impl Preset {
    pub(super) fn entries(self) -> Result<Vec<Entry>, Fault> {
        let source: Arc<str> = format!("preset {}", self.name).into();
        let part = Part { source: Some(&source), base: Path::new(""), text: self.text };
        let document = Document::default().and(&part)?;
        Ok(document.allowed_hosts.unwrap_or_default())
    }
}
