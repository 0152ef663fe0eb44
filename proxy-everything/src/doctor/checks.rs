//! What can be read off the machine: kernel, switches, privileges, surroundings. Receives nothing, changes nothing; hands on
//! one finding for each. Where an attempt shows the truth, a check only explains it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use nix::sys::resource::{Resource, getrlimit};

use super::Finding;
use crate::capture;

/// `mount_setattr`.
const OLDEST_KERNEL: (u32, u32) = (5, 12);
/// Two descriptors for each of the connections that the limits allow by default.
const DESCRIPTORS: u64 = 20_000;
/// 2026-01-01 00:00 UTC, in seconds: no build is older.
const BUILT_AFTER: u64 = 1_767_225_600;
/// linux/capability.h.
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
/// What a packet filter that uses marks or several interfaces would depend on.
const SYSCTLS: [&str; 6] = [
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/default/rp_filter",
    "net/ipv4/conf/all/accept_local",
    "net/ipv4/conf/all/src_valid_mark",
    "net/ipv4/ip_nonlocal_bind",
    "net/core/fb_tunnels_only_for_init_net",
];
const ENGINES: [&str; 6] = [
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/var/lib/incus/unix.socket",
    "/var/snap/lxd/common/lxd/unix.socket",
];

/// Every check.
pub(super) fn all() -> Vec<Finding> {
    let status = read("/proc/self/status");
    vec![
        kernel(&read("/proc/sys/kernel/osrelease")),
        platform(&read("/proc/version"), container()),
        user_namespaces(&read("/proc/sys/user/max_user_namespaces"), capture::userns_hint()),
        ipv6(Path::new("/proc/sys/net/ipv6").exists()),
        sysctls(),
        privileges(&field(&status, "CapEff")),
        security_modules(),
        seccomp(&field(&status, "Seccomp")),
        container_engines(),
        getrlimit(Resource::RLIMIT_NOFILE).map_or_else(
            |errno| Finding::not_applicable("descriptors", errno.to_string()),
            |(_, hard)| descriptors(hard),
        ),
        Finding::ok("libraries", "libnftnl and libmnl are there, or this would not run"),
        clock(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())),
    ]
}

/// The sockets of container engines that exist.
pub(super) fn engines() -> Vec<PathBuf> {
    let of_user = env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .into_iter()
        .flat_map(|folder| ["docker.sock", "podman/podman.sock"].map(|name| folder.join(name)));
    ENGINES.iter().map(PathBuf::from).chain(of_user).filter(|path| path.exists()).collect()
}

/// Whether this process could prepare the network of somebody else.
pub(super) fn may_attach() -> bool {
    holds_both(&field(&read("/proc/self/status"), "CapEff"))
}

fn kernel(release: &str) -> Finding {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|word| word.parse().ok());
    let (oldest, minor) = OLDEST_KERNEL;
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST_KERNEL => Finding::ok("kernel", release),
        _ => Finding::fail("kernel", release, format!("use Linux {oldest}.{minor} or later")),
    }
}

fn platform(version: &str, container: Option<&str>) -> Finding {
    let name = "surroundings";
    if version.contains("gVisor") {
        return Finding::warn(
            name,
            "gVisor",
            "its kernel has no TPROXY: use a runtime with the host's kernel, or Kata",
        );
    }
    if version.contains("Microsoft") && !version.contains("WSL2") {
        return Finding::fail(
            name,
            "WSL 1, which has no network namespaces",
            "`wsl --set-version DISTRIBUTION 2`",
        );
    }
    let virtual_machine = read("/sys/class/dmi/id/product_name");
    let kind = if version.contains("microsoft") { "WSL 2" } else { "Linux" };
    let within = container.map_or(String::new(), |container| format!(", in a container ({container})"));
    let on = if virtual_machine.is_empty() { String::new() } else { format!(", on {virtual_machine}") };
    Finding::ok(name, format!("{kind}{within}{on}"))
}

fn container() -> Option<&'static str> {
    let marks = [("/.dockerenv", "Docker"), ("/run/.containerenv", "Podman")];
    let by_file = marks.into_iter().find(|(path, _)| Path::new(path).exists()).map(|(_, name)| name);
    let groups = read("/proc/1/cgroup");
    let by_group = ["kubepods", "docker", "containerd", "lxc"].into_iter().find(|word| groups.contains(word));
    by_file.or(by_group)
}

fn user_namespaces(limit: &str, hint: Option<&'static str>) -> Finding {
    match hint {
        // What it forbids to others it may allow to this user; the attempt tells.
        Some(hint) => Finding::warn("user namespaces", "restricted", hint),
        None if limit.is_empty() => {
            Finding::warn("user namespaces", "this kernel has none", "enable CONFIG_USER_NS")
        }
        None => Finding::ok("user namespaces", format!("up to {limit}")),
    }
}

fn ipv6(exists: bool) -> Finding {
    if exists {
        Finding::ok("IPv6", "there; that the host's interfaces use it is not needed")
    } else {
        let cure = "boot without `ipv6.disable=1`, with a kernel that has IPv6";
        Finding::fail("IPv6", "this kernel has it switched off", cure)
    }
}

fn sysctls() -> Finding {
    let named = |path: &str| path.trim_start_matches("net/").replace('/', ".");
    let values = SYSCTLS.iter().map(|path| (named(path), read(&format!("/proc/sys/{path}"))));
    let values = values.filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={value}"));
    let values: Vec<_> = values.collect();
    Finding::ok(
        "sysctls",
        format!("none matters to a sealed network, which has no marks: {}", values.join(" ")),
    )
}

fn holds_both(effective: &str) -> bool {
    let set = u64::from_str_radix(effective, 16).unwrap_or_default();
    [CAP_NET_ADMIN, CAP_SYS_ADMIN].iter().all(|capability| set & (1 << capability) != 0)
}

fn privileges(effective: &str) -> Finding {
    let others = if holds_both(effective) { "held" } else { "not held" };
    Finding::ok(
        "privileges",
        format!("`run` needs none; CAP_SYS_ADMIN and CAP_NET_ADMIN, for networks of others, are {others}"),
    )
}

fn security_modules() -> Finding {
    let modules = read("/sys/kernel/security/lsm");
    let enforcing = read("/sys/fs/selinux/enforce") == "1";
    let profile = read("/proc/self/attr/current");
    let mut found = if modules.is_empty() { "not shown".to_owned() } else { modules };
    if enforcing {
        found += ", SELinux is enforcing";
    }
    if !profile.is_empty() {
        found += &format!(", confined as {profile}");
    }
    Finding::ok("security modules", found)
}

fn seccomp(mode: &str) -> Finding {
    match mode {
        "2" => Finding::ok(
            "system call filter",
            "one is in force, as in a container; the attempts show whether it is in the way",
        ),
        _ => Finding::ok("system call filter", "none but our own"),
    }
}

fn container_engines() -> Finding {
    let found: Vec<_> = engines().iter().map(|path| path.display().to_string()).collect();
    let text = if found.is_empty() {
        "none".to_owned()
    } else {
        format!("{}, hidden from commands", found.join(", "))
    };
    Finding::ok("container engines", text)
}

fn descriptors(hard: u64) -> Finding {
    if hard >= DESCRIPTORS {
        return Finding::ok("descriptors", format!("up to {hard}"));
    }
    let cure = format!("`ulimit -Hn {DESCRIPTORS}`, LimitNOFILE= of systemd, or a lower `maxConnections`");
    Finding::warn(
        "descriptors",
        format!("up to {hard}, fewer than the default 10,000 connections need"),
        cure,
    )
}

fn clock(seconds: u64) -> Finding {
    if seconds >= BUILT_AFTER {
        return Finding::ok("clock", "later than this program");
    }
    Finding::fail("clock", "is before this program was built: no certificate would be valid", "set the clock")
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim_end_matches(['\n', '\0']).to_owned()
}

/// A line `NAME:<tab>VALUE`.
fn field(status: &str, name: &str) -> String {
    let line = status.lines().filter_map(|line| line.split_once(":\t")).find(|(found, _)| *found == name);
    line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{super::Status, *};

    #[test]
    fn what_is_found_is_judged() {
        for (finding, expected) in [
            (kernel("6.1.0-13-amd64"), Status::Ok),
            (kernel("5.12.0"), Status::Ok),
            (kernel("5.11.22"), Status::Fail),
            (kernel("4.19"), Status::Fail),
            (kernel(""), Status::Fail),
            (platform("Linux version 6.1.0 (gcc)", None), Status::Ok),
            (platform("Linux version 4.4.0 (gVisor)", None), Status::Warn),
            (platform("Linux version 4.4.0-19041-Microsoft", None), Status::Fail),
            (platform("Linux version 5.15.90.1-microsoft-standard-WSL2", None), Status::Ok),
            (user_namespaces("15000", None), Status::Ok),
            (user_namespaces("", None), Status::Warn),
            (user_namespaces("0", Some("cure")), Status::Warn),
            (ipv6(true), Status::Ok),
            (ipv6(false), Status::Fail),
            (descriptors(1024), Status::Warn),
            (descriptors(1 << 20), Status::Ok),
            (clock(0), Status::Fail),
            (clock(BUILT_AFTER), Status::Ok),
        ] {
            assert_eq!(finding.status, expected, "{finding}");
        }
        assert!(privileges("000001ffffffffff").found.ends_with(" held"));
        assert!(privileges("0000000000001000").found.ends_with("not held"));
    }
}
