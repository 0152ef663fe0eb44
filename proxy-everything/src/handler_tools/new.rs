//! `handler new`: a small project that builds and passes its own test. Receives a folder and a language, hands on files; what is in them is
//! `handlers/sdk/*/template`, part of this program so that it needs nothing but itself.

use std::{fs, path::Path};

use anyhow::Context;
use clap::ValueEnum;

use super::build::SDK;

/// What a handler can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// JavaScript
    Js,
    /// TypeScript
    Ts,
    /// Python
    Python,
    /// Rust
    Rust,
    /// C
    C,
}

/// Stands for the project's name.
const NAME: &str = "my-handler";
/// Stands for the folder of the SDKs.
const SDK_FOLDER: &str = "/path/to/sdk";

/// A file's path in the project, and its text.
type File = (&'static str, &'static str);

macro_rules! file {
    ($path:literal, $template:literal) => {
        ($path, include_str!(concat!("../../../handlers/sdk/", $template)))
    };
}

/// The same in all languages.
const COMMON: &[File] = &[
    file!("README.md", "template/README.md"),
    file!("policy.yaml", "template/policy.yaml"),
    file!("cases/handler.yaml", "template/cases.yaml"),
];

impl Language {
    fn files(self) -> &'static [File] {
        match self {
            Self::Js => &[
                file!("handler.js", "js/template/handler.js"),
                file!("package.json", "js/template/package.json"),
            ],
            Self::Ts => &[
                file!("handler.ts", "js/template/handler.ts"),
                file!("package.json", "js/template/package.json"),
            ],
            Self::Python => &[file!("handler.py", "python/template/handler.py")],
            Self::Rust => &[
                file!("Cargo.toml", "rust/template/Cargo.toml.txt"),
                file!("src/lib.rs", "rust/template/src/lib.rs"),
            ],
            Self::C => &[file!("handler.c", "c/template/handler.c")],
        }
    }
}

pub(super) fn run(directory: &Path, language: Language) -> anyhow::Result<u8> {
    let name = directory.file_name().and_then(|name| name.to_str()).filter(|name| is_name(name));
    let name =
        name.context("the folder's name must be letters, digits, `-` and `_`: it is the handler's too")?;
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let mut there =
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    anyhow::ensure!(there.next().is_none(), "{} is not empty", directory.display());
    let sdk = std::env::var(SDK).unwrap_or_else(|_| SDK_FOLDER.to_owned());
    for (path, text) in language.files().iter().chain(COMMON) {
        let path = directory.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let text = text.replace(NAME, name).replace(SDK_FOLDER, &sdk);
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
