//! Secrets: from the document's sources to values in memory. A secret that the workload was able to see is none, so a source that was not hidden from it when it started is refused: the environment and the files of a
//! running command cannot be taken back.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use handlers::Secret;
use policy::{ComponentSource, HandlerSource, InstanceFacts, SecretSource};

use super::{ConfigError, Document};
use crate::{capture::HIDDEN_DIR, hidden::below_any};

/// Largest secret file, in bytes; a header of this size is beyond what servers take.
const MAX_BYTES: u64 = 64 * 1024;

/// What the workload has been able to see of ours since it started.
#[derive(Clone, Debug)]
pub enum Visible {
    /// It was started elsewhere, with an environment and a file system of its own.
    Nothing,
    /// It was started from our environment, and sees our files but for some.
    Shared(Shared),
}

/// What a command of `run` has been able to see.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// Names of the variables in its environment.
    pub variables: BTreeSet<String>,
    /// The files that were hidden from it, beside all of `/run`; every other file may be visible.
    pub hidden_files: BTreeSet<PathBuf>,
    /// What is shown to it of `/run` and of other hidden folders.
    pub kept: Vec<PathBuf>,
}

impl Visible {
    pub(super) fn hides_file(&self, canonical: &Path) -> bool {
        match self {
            Self::Nothing => true,
            Self::Shared(shared) => {
                let in_run = canonical.starts_with(HIDDEN_DIR) && !below_any(canonical, &shared.kept);
                in_run || shared.hidden_files.contains(canonical)
            }
        }
    }

    fn hides_variable(&self, name: &str) -> bool {
        match self {
            Self::Nothing => true,
            Self::Shared(shared) => !shared.variables.contains(name),
        }
    }
}

/// Files are the same for every instance as yet: `${instance}` and `${class}` stand for nothing here, which is refused.
const NOBODY: InstanceFacts<'_> = InstanceFacts { id: "", class: "" };

/// The variables that feed secrets of `document`.
pub fn secret_variables(document: &Document) -> BTreeSet<String> {
    let variable = |secret: &policy::Secret| match &secret.source {
        SecretSource::Env(variable) => Some(variable.clone()),
        _ => None,
    };
    document.parsed.secrets.values().filter_map(variable).collect()
}

/// The files that feed secrets of `document`, canonical where they exist.
pub fn secret_files(document: &Document) -> BTreeSet<PathBuf> {
    let file = |secret: &policy::Secret| match &secret.source {
        SecretSource::File(path) => {
            let path = PathBuf::from(path.render(&NOBODY).ok()?);
            Some(fs::canonicalize(&path).unwrap_or(path))
        }
        _ => None,
    };
    document.parsed.secrets.values().filter_map(file).collect()
}

/// The files that `document` goes by, programs and roots: the workload must not be able to change them.
pub fn trusted_files(document: &Document) -> Vec<PathBuf> {
    let program = |source: &HandlerSource| match source {
        HandlerSource::Wasm(wasm) => match &wasm.component {
            ComponentSource::Path { path, .. } => Some(path.clone()),
            ComponentSource::Hash(_) => None,
        },
        _ => None,
    };
    let roots = document.parsed.upstream_roots.iter().cloned();
    document.parsed.handlers.values().filter_map(program).chain(roots).collect()
}

/// Reads every secret of `document`.
pub(super) fn read(
    document: &Document,
    visible: &Visible,
) -> Result<BTreeMap<String, Arc<Secret>>, ConfigError> {
    let value = |(name, secret): (&String, &policy::Secret)| {
        let text = served(secret).and_then(|()| match &secret.source {
            SecretSource::Env(variable) => from_environment(variable, visible),
            SecretSource::File(path) => path
                .render(&NOBODY)
                .map_err(|error| error.to_string())
                .and_then(|path| from_file(Path::new(&path), visible)),
            source => Err(format!("the source `{}` is not served yet", source.kind())),
        });
        let secret = text.and_then(usable);
        match secret {
            Ok(secret) => Ok((name.clone(), Arc::new(secret))),
            Err(reason) => Err(ConfigError::Secret { name: name.clone(), reason }),
        }
    };
    document.parsed.secrets.iter().map(value).collect()
}

/// What restricts a secret is not passed over: as long as nothing keeps to it, there is no such secret.
fn served(secret: &policy::Secret) -> Result<(), String> {
    let policy::Secret { source: _, hosts, instances, classes, placeholder, scrub: _, allow_plaintext } =
        secret;
    let keys = [
        ("hosts", hosts.is_some()),
        ("instances", !instances.is_empty()),
        ("classes", !classes.is_empty()),
        ("placeholder", placeholder.is_some()),
        ("allowPlaintext", !allow_plaintext.is_empty()),
    ];
    match keys.into_iter().find(|(_, said)| *said) {
        Some((key, _)) => Err(format!("`{key}` is not served yet")),
        None => Ok(()),
    }
}

fn from_environment(variable: &str, visible: &Visible) -> Result<String, String> {
    if !visible.hides_variable(variable) {
        return Err(format!(
            "the variable {variable} was in the workload's environment when it started; use a variable that was not, \
             or start the workload with this policy"
        ));
    }
    std::env::var(variable)
        .map_err(|_| format!("the environment variable {variable} is not set, or not text"))
}

fn from_file(path: &Path, visible: &Visible) -> Result<String, String> {
    let shown = path.display();
    let canonical = fs::canonicalize(path).map_err(|error| format!("{shown}: {error}"))?;
    if !visible.hides_file(&canonical) {
        return Err(format!(
            "the file {shown} was not hidden from the workload when it started; start the workload with this policy"
        ));
    }
    let size = fs::metadata(&canonical).map_err(|error| format!("{shown}: {error}"))?.len();
    if size > MAX_BYTES {
        return Err(format!("{shown} has {size} bytes; the limit is {MAX_BYTES}"));
    }
    fs::read_to_string(&canonical).map_err(|error| format!("{shown}: {error}"))
}

/// One line without control characters: anything else would not survive in a header. Editors and `echo` end files with a
/// line feed, which is not part of the secret.
fn usable(text: String) -> Result<Secret, String> {
    let text = zeroize::Zeroizing::new(text);
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        return Err("its value is empty".into());
    }
    if value.chars().any(char::is_control) {
        return Err("its value has more than one line, or control characters".into());
    }
    Ok(Secret::new(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_can_stand_in_a_header() {
        for (text, expected) in [
            ("token", Some("token")),
            ("token\n", Some("token")),
            ("token\r\n", Some("token")),
            ("two words", Some("two words")),
            ("", None),
            ("\n", None),
            ("two\nlines\n", None),
            ("nul\0", None),
            ("tab\there", None),
        ] {
            let secret = usable(text.to_owned());
            assert_eq!(secret.as_ref().ok().map(|secret| secret.expose()), expected, "{text:?}");
        }
    }

    fn shared(variables: &[&str], hidden_files: &[&Path]) -> Visible {
        Visible::Shared(Shared {
            variables: variables.iter().map(ToString::to_string).collect(),
            hidden_files: hidden_files.iter().map(|path| fs::canonicalize(path).unwrap()).collect(),
            ..Shared::default()
        })
    }

    #[test]
    fn a_file_must_have_been_hidden() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, "value").unwrap();
        let visible = shared(&[], &[]);
        assert!(from_file(&path, &visible).unwrap_err().contains("was not hidden"));
        assert_eq!(from_file(&path, &Visible::Nothing).unwrap(), "value");
        let hidden = shared(&[], &[&path]);
        assert_eq!(from_file(&path, &hidden).unwrap(), "value");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(from_file(&link, &hidden).unwrap(), "value", "another way to the same file");
        assert!(visible.hides_file(Path::new("/run/secrets/later")));
        assert!(!visible.hides_file(Path::new("/running/secret")));
        let keeping = Visible::Shared(Shared { kept: vec!["/run/secrets".into()], ..Shared::default() });
        assert!(!keeping.hides_file(Path::new("/run/secrets/later")));
        assert!(keeping.hides_file(Path::new("/run/secrets.d/later")));
    }

    #[test]
    fn a_variable_must_not_have_been_visible() {
        let seen = shared(&["PATH"], &[]);
        assert!(from_environment("PATH", &seen).unwrap_err().contains("was in the workload's environment"));
        assert!(from_environment("PATH", &shared(&[], &[])).is_ok());
        assert!(from_environment("PATH", &Visible::Nothing).is_ok());
        assert!(from_environment("NO_SUCH_VARIABLE_HERE", &seen).unwrap_err().contains("is not set"));
    }
}
