//! Who else is in this network. Receives what `/proc` shows of other processes; hands on whether one of them could send packets past
//! rules that go by marks, which takes NET_RAW or NET_ADMIN. What cannot be seen counts as what it might be.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{CaptureError, Mode, cgroup::Cgroup};

/// capabilities(7), by their numbers.
const NET_ADMIN: u32 = 12;
const NET_RAW: u32 = 13;

/// Why marks may not hold the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// No other process of this network can be seen.
    #[error("no process of the workload can be seen here")]
    Unseen,
    /// This one has, or may get, one of the two capabilities.
    #[error("process {0} has NET_RAW or NET_ADMIN, or may get it")]
    Able(u32),
}

/// What a user allows for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Only a workload that marks hold.
    Held,
    /// Any.
    Degraded,
}

/// A thread of this network.
struct Other {
    /// The process it is of.
    pid: u32,
    /// Those that it has or may get, one bit for each.
    capabilities: u64,
    /// Below `/proc`.
    path: PathBuf,
}

/// How the network of this process can be served without leaving it; an error if it cannot, or not as `accept` says.
pub fn mode_of_sharing(accept: Accept) -> Result<Mode, CaptureError> {
    let others = others(Path::new("/proc")).map_err(CaptureError::step("look for the workload"))?;
    let able = |other: &&Other| other.capabilities & (1 << NET_RAW | 1 << NET_ADMIN) != 0;
    let doubt = match others.iter().find(able) {
        Some(other) => Some(Doubt::Able(other.pid)),
        None => others.is_empty().then_some(Doubt::Unseen),
    };
    if let (Some(doubt), Accept::Held) = (doubt, accept) {
        return Err(CaptureError::NotHeld(doubt));
    }
    let own = Cgroup::own()?;
    for other in &others {
        match own.holds(&other.path) {
            Ok(false) => {}
            Ok(true) => return Err(CaptureError::SharedCgroup(other.pid)),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(CaptureError::step("look at the workload's cgroup")(error)),
        }
    }
    let Some(doubt) = doubt else { return Ok(Mode::Shared) };
    tracing::warn!("the network is not sealed, and the workload may send past the proxy: {doubt}");
    Ok(Mode::Degraded)
}

fn others(proc: &Path) -> io::Result<Vec<Other>> {
    let here = fs::metadata(proc.join("self/ns/net"))?.ino();
    let mut found = Vec::new();
    for pid in numbers(proc)?.into_iter().filter(|pid| *pid != std::process::id()) {
        // Each thread has capabilities of its own.
        let threads = proc.join(pid.to_string()).join("task");
        for thread in numbers(&threads)? {
            let path = threads.join(thread.to_string());
            match look(&path, here) {
                Ok(Some(capabilities)) => found.push(Other { pid, capabilities, path }),
                Ok(None) => {}
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

/// The names in `folder` that are numbers; none if it is gone.
fn numbers(folder: &Path) -> io::Result<Vec<u32>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        entries => entries?,
    };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    Ok(entries.collect::<io::Result<Vec<_>>>()?.into_iter().filter_map(number).collect())
}

/// The capabilities that a thread of the network `here` has or may get, one bit for each; `None` for one that is elsewhere.
fn look(process: &Path, here: u64) -> io::Result<Option<u64>> {
    match fs::metadata(process.join("ns/net")) {
        Ok(network) if network.ino() != here => return Ok(None),
        // It may not be looked at: it counts as being here.
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
        _ => {}
    }
    let status = fs::read_to_string(process.join("status"))?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if field("State:").is_some_and(|state| state.starts_with('Z')) {
        return Ok(None);
    }
    let sets = ["CapPrm:", "CapEff:", "CapBnd:"].map(|name| u64::from_str_radix(field(name)?, 16).ok());
    // A set that is not told may hold everything.
    Ok(Some(sets.iter().fold(0, |all, set| all | set.unwrap_or(u64::MAX))))
}

/// It has ended meanwhile.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}
