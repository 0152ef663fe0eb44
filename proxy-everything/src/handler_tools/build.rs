//! `handler build`: a component made of source by the toolchain of its language. Receives a folder or file, finds out what it is written in,
//! starts the SDK's build, and says what is missing if something is.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

/// Names the folder of the SDKs, `handlers/sdk` of a source tree.
pub(super) const SDK: &str = "PROXY_EVERYTHING_SDK";

/// The build failed; its tool has said why.
pub(super) const FAILED: u8 = 1;

/// What one build is of.
enum Source {
    Javascript(PathBuf),
    Python(PathBuf),
    C(PathBuf),
    /// The folder of a package.
    Rust(PathBuf),
}

pub(super) fn run(source: &Path, output: Option<&Path>) -> anyhow::Result<u8> {
    let output = output.map_or_else(|| component_of(source), Path::to_owned);
    if !make(source, &output, Stdio::inherit())? {
        return Ok(FAILED);
    }
    println!("{}", output.display());
    Ok(0)
}

/// What is built of `source`, unless somebody says otherwise.
pub(super) fn component_of(source: &Path) -> PathBuf {
    if source.is_dir() { source.join("handler.wasm") } else { source.with_extension("wasm") }
}

/// Builds `output`, and says whether that went well; if not, the toolchain has said why. What it says beside faults goes to `told`.
pub(super) fn make(source: &Path, output: &Path, told: Stdio) -> anyhow::Result<bool> {
    let mut command = Source::find(source)?.command(output)?;
    command.stdin(Stdio::null()).stdout(told);
    let program = command.get_program().to_string_lossy().into_owned();
    let status = match command.status() {
        Ok(status) => status,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{program} is not installed, or not in PATH")
        }
        Err(error) => return Err(error).with_context(|| format!("cannot start {program}")),
    };
    if !status.success() {
        eprintln!("{program}: {status}");
    }
    Ok(status.success())
}

impl Source {
    fn find(source: &Path) -> anyhow::Result<Self> {
        if !source.is_dir() {
            anyhow::ensure!(source.is_file(), "there is no {}", source.display());
            return Self::of_file(source).with_context(|| format!("no SDK builds {}", source.display()));
        }
        if source.join("Cargo.toml").is_file() {
            return Ok(Self::Rust(source.to_owned()));
        }
        let names = ["handler.ts", "handler.js", "handler.py", "handler.c"];
        let file = names.iter().map(|name| source.join(name)).find(|file| file.is_file());
        file.and_then(|file| Self::of_file(&file)).with_context(|| {
            format!("{} has neither Cargo.toml nor one of {}", source.display(), names.join(", "))
        })
    }

    fn of_file(file: &Path) -> Option<Self> {
        let file = file.to_owned();
        match file.extension().and_then(OsStr::to_str)? {
            "js" | "mjs" | "ts" => Some(Self::Javascript(file)),
            "py" => Some(Self::Python(file)),
            "c" => Some(Self::C(file)),
            _ => None,
        }
    }

    fn command(&self, output: &Path) -> anyhow::Result<Command> {
        let mut command;
        match self {
            Self::Javascript(file) => {
                let sdk = installed(file).map_or_else(|| sdk("js/build.mjs"), Ok)?;
                command = Command::new("node");
                command.arg(sdk).arg(file);
            }
            Self::Python(file) => {
                command = Command::new("python3");
                command.arg(sdk("python/build.py")?).arg(file);
            }
            Self::C(file) => {
                command = Command::new(sdk("c/build")?);
                let text =
                    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
                command.arg(file).arg(world(&text));
            }
            Self::Rust(folder) => {
                lock(folder)?;
                command = Command::new(sdk("rust/build")?);
                command.arg(folder);
            }
        }
        command.arg("-o").arg(output);
        Ok(command)
    }
}

/// The JavaScript SDK as a package of the project, if it is one.
fn installed(file: &Path) -> Option<PathBuf> {
    let file = std::path::absolute(file).ok()?;
    let build = |folder: &Path| folder.join("node_modules/@proxy-everything/handler/build.mjs");
    file.ancestors().map(build).find(|build| build.is_file())
}

fn sdk(build: &str) -> anyhow::Result<PathBuf> {
    let folder = std::env::var_os(SDK).map(PathBuf::from);
    let folder = folder
        .with_context(|| format!("set {SDK} to the folder of the SDKs: handlers/sdk of the sources"))?;
    let build = folder.join(build);
    anyhow::ensure!(build.is_file(), "{SDK}: there is no {}", build.display());
    Ok(build)
}

/// The SDK builds what a lock file says, which a new project has not.
fn lock(folder: &Path) -> anyhow::Result<()> {
    if folder.join("Cargo.lock").is_file() {
        return Ok(());
    }
    let mut cargo = Command::new("cargo");
    cargo.arg("generate-lockfile").arg("--manifest-path").arg(folder.join("Cargo.toml"));
    let status = cargo.status();
    let status = status.context("cargo is not installed, or not in PATH")?;
    anyhow::ensure!(status.success(), "cargo generate-lockfile: {status}");
    Ok(())
}

/// What a C file becomes, told by what it exports.
fn world(text: &str) -> &'static str {
    let exports = |name: &str| text.contains(&format!("exports_guest_{name}("));
    match (exports("on_request"), exports("on_response"), exports("tail")) {
        (true, true, _) => "filter",
        (true, false, _) => "request-filter",
        (false, true, _) => "response-filter",
        (false, false, true) => "tail",
        (false, false, false) => "handler",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_c_file_says_what_it_becomes() {
        for (text, wanted) in [
            ("bool exports_guest_handle(x)", "handler"),
            ("bool exports_guest_on_request(x)", "request-filter"),
            ("exports_guest_on_response(x)", "response-filter"),
            ("exports_guest_on_request(x) exports_guest_on_response(y)", "filter"),
            ("exports_guest_tail(x)", "tail"),
        ] {
            assert_eq!(world(text), wanted, "{text}");
        }
    }

    #[test]
    fn an_installed_sdk_is_found_above() {
        let directory = tempfile::tempdir().unwrap();
        let sdk = directory.path().join("node_modules/@proxy-everything/handler");
        let file = directory.path().join("a/handler.js");
        assert_eq!(installed(&file), None);
        fs::create_dir_all(&sdk).unwrap();
        fs::write(sdk.join("build.mjs"), "").unwrap();
        assert_eq!(installed(&file), Some(sdk.join("build.mjs")));
    }
}
