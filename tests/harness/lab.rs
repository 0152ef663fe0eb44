//! One test's private world.
//!
//! Holds a directory that belongs to the run's user, a CA, and a canary; makes origins, files and policies in it. All of
//! it is gone when the lab is dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::binary::{self, Binary};
use crate::{Canary, Origin, Run, Settings, TestCa, User};

/// A directory, a CA, a canary and a user.
pub struct Lab {
    /// Who runs the proxy.
    pub user: User,
    /// The secret that must never be seen.
    pub canary: Canary,
    /// The CA of the origins.
    pub ca: TestCa,
    directory: TempDir,
    binary: Binary,
    runs: AtomicU32,
}

impl Lab {
    /// A new world for `user`.
    pub fn new(user: User) -> Self {
        let directory = TempDir::with_prefix("proxy-everything-lab-").expect("temporary directory");
        user.own(directory.path());
        let lab = Self {
            user,
            canary: Canary::new(),
            ca: TestCa::new(),
            directory,
            binary: binary::find(),
            runs: 0.into(),
        };
        lab.write("ca.pem", &lab.ca.pem());
        for name in ["home", "work"] {
            lab.directory(name);
        }
        lab
    }

    /// An origin whose certificate the policies of this lab trust. `/token` asks for the canary.
    pub fn origin(&self, settings: Settings) -> Origin {
        Origin::start(&self.ca, Settings { token: self.canary.value().to_owned(), ..settings })
    }

    /// A path inside the lab.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A file of the lab's user.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("write a file");
        self.user.own(&path);
        path
    }

    /// A directory of the lab's user.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).expect("make a directory");
        self.user.own(&path);
        path
    }

    /// A policy that reaches `origins`: `text` and the entries for names and roots.
    pub fn policy(&self, text: &str, origins: &[&Origin]) -> String {
        let entries: String = origins.iter().map(|origin| origin.resolve_entries()).collect();
        let resolve = if entries.is_empty() { String::new() } else { format!("resolve:\n{entries}") };
        format!("{text}\n{resolve}upstreamRoots: [\"{}\"]\n", self.path("ca.pem").display())
    }

    /// A run under a policy that reaches `origins`.
    pub fn run<'a>(&'a self, text: &str, origins: &[&'a Origin]) -> Run<'a> {
        Run::new(self, self.policy(text, origins), origins)
    }

    /// A command of the product that ends by itself.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        self.program().args(arguments).stdin(Stdio::null()).output().expect("run proxy-everything")
    }

    /// The product's binary as the lab's user, in the lab's directory.
    pub fn program(&self) -> Command {
        let mut command = self.user.command(&self.binary.path);
        command.current_dir(self.path("work")).env("HOME", self.path("home"));
        command
    }

    /// The directory of everything.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn next_run(&self) -> u32 {
        self.runs.fetch_add(1, Ordering::Relaxed)
    }
}
