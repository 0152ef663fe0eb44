//! The pages of this program's own code. A start touches most of them, in every corner of a large program, and what runs then
//! needs few: receives nothing, and hands the others back to the kernel. One that is needed after all is mapped again, with its
//! neighbours, for about a microsecond.

use std::{fs, io, num::NonZeroUsize, os::unix::ffi::OsStrExt, ptr::NonNull};

/// Unmaps them all; bytes that are not mapped any more.
pub fn unmap_code() -> io::Result<usize> {
    let program = fs::read_link("/proc/self/exe")?;
    let mut unmapped = 0;
    for line in fs::read("/proc/self/maps")?.split(|byte| *byte == b'\n') {
        if let Some((from, to)) = code_of(line, program.as_os_str().as_bytes()) {
            let start = NonZeroUsize::new(from).map(NonNull::without_provenance);
            let (Some(start), Some(length)) = (start, to.checked_sub(from)) else { continue };
            // SAFETY: pages of a file that are only read and executed hold what the file does, so that being mapped again changes nothing.
            unsafe { nix::sys::mman::madvise(start, length, nix::sys::mman::MmapAdvise::MADV_DONTNEED)? };
            unmapped += length;
        }
    }
    Ok(unmapped)
}

/// Where a line of /proc/PID/maps says that code of `program` is (proc(5)).
fn code_of(line: &[u8], program: &[u8]) -> Option<(usize, usize)> {
    let line = line.strip_suffix(program)?;
    let mut fields = str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (from, to) = fields.next()?.split_once('-')?;
    // Private and not writable. Data that the loader has written to is not executable.
    (fields.next()? == "r-xp").then_some(())?;
    Some((usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of code of ours that are mapped.
    fn mapped() -> usize {
        let program = fs::read_link("/proc/self/exe").unwrap();
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
        let mut lines = smaps.lines();
        let code = |line: &str| code_of(line.as_bytes(), program.as_os_str().as_bytes()).is_some();
        lines.find(|line| code(line)).unwrap();
        let rss = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
        rss.trim().strip_suffix(" kB").unwrap().parse().unwrap()
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
    fn lines() {
        let code = b"5581-5591 r-xp 00bcf000 fe:00 10010843                   /bin/proxy";
        assert_eq!(code_of(code, b"/bin/proxy"), Some((0x5581, 0x5591)));
        for other in [
            &b"5581-5591 r--p 00bcf000 fe:00 10010843                   /bin/proxy"[..],
            b"5581-5591 rwxp 00bcf000 fe:00 10010843                   /bin/proxy",
            b"5581-5591 r-xp 00bcf000 fe:00 10010843                   /bin/proxy (deleted)",
            b"5581-5591 r-xp 00000000 00:00 0",
            b"5581 r-xp /bin/proxy",
            b"",
        ] {
            assert_eq!(code_of(other, b"/bin/proxy"), None);
        }
    }
}
