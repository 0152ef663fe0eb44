//! One look after the other at real files, without a clock: what is put in force, when, and what is told.

use std::os::unix::fs::symlink;

use super::*;

struct Watched {
    _directory: tempfile::TempDir,
    root: PathBuf,
    watch: Watch,
}

impl Watched {
    /// `policy.yaml` with `text`, read once, as at the start of an instance.
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(directory.path()).unwrap();
        fs::write(root.join("policy.yaml"), text).unwrap();
        let mut watched = Self::of(directory, &root, "policy.yaml");
        watched.watch.files.document().unwrap();
        assert_eq!(watched.change(), None, "what was read at the start is no change");
        watched
    }

    fn of(directory: tempfile::TempDir, root: &Path, name: &str) -> Self {
        let watch = Watch::new(Arc::new(PolicyFiles::at(&[root.join(name)])), None);
        Self { _directory: directory, root: root.to_owned(), watch }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A change as it is found by the next looks, as the text, or `fault: ` and what is told.
    fn change(&mut self) -> Option<String> {
        let looks: Vec<_> = (0..4).map(|_| self.watch.look()).collect();
        let mut told = looks.into_iter().filter_map(|look| match look {
            Look::Nothing => None,
            Look::Texts(texts) if self.watch.files.is_accepted(&texts) => None,
            Look::Texts(texts) => {
                self.watch.files.accept(Some(texts.clone()));
                Some(texts.concat())
            }
            Look::Fault(error) => Some(format!("fault: {error}")),
        });
        let first = told.next();
        assert_eq!(told.next(), None, "one change is told once");
        first
    }
}

#[test]
fn every_way_to_write_a_file_is_noticed_once() {
    let mut watched = Watched::new("# 1\n");
    let file = watched.path("policy.yaml");
    // Truncated and written.
    fs::write(&file, "# 2\n").unwrap();
    assert_eq!(watched.change().as_deref(), Some("# 2\n"));
    // Renamed over.
    fs::write(watched.path("new"), "# 3\n").unwrap();
    fs::rename(watched.path("new"), &file).unwrap();
    assert_eq!(watched.change().as_deref(), Some("# 3\n"));
    // Renamed to a backup, and made again.
    fs::rename(&file, watched.path("policy.yaml~")).unwrap();
    fs::write(&file, "# 4\n").unwrap();
    assert_eq!(watched.change().as_deref(), Some("# 4\n"));
    // Deleted and made again, of the same length.
    fs::remove_file(&file).unwrap();
    fs::write(&file, "# 5\n").unwrap();
    assert_eq!(watched.change().as_deref(), Some("# 5\n"));
    assert_eq!(watched.change(), None);
}

#[test]
fn a_config_map_is_swapped_by_its_link() {
    let directory = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(directory.path()).unwrap();
    let version = |name: &str, text: &str| {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("policy.yaml"), text).unwrap();
    };
    version("..1", "# 1\n");
    symlink("..1", root.join("..data")).unwrap();
    symlink("..data/policy.yaml", root.join("policy.yaml")).unwrap();
    let mut watched = Watched::of(directory, &root, "policy.yaml");
    assert_eq!(watched.change().as_deref(), Some("# 1\n"), "nobody had read it");
    version("..2", "# 2\n");
    symlink("..2", root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    fs::remove_dir_all(root.join("..1")).unwrap();
    assert_eq!(watched.change().as_deref(), Some("# 2\n"));
}

#[test]
fn a_file_that_is_being_written_waits() {
    let mut watched = Watched::new("# 1\n");
    let file = watched.path("policy.yaml");
    for text in ["", "# ", "# 2"] {
        fs::write(&file, text).unwrap();
        assert!(matches!(watched.watch.look(), Look::Nothing), "{text:?} is read at once");
    }
    fs::write(&file, "# 22\n").unwrap();
    assert!(matches!(watched.watch.look(), Look::Nothing));
    assert!(matches!(watched.watch.look(), Look::Texts(texts) if texts == ["# 22\n"]));
    assert!(matches!(watched.watch.look(), Look::Nothing));
}

#[test]
fn touching_does_nothing() {
    let mut watched = Watched::new("# 1\n");
    let file = File::options().append(true).open(watched.path("policy.yaml")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert!(matches!(watched.watch.look(), Look::Nothing));
    assert!(matches!(watched.watch.look(), Look::Texts(texts) if watched.watch.files.is_accepted(&texts)));
    assert_eq!(watched.change(), None);
}

#[test]
fn what_is_in_force_already_is_no_change() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.yaml");
    fs::write(&file, "# 1\n").unwrap();
    for (known, change) in [("# 1\n", None), ("# 0\n", Some("# 1\n".to_owned()))] {
        let files = Arc::new(PolicyFiles::at(std::slice::from_ref(&file)).with(vec![known.to_owned()]));
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        let mut watched = Watched { _directory: directory, root, watch: Watch::new(files, None) };
        assert_eq!(watched.change(), change, "{known}");
    }
}

#[test]
fn what_cannot_be_read_is_a_fault() {
    let mut watched = Watched::new("# 1\n");
    let file = watched.path("policy.yaml");
    let mut fault = |wanted: &str| {
        let told = watched.change().unwrap_or_default();
        assert!(told.starts_with("fault: ") && told.contains(wanted), "{told}");
    };
    fs::remove_file(&file).unwrap();
    fault("No such file");
    symlink("policy.yaml", &file).unwrap();
    fault("symbolic link");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    fault("no regular file");
    fs::remove_dir(&file).unwrap();
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
    fault("no regular file");
    fs::remove_file(&file).unwrap();
    fs::write(&file, b"# \xff\n").unwrap();
    fault("not UTF-8");
    fs::write(&file, "#".repeat(MAX_DOCUMENT + 1)).unwrap();
    fault("larger than 4 MiB");
    fs::write(&file, "#".repeat(MAX_DOCUMENT)).unwrap();
    assert_eq!(watched.change().unwrap().len(), MAX_DOCUMENT);
    fs::remove_file(&file).unwrap();
    assert!(watched.change().is_some());
    fs::write(&file, "#".repeat(MAX_DOCUMENT)).unwrap();
    assert_eq!(watched.change(), None, "it came back as it was");
}

#[test]
fn a_command_that_could_change_the_file_stops_the_watch() {
    let mut watched = Watched::new("# 1\n");
    watched.watch.command = Some(Command::ours().unwrap());
    fs::write(watched.path("policy.yaml"), "# 2\n").unwrap();
    let told = watched.change().unwrap();
    assert!(told.contains("could change the policy"), "{told}");
}
