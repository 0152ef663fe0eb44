//! `handler new`: a small project that builds and passes its own test. Receives a folder and a language, hands on files; what is in them is
//! `handlers/sdk/*/template`, part of this program so that it needs nothing but itself.

use std::{fs, path::Path};

use anyhow::Context;
use clap::ValueEnum;

/// What a handler can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// JavaScript
    Js,
    /// TypeScript
    Ts,
}

/// Stands for the project's name.
const NAME: &str = "my-handler";

/// A file's path in the project, and its text.
type File = (&'static str, &'static str);

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../../handlers/sdk/", $path))
    };
}

const JS: &[File] = &[
    ("handler.js", template!("js/template/handler.js")),
    ("package.json", template!("js/template/package.json")),
    ("README.md", template!("js/template/README.md")),
    ("policy.yaml", template!("js/template/policy.yaml")),
    ("cases/handler.yaml", template!("js/template/cases.yaml")),
];

const TS: &[File] = &[
    ("handler.ts", template!("js/template/handler.ts")),
    ("package.json", template!("js/template/package.json")),
    ("README.md", template!("js/template/README.md")),
    ("policy.yaml", template!("js/template/policy.yaml")),
    ("cases/handler.yaml", template!("js/template/cases.yaml")),
];

pub(super) fn run(directory: &Path, language: Language) -> anyhow::Result<u8> {
    let name = directory.file_name().and_then(|name| name.to_str()).filter(|name| is_name(name));
    let name = name.context("the folder's name must be letters, digits, `-` and `_`: it is the handler's too")?;
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let mut there = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    anyhow::ensure!(there.next().is_none(), "{} is not empty", directory.display());
    let files = match language {
        Language::Js => JS,
        Language::Ts => TS,
    };
    for (path, text) in files {
        let path = directory.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let text = text.replace(NAME, name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(0)
}

/// What all languages' packages can be called.
fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(good)
}
