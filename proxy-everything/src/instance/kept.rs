//! The file in which what was set at run time outlives the process. Receives it whole at every change, before the change is in
//! force, and hands it back at the next start of an instance with the same id. A file that cannot be read, or does not fit the
//! document, is a fault: without it, what was denied would pass.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use policy::Overrides;

use crate::config::{ConfigError, MAX_DOCUMENT};

/// Where the changes of one instance are kept.
#[derive(Clone, Debug)]
pub struct KeptOverrides(PathBuf);

impl KeptOverrides {
    /// At `path`, in a folder that only we can enter.
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// What was kept; without a file, nothing was set.
    pub fn read(&self, document: &policy::Document) -> Result<Overrides, ConfigError> {
        let wrong = |reason: String| ConfigError::KeptOverrides { path: self.0.clone(), reason };
        let mut text = String::new();
        match File::open(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Overrides::default()),
            // One octet more than a text may have, so that a longer one is refused.
            opened => opened.and_then(|file| file.take(MAX_DOCUMENT as u64 + 1).read_to_string(&mut text)),
        }
        .map_err(|error| wrong(error.to_string()))?;
        Overrides::parse(&text, document).map_err(|fault| wrong(fault.to_string()))
    }

    /// Keeps `overrides`; when it returns they are on the disk. Whenever the machine stops, the file is a whole one.
    pub(super) fn write(&self, overrides: &Overrides) -> io::Result<()> {
        let mut name = self.0.clone().into_os_string();
        name.push(".new");
        let new = PathBuf::from(name);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(overrides.to_json().as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.0)?;
        File::open(self.0.parent().unwrap_or_else(|| Path::new("/")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use policy::{Document, Verb};

    use super::*;

    #[test]
    fn what_is_kept_comes_back_or_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.overrides.json");
        let kept = KeptOverrides::at(path.clone());
        let document = Document::parse("handlers: { one: { deny: {} } }").unwrap();
        assert_eq!(kept.read(&document).unwrap(), Overrides::default());
        let body = r#"{"host":"a.test","handler":"one"}"#;
        let overrides = Overrides::default().change(Verb::SetOutboundByHost, body, &document).unwrap();
        kept.write(&overrides).unwrap();
        assert_eq!(kept.read(&document).unwrap(), overrides);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let fault = |document: &Document| kept.read(document).unwrap_err().to_string();
        let told = fault(&Document::default());
        assert!(told.contains("unknown handler `one`") && told.contains("remove it"), "{told}");
        for text in ["", "{", "null", "{\"bogus\":1}"] {
            fs::write(&path, text).unwrap();
            assert!(fault(&document).contains("a.overrides.json"), "{text}");
        }
        fs::write(&path, " ".repeat(MAX_DOCUMENT + 1)).unwrap();
        assert!(fault(&document).contains("larger than 4 MiB"));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(kept.read(&document).is_err());
    }
}
