//! A hostile container: what it may put where the trust store should be, and what must not come of it.

use std::{
    fs::{self, File, Permissions},
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, symlink},
    },
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use nix::{
    fcntl::{AT_FDCWD, RenameFlags, renameat2},
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use tempfile::TempDir;

use super::*;

const A: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const B: &str = "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n";
const SYSTEM: &str = "-----BEGIN CERTIFICATE-----\nSSSS\n-----END CERTIFICATE-----\n";

/// A host folder with a canary in it, and beside it a container's root folder.
struct World {
    base: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { base: TempDir::new().unwrap() };
        fs::create_dir_all(world.host()).unwrap();
        fs::create_dir_all(world.path("/etc/ssl/certs")).unwrap();
        fs::write(world.host().join("canary"), SYSTEM).unwrap();
        world
    }

    fn host(&self) -> PathBuf {
        self.base.path().join("host")
    }

    /// A path inside the container.
    fn path(&self, path: &str) -> PathBuf {
        self.base.path().join("root").join(path.trim_start_matches('/'))
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn install(&self, ca_pem: &str) -> Installed {
        install(File::open(self.path("/")).unwrap().as_fd(), ca_pem, SYSTEM, Compat::Strict)
    }

    fn assert_host_untouched(&self) {
        let names: Vec<_> =
            fs::read_dir(self.host()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["canary"]);
        assert_eq!(fs::read_to_string(self.host().join("canary")).unwrap(), SYSTEM);
    }
}

fn block(ca_pem: &str) -> String {
    String::from_utf8(block::with_block(b"", ca_pem)).unwrap()
}

fn reason(installed: &Installed, path: &str) -> Option<String> {
    installed
        .refused
        .iter()
        .find(|(refused, _)| refused == Path::new(path))
        .map(|(_, error)| error.to_string())
}

#[test]
fn a_container_without_a_bundle_gets_one() {
    let world = World::new();
    fs::remove_dir_all(world.path("/etc")).unwrap();
    let installed = world.install(A);
    assert!(installed.refused.is_empty(), "{installed:?}");
    assert_eq!(world.text(CUSTOMARY), format!("{SYSTEM}{}", block(A)));
    assert_eq!(world.text(INSIDE_CA), A);
    assert_eq!(world.text(INSIDE_BUNDLE), format!("{SYSTEM}{A}"));
    for (path, mode) in [("/etc/ssl", 0o755), (INSIDE_DIR, 0o755), (CUSTOMARY, 0o644), (INSIDE_CA, 0o644)] {
        assert_eq!(fs::metadata(world.path(path)).unwrap().mode() & 0o7777, mode, "{path}");
    }
}

#[test]
fn java_has_a_store_of_its_own() {
    let world = World::new();
    for name in ["one", "two"] {
        let ca = certs::InstanceCa::new(name, rustls::pki_types::UnixTime::now()).unwrap();
        assert!(world.install(ca.pem()).changed.contains(&PathBuf::from(INSIDE_JAVA)));
        assert_eq!(fs::read(world.path(INSIDE_JAVA)).unwrap(), certs::java_trust_store(ca.pem()));
    }
}

#[test]
fn images_for_another_system_find_it() {
    let world = World::new();
    let place = world.path(CLOUDFLARE);
    let root = File::open(world.path("/")).unwrap();
    assert!(world.install(A).refused.is_empty() && !place.exists());
    let installed = install(root.as_fd(), A, SYSTEM, Compat::Cloudflare);
    assert!(installed.refused.is_empty(), "{installed:?}");
    assert_eq!(world.text(CLOUDFLARE), A);
    // A link there leads nowhere.
    fs::remove_file(&place).unwrap();
    symlink(world.host().join("canary"), &place).unwrap();
    install(root.as_fd(), B, SYSTEM, Compat::Cloudflare);
    assert_eq!(world.text(CLOUDFLARE), B);
    world.assert_host_untouched();
}

#[test]
fn distributions() {
    // Folders, files, links (name, target); bundles that must hold the CA; the anchor.
    type Case = (
        &'static [&'static str],
        &'static str,
        &'static [(&'static str, &'static str)],
        Option<&'static str>,
    );
    let cases: [Case; 4] = [
        (
            &["/usr/local/share"],
            CUSTOMARY,
            &[("/etc/ssl/cert.pem", "certs/ca-certificates.crt")],
            Some(ANCHORS[0]),
        ),
        (
            &["/etc/pki/ca-trust/source", "/etc/pki/tls/certs"],
            BUNDLES[2],
            &[
                (BUNDLES[1], "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
                ("/etc/pki/tls/cert.pem", "certs/ca-bundle.crt"),
            ],
            Some(ANCHORS[1]),
        ),
        (
            &["/etc/pki/trust"],
            BUNDLES[5],
            &[("/etc/ssl/ca-bundle.pem", "../../var/lib/ca-certificates/ca-bundle.pem")],
            Some(ANCHORS[2]),
        ),
        (
            &["/etc/ca-certificates/trust-source"],
            "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
            &[(CUSTOMARY, "../../ca-certificates/extracted/tls-ca-bundle.pem")],
            Some(ANCHORS[3]),
        ),
    ];
    for (folders, bundle, links, anchor) in cases {
        let world = World::new();
        for folder in folders {
            fs::create_dir_all(world.path(folder)).unwrap();
        }
        fs::create_dir_all(world.path(bundle).parent().unwrap()).unwrap();
        fs::write(world.path(bundle), SYSTEM).unwrap();
        for (name, target) in links {
            symlink(target, world.path(name)).unwrap();
        }
        let installed = world.install(A);
        assert!(installed.refused.is_empty(), "{installed:?}");
        assert_eq!(world.text(bundle), format!("{SYSTEM}{}", block(A)));
        for (name, target) in links {
            assert_eq!(fs::read_link(world.path(name)).unwrap(), Path::new(target), "the link stays");
        }
        for path in ANCHORS {
            assert_eq!(world.path(path).exists(), Some(path) == anchor, "{path}");
        }
        assert!(world.install(A).changed.is_empty());
    }
}

#[test]
fn twice_is_once_and_the_last_wins() {
    let world = World::new();
    fs::create_dir_all(world.path("/usr/local/share")).unwrap();
    fs::write(world.path(CUSTOMARY), SYSTEM.trim()).unwrap();
    assert_eq!(world.install(A).changed.len(), 5);
    let inode = fs::metadata(world.path(CUSTOMARY)).unwrap().ino();
    assert!(world.install(A).changed.is_empty());
    assert_eq!(fs::metadata(world.path(CUSTOMARY)).unwrap().ino(), inode, "what is current is not written");
    // Java has nothing of either: they are not certificates.
    assert_eq!(world.install(B).changed.len(), 4);
    assert_eq!(world.text(CUSTOMARY), format!("{SYSTEM}{}", block(B)));
    assert_eq!(world.text(ANCHORS[0]), B);
}

#[test]
fn mode_and_owner_stay() {
    let world = World::new();
    let bundle = world.path(CUSTOMARY);
    fs::write(&bundle, SYSTEM).unwrap();
    chown(&bundle, Some(1234), Some(4321)).unwrap();
    fs::set_permissions(&bundle, Permissions::from_mode(0o4640)).unwrap();
    chown(world.path("/"), Some(100_000), Some(100_000)).unwrap();
    world.install(A);
    let found = fs::metadata(&bundle).unwrap();
    assert_eq!(
        (found.uid(), found.gid(), found.mode() & 0o7777),
        (1234, 4321, 0o640),
        "and no set-user-id bit"
    );
    for path in ["/run", INSIDE_DIR, INSIDE_CA] {
        let found = fs::metadata(world.path(path)).unwrap();
        assert_eq!((found.uid(), found.gid()), (100_000, 100_000), "{path} is for the container's own root");
    }
}

#[test]
fn what_stands_at_the_bundles_name() {
    type Make = fn(&World, &Path);
    let cases: [(&str, Make, Option<&str>); 10] = [
        (
            "an absolute link to the host",
            |world, path| symlink(world.host().join("canary"), path).unwrap(),
            None,
        ),
        ("a relative link to the host", |_, path| symlink("../../../../host/canary", path).unwrap(), None),
        (
            "a link through a folder's link",
            |world, path| {
                symlink(world.host(), world.path("/etc/out")).unwrap();
                symlink("/etc/out/canary", path).unwrap();
            },
            None,
        ),
        (
            "a hard link to the host",
            |world, path| fs::hard_link(world.host().join("canary"), path).unwrap(),
            None,
        ),
        (
            "links in a circle",
            |_, path| symlink("ca-certificates.crt", path).unwrap(),
            Some("too many symbolic links"),
        ),
        (
            "a magic link",
            |_, path| symlink("/proc/self/root/etc/ssl/certs/ca-certificates.crt", path).unwrap(),
            None,
        ),
        ("a folder", |_, path| fs::create_dir(path).unwrap(), Some("not a regular file")),
        (
            "a FIFO",
            |_, path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
            Some("not a regular file"),
        ),
        (
            "a huge file",
            |_, path| File::create(path).unwrap().set_len(root::MAX_FILE + 1).unwrap(),
            Some("larger than 16 MiB"),
        ),
        ("another file", |_, path| fs::write(path, "root:x:0:0\n").unwrap(), Some("no certificate")),
    ];
    for (what, make, refused) in cases {
        let world = World::new();
        make(&world, &world.path(CUSTOMARY));
        assert_replaced_or_refused(&world, what, refused);
    }
}

fn assert_replaced_or_refused(world: &World, what: &str, refused: Option<&str>) {
    let inode = || fs::symlink_metadata(world.path(CUSTOMARY)).unwrap().ino();
    let before = inode();
    let installed = world.install(A);
    world.assert_host_untouched();
    let reason = reason(&installed, CUSTOMARY);
    if let Some(words) = refused {
        assert!(reason.as_ref().is_some_and(|reason| reason.contains(words)), "{what}: {reason:?}");
        assert_eq!(inode(), before, "{what} is left alone");
    } else {
        assert_eq!(reason, None, "{what}");
        assert_eq!(world.text(CUSTOMARY), format!("{SYSTEM}{}", block(A)), "{what}");
    }
    assert_eq!(world.text(INSIDE_CA), A, "{what}: the rest is done");
}

#[test]
fn folders_that_lead_out() {
    for target in ["/HOST", "../../../host", "/proc/1/root", "/proc/self/cwd"] {
        let world = World::new();
        let target = target.replace("/HOST", world.host().to_str().unwrap());
        for folder in ["/etc/ssl/certs", "/run/proxy-everything"] {
            fs::create_dir_all(world.path(folder)).unwrap();
            fs::remove_dir(world.path(folder)).unwrap();
            symlink(&target, world.path(folder)).unwrap();
        }
        let installed = world.install(A);
        world.assert_host_untouched();
        assert!(
            reason(&installed, CUSTOMARY).is_some() && reason(&installed, INSIDE_CA).is_some(),
            "{installed:?}"
        );
    }
}

#[test]
fn a_folder_that_is_swapped_meanwhile() {
    let world = World::new();
    let (certs, aside) = (world.path("/etc/ssl/certs"), world.path("/etc/ssl/aside"));
    fs::write(world.path(CUSTOMARY), SYSTEM).unwrap();
    symlink(world.host(), &aside).unwrap();
    let swap = || {
        renameat2(AT_FDCWD, &certs, AT_FDCWD, &aside, RenameFlags::RENAME_EXCHANGE)
            .expect("swap folder and link")
    };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                swap();
                swap();
            }
        });
        for number in 0..500 {
            world.install(if number % 2 == 0 { A } else { B });
        }
        over.store(true, Ordering::Relaxed);
    });
    world.assert_host_untouched();
    world.install(A);
    assert!(world.text(CUSTOMARY).ends_with(&block(A)));
    let names: Vec<_> = fs::read_dir(&certs).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["ca-certificates.crt"], "nothing temporary is left");
}

/// A mount namespace that ends with the thread; what is mounted there is not in this process's own list, as with a container.
fn with_mounts(test: impl FnOnce() + Send + 'static) {
    let checked = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNS).expect("the tests run as root");
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        test();
    });
    checked.join().unwrap();
}

fn tmpfs(target: &Path, flags: MsFlags, options: &str) {
    mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(options)).unwrap();
}

#[test]
fn read_only_and_full_roots() {
    with_mounts(|| {
        let world = World::new();
        tmpfs(&world.path("/"), MsFlags::MS_RDONLY, "");
        let installed = world.install(A);
        assert!(installed.changed.is_empty());
        assert!(reason(&installed, CUSTOMARY).unwrap().contains("Read-only file system"), "{installed:?}");
    });
    with_mounts(|| {
        let world = World::new();
        tmpfs(&world.path("/"), MsFlags::empty(), "nr_inodes=8");
        fs::create_dir_all(world.path("/etc/ssl/certs")).unwrap();
        fs::write(world.path(CUSTOMARY), SYSTEM).unwrap();
        fs::write(world.path("/full1"), "").unwrap();
        fs::write(world.path("/full2"), "").unwrap();
        let installed = world.install(A);
        assert!(reason(&installed, INSIDE_CA).unwrap().contains("No space left"), "{installed:?}");
        assert_eq!(fs::read_dir(world.path("/etc/ssl/certs")).unwrap().count(), 1);
    });
}

#[test]
fn other_mounts_are_left_alone() {
    with_mounts(|| {
        let world = World::new();
        for (source, target) in [(world.host(), "/etc/ssl/certs"), (PathBuf::from("/dev/shm"), "/run")] {
            fs::create_dir_all(world.path(target)).unwrap();
            let bind = MsFlags::MS_BIND;
            mount(Some(&source), &world.path(target), None::<&str>, bind, None::<&str>).unwrap();
        }
        let installed = world.install(A);
        world.assert_host_untouched();
        assert!(!Path::new("/dev/shm/proxy-everything").exists());
        for path in [CUSTOMARY, INSIDE_CA, INSIDE_BUNDLE, INSIDE_JAVA] {
            assert!(reason(&installed, path).unwrap().contains("another file system"), "{installed:?}");
        }
    });
    with_mounts(|| {
        let world = World::new();
        fs::create_dir(world.path("/run")).unwrap();
        tmpfs(&world.path("/run"), MsFlags::empty(), "");
        let installed = world.install(A);
        assert!(installed.refused.is_empty(), "a tmpfs of its own: {installed:?}");
        assert_eq!(world.text(INSIDE_CA), A);
    });
}

#[test]
fn our_own_root_is_refused() {
    let world = World::new();
    let path = world.path("/");
    thread::spawn(move || {
        // Of this thread alone, so that a failure cannot reach the trust store of this machine.
        unshare(CloneFlags::CLONE_FS).unwrap();
        nix::unistd::chroot(&path).unwrap();
        let installed = install(File::open("/").unwrap().as_fd(), A, SYSTEM, Compat::Strict);
        assert!(installed.changed.is_empty());
        assert!(matches!(installed.refused[..], [(_, TrustError::OwnRoot)]), "{installed:?}");
    })
    .join()
    .unwrap();
    assert_eq!(fs::read_dir(world.path("/etc/ssl/certs")).unwrap().count(), 0);
}

#[test]
fn an_unprivileged_user_is_refused_what_it_may_not_do() {
    let world = World::new();
    fs::DirBuilder::new().mode(0o700).create(world.path("/run")).unwrap();
    fs::set_permissions(world.base.path(), Permissions::from_mode(0o755)).unwrap();
    let root = File::open(world.path("/")).unwrap();
    thread::spawn(move || {
        // The file system ids are a thread's own; with them go the capabilities over files.
        nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65534));
        let installed = install(root.as_fd(), A, SYSTEM, Compat::Strict);
        for path in [CUSTOMARY, INSIDE_CA] {
            assert!(reason(&installed, path).unwrap().contains("Permission denied"), "{installed:?}");
        }
    })
    .join()
    .unwrap();
}
