//! What the cache believes, and what it keeps.

use std::{
    fs::{self, File, FileTimes},
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink},
    path::PathBuf,
    thread,
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

use super::*;

struct Place {
    directory: TempDir,
    engine: Engine,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), engine: Engine::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn cache(&self) -> Cache {
        self.bounded(BOUNDS)
    }

    fn bounded(&self, bounds: Bounds) -> Cache {
        Cache::bounded(&self.path("cache"), &self.path("keys"), bounds).unwrap()
    }

    /// The component that is told from others by `number`, with its hash.
    fn component(&self, number: usize) -> (ContentHash, Vec<u8>, Component) {
        let text = format!("(component (core module $m{number}))").into_bytes();
        let component = Component::new(&self.engine, &text).unwrap();
        (Sha256::digest(&text).into(), text, component)
    }

    fn keep(&self, cache: &Cache, number: usize) -> ContentHash {
        let (hash, text, component) = self.component(number);
        cache.keep(&hash, &text, &component);
        hash
    }

    /// Where the compiled form is.
    fn compiled(&self, hash: &ContentHash) -> PathBuf {
        self.path("cache").join(compiled_name(&self.engine, hash))
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_later_process_finds_what_was_kept() {
    let place = Place::new();
    let hash = place.keep(&place.cache(), 1);
    let later = place.cache();
    assert!(later.compiled(&place.engine, &hash).is_some());
    assert_eq!(later.given(&hash).unwrap(), place.component(1).1);
    let (other, ..) = place.component(2);
    assert!(later.compiled(&place.engine, &other).is_none() && later.given(&other).is_none());
    for (path, wanted) in [
        (place.path("cache"), 0o700),
        (place.path("keys"), 0o700),
        (place.path("keys").join(KEY), 0o600),
        (place.compiled(&hash), 0o600),
        (place.path("cache").join(given_name(&hash)), 0o600),
    ] {
        assert_eq!(mode(&path), wanted, "{}", path.display());
    }
}

#[test]
fn another_engine_finds_nothing() {
    let place = Place::new();
    let cache = place.cache();
    let hash = place.keep(&cache, 1);
    let engine = Engine::new(wasmtime::Config::new().epoch_interruption(true)).unwrap();
    assert!(cache.compiled(&engine, &hash).is_none());
    assert!(cache.compiled(&place.engine, &hash).is_some(), "that of the first is still there");
}

#[test]
fn what_was_tampered_with_is_removed() {
    type Harm = fn(&Place, &Path);
    let harms: [(&str, Harm); 8] = [
        ("a changed byte", |_, path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("a torn file", |_, path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
        }),
        ("an empty file", |_, path| fs::write(path, "").unwrap()),
        ("another component's", |place, path| {
            let other = place.keep(&place.cache(), 2);
            fs::copy(place.compiled(&other), path).unwrap();
        }),
        ("one made with another key", |place, path| {
            let cache = Cache::open(&place.path("cache"), &place.path("other-keys")).unwrap();
            place.keep(&cache, 1);
            assert!(path.exists());
        }),
        ("open to others", |_, path| set_mode(path, 0o640)),
        ("a link", |place, path| {
            fs::rename(path, place.path("elsewhere")).unwrap();
            symlink(place.path("elsewhere"), path).unwrap();
        }),
        ("a folder's place", |_, path| {
            fs::remove_file(path).unwrap();
            rustix::fs::mknodat(
                rustix::fs::CWD,
                path,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::from(0o600),
                0,
            )
            .unwrap();
        }),
    ];
    for (what, harm) in harms {
        let place = Place::new();
        let hash = place.keep(&place.cache(), 1);
        let path = place.compiled(&hash);
        harm(&place, &path);
        assert!(place.cache().compiled(&place.engine, &hash).is_none(), "{what}");
        assert!(fs::symlink_metadata(&path).is_err(), "{what} is removed");
        place.keep(&place.cache(), 1);
        assert!(place.cache().compiled(&place.engine, &hash).is_some(), "{what}: it heals");
    }
}

#[test]
fn what_is_believed_does_not_change_with_its_file() {
    let place = Place::new();
    let cache = place.cache();
    let hash = place.keep(&cache, 1);
    let component = cache.compiled(&place.engine, &hash).unwrap();
    let path = place.compiled(&hash);
    let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
    File::options().write(true).open(&path).unwrap().write_all_at(&vec![0; length], 0).unwrap();
    assert_eq!(component.serialize().unwrap(), place.component(1).2.serialize().unwrap());
    assert!(cache.compiled(&place.engine, &hash).is_none());
}

#[test]
fn a_given_component_is_believed_by_its_hash() {
    let place = Place::new();
    let hash = place.keep(&place.cache(), 1);
    let path = place.path("cache").join(given_name(&hash));
    fs::write(&path, "(component)").unwrap();
    assert!(place.cache().given(&hash).is_none());
    assert!(!path.exists());
}

#[test]
fn only_folders_of_our_own_will_do() {
    for name in ["cache", "keys"] {
        let place = Place::new();
        let open = || Cache::open(&place.path("cache"), &place.path("keys"));
        let path = place.path(name);
        open().unwrap();
        set_mode(&path, 0o750);
        assert!(open().is_err(), "{name}: others can enter");
        set_mode(&path, 0o700);
        open().unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
            assert!(open().is_err(), "{name}: somebody else's");
            std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        }
        fs::rename(&path, place.path("moved")).unwrap();
        symlink(place.path("moved"), &path).unwrap();
        assert!(open().is_err(), "{name}: a link may lead anywhere");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert!(open().is_err(), "{name}: a file");
    }
    let place = Place::new();
    place.cache();
    fs::write(place.path("keys").join(KEY), "short").unwrap();
    assert!(Cache::open(&place.path("cache"), &place.path("keys")).is_err(), "a damaged key");
}

#[test]
fn what_was_moved_is_still_ours() {
    let place = Place::new();
    let cache = place.cache();
    let hash = place.keep(&cache, 1);
    fs::rename(place.path("cache"), place.path("moved")).unwrap();
    fs::create_dir(place.path("cache")).unwrap();
    assert!(cache.compiled(&place.engine, &hash).is_some(), "the folder was opened once");
}

#[test]
fn the_least_recently_used_go_first() {
    let place = Place::new();
    let used = |hash: &ContentHash, minutes: u64| {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(60 * minutes);
        for path in [place.compiled(hash), place.path("cache").join(given_name(hash))] {
            File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
        }
    };
    let cache = place.bounded(Bounds { components: 3, bytes: u64::MAX });
    let hashes = [1, 2, 3].map(|number| place.keep(&cache, number));
    hashes.iter().zip(10..).for_each(|(hash, minutes)| used(hash, minutes));
    assert!(cache.compiled(&place.engine, &hashes[0]).is_some(), "and so the first was used last");
    let fourth = place.keep(&cache, 4);
    let there = |hash: &ContentHash| (place.compiled(hash).exists(), cache.given(hash).is_some());
    assert_eq!(hashes.each_ref().map(there), [(true, true), (false, false), (true, true)]);
    assert_eq!(there(&fourth), (true, true));

    // Room for one, and not for two.
    let bytes = fs::metadata(place.compiled(&fourth)).unwrap().len() * 3 / 2;
    let cache = place.bounded(Bounds { components: 3, bytes });
    hashes
        .iter()
        .chain([&fourth])
        .filter(|hash| place.compiled(hash).exists())
        .for_each(|hash| used(hash, 10));
    let fifth = place.keep(&cache, 5);
    assert_eq!(fs::read_dir(place.path("cache")).unwrap().count(), 2, "its two files");
    assert!(cache.compiled(&place.engine, &fifth).is_some());
}

#[test]
fn what_was_never_finished_is_removed_once_it_is_old() {
    let place = Place::new();
    let cache = place.cache();
    let [old, new] = [".tmp-1-1", ".tmp-1-2"].map(|name| place.path("cache").join(name));
    fs::write(&old, "").unwrap();
    fs::write(&new, "").unwrap();
    File::open(&old).unwrap().set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH)).unwrap();
    place.keep(&cache, 1);
    assert!(!old.exists() && new.exists());
}

/// Each opens the folders anew, as a process does.
#[test]
fn many_at_once_do_not_disturb_each_other() {
    let place = Place::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let cache = place.cache();
                for round in 0..20 {
                    let hash = place.keep(&cache, round % 3);
                    assert!(
                        cache.compiled(&place.engine, &hash).is_some(),
                        "never torn, never of another key"
                    );
                    assert!(cache.given(&hash).is_some());
                }
            });
        }
    });
}
