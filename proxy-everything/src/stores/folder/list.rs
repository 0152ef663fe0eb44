//! A walk through the folder in the order of the keys, only where keys of the page can be.
//! Receives where a page begins and how long it may be, hands on its objects.

use handlers::{Object, ObjectPage, StoreError};
use rustix::{
    fs::{Dir, FileType},
    io::Errno,
};

use super::{UPLOADS, beneath::Beneath};

/// Folders within folders; keys have at most 1024 bytes.
const MAX_DEPTH: usize = 512;

pub(super) struct Walk<'a> {
    prefix: &'a str,
    after: Option<&'a str>,
    limit: usize,
    depth: usize,
    /// One more than the limit, to know whether there is a next page.
    found: Vec<String>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(prefix: &'a str, after: Option<&'a str>, limit: usize) -> Self {
        Self { prefix, after, limit, depth: 0, found: Vec::new() }
    }

    /// Goes through `folder`, whose path is empty or ends with a slash.
    pub(super) fn enter(&mut self, root: &Beneath, folder: &str) -> Result<(), Errno> {
        if self.depth > MAX_DEPTH {
            return Ok(());
        }
        self.depth += 1;
        for path in self.entries(root, folder)? {
            if self.found.len() > self.limit {
                break;
            }
            if path.ends_with('/') {
                match self.enter(root, &path) {
                    // Gone meanwhile, or no longer a folder.
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                    entered => entered?,
                }
            } else {
                self.found.push(path);
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// The objects; what is gone meanwhile is left out.
    pub(super) fn page(
        mut self,
        describe: impl Fn(&str) -> Result<Option<Object>, StoreError>,
    ) -> Result<ObjectPage, StoreError> {
        let more = self.found.len() > self.limit;
        self.found.truncate(self.limit);
        let cursor = if more { self.found.last().cloned() } else { None };
        let objects = self.found.iter().filter_map(|key| describe(key).transpose());
        Ok(ObjectPage { objects: objects.collect::<Result<_, _>>()?, cursor })
    }

    /// What is in a folder and may be of the page, in the order of the keys: those of folders end with a slash.
    fn entries(&self, root: &Beneath, folder: &str) -> Result<Vec<String>, Errno> {
        let mut paths = Vec::new();
        for entry in Dir::new(root.folder(folder)?)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | "..") || folder.is_empty() && name == UPLOADS {
                continue;
            }
            let path = match entry.file_type() {
                FileType::RegularFile => format!("{folder}{name}"),
                FileType::Directory => format!("{folder}{name}/"),
                _ => continue,
            };
            if self.may_hold(&path) {
                paths.push(path);
            }
        }
        paths.sort_unstable();
        Ok(paths)
    }

    fn may_hold(&self, path: &str) -> bool {
        let folder = path.ends_with('/');
        let of_prefix = path.starts_with(self.prefix) || folder && self.prefix.starts_with(path);
        let behind = self.after.is_none_or(|after| path > after || folder && after.starts_with(path));
        of_prefix && behind
    }
}
