//! The pages of this program's own file. A start touches most of its code and much of its constants, in every corner of a large
//! program, and what runs then needs few: receives nothing, and hands the others back to the kernel. One that is needed after
//! all is mapped again, with its neighbours, for about a microsecond.

use std::{fs, io, num::NonZeroUsize, os::unix::ffi::OsStrExt, ptr::NonNull};

use nix::sys::mman::{MmapAdvise, madvise};

/// Unmaps all that still is as it is in the file; bytes that are not mapped any more.
pub fn unmap_code() -> io::Result<usize> {
    let program = fs::read_link("/proc/self/exe")?;
    let mut unmapped = 0;
    for (from, to) in untouched(&fs::read("/proc/self/smaps")?, program.as_os_str().as_bytes()) {
        let start = NonZeroUsize::new(from).map(NonNull::without_provenance);
        let (Some(start), Some(length)) = (start, to.checked_sub(from)) else { continue };
        // SAFETY: pages that cannot be written, and have not been, hold what the file does, so that being mapped again changes nothing.
        unsafe { madvise(start, length, MmapAdvise::MADV_DONTNEED)? };
        unmapped += length;
    }
    Ok(unmapped)
}

/// What /proc/PID/smaps says is mapped of `program`, is not writable, and has no page of its own: the loader has written to others
/// before it closed them (proc_pid_smaps(5)).
fn untouched(smaps: &[u8], program: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut mapping = None;
    for line in smaps.split(|byte| *byte == b'\n') {
        if let Some(pages) = line.strip_prefix(b"Anonymous:") {
            found.extend(mapping.take().filter(|_| pages.trim_ascii() == b"0 kB"));
        } else if line.first().is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            mapping = read_only(line, program);
        }
    }
    found
}

/// Where the first line of a mapping says that it is.
fn read_only(line: &[u8], program: &[u8]) -> Option<(usize, usize)> {
    let line = line.strip_suffix(program)?;
    let mut fields = str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (from, to) = fields.next()?.split_once('-')?;
    matches!(fields.next()?, "r-xp" | "r--p").then_some(())?;
    Some((usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// kB of our file that are mapped.
    fn mapped() -> usize {
        let program = fs::read_link("/proc/self/exe").unwrap();
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
        let mut ours = false;
        let mut total = 0;
        for line in smaps.lines() {
            if !line.contains(": ") {
                ours = read_only(line.as_bytes(), program.as_os_str().as_bytes()).is_some();
            } else if let Some(size) = line.strip_prefix("Rss:").filter(|_| ours) {
                total += size.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap();
            }
        }
        total
    }

    #[test]
    fn what_was_mapped_goes_and_comes_back_when_it_is_needed() {
        let before = mapped();
        assert!(unmap_code().unwrap() > before * 1024);
        let after = mapped();
        assert!(after < before, "{after} kB, {before} before");
        // It still works.
        assert_eq!("a line".to_uppercase(), "A LINE");
    }

    #[test]
    fn mappings() {
        let smaps = b"\
5581-5591 r--p 00000000 fe:00 10010843                   /bin/proxy
Rss:                   8 kB
Anonymous:             0 kB
5591-55a1 r-xp 00bcf000 fe:00 10010843                   /bin/proxy
Rss:                   8 kB
Anonymous:             0 kB
VmFlags: rd ex
55a1-55b1 r--p 00cdf000 fe:00 10010843                   /bin/proxy
Anonymous:             4 kB
55b1-55c1 rw-p 00cdf000 fe:00 10010843                   /bin/proxy
Anonymous:             0 kB
55c1-55d1 r-xs 00000000 fe:00 10010843                   /bin/proxy
Anonymous:             0 kB
f5d1-f5e1 r--p 00000000 fe:00 10010843                   /bin/proxy (deleted)
Anonymous:             0 kB
75e1-75f1 r-xp 00000000 00:00 0
Anonymous:             0 kB
";
        assert_eq!(untouched(smaps, b"/bin/proxy"), [(0x5581, 0x5591), (0x5591, 0x55a1)]);
        assert_eq!(untouched(smaps, b"/bin/proxy (deleted)"), [(0xf5d1, 0xf5e1)]);
        assert_eq!(untouched(b"", b"/bin/proxy"), []);
    }
}
