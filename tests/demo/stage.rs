//! Where the demo happens and how it speaks.
//!
//! Holds the lab with its origin, prints steps, and keeps count of the claims that did not hold.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Instant;

use harness::{Lab, Origin, Settings, User};

/// The lab, its origin, and the verdicts so far.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
    pub(crate) origin: Origin,
    started: Instant,
    step: u32,
    broken: u32,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let lab = Lab::new(User::Myself);
        let origin = lab.origin(Settings::default());
        println!("An HTTPS server, api.example.test, wants a token with every request.");
        println!("A workload that must never have the token shall use that server, and nothing else.");
        Self { lab, origin, started: Instant::now(), step: 0, broken: 0 }
    }

    /// A new step.
    pub(crate) fn step(&mut self, title: &str) {
        self.step += 1;
        let (bold, plain) = if std::io::stdout().is_terminal() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        println!("\n{bold}{}. {title}{plain}", self.step);
    }

    /// Text as a user would see it on a terminal or in a file.
    #[allow(clippy::unused_self, reason = "the stage is who speaks")]
    pub(crate) fn show(&self, text: &str) {
        for line in text.trim_end().lines() {
            println!("     {line}");
        }
    }

    /// A claim and whether it holds.
    pub(crate) fn claim(&mut self, words: &str, holds: bool) {
        println!("  {} {words}", if holds { "ok  " } else { "FAIL" });
        self.broken += u32::from(!holds);
    }

    pub(crate) fn end(self) -> ExitCode {
        let seconds = self.started.elapsed().as_secs_f32();
        if self.broken == 0 {
            println!("\nEvery claim holds ({seconds:.1} s).");
            return ExitCode::SUCCESS;
        }
        println!("\n{} claims do not hold ({seconds:.1} s).", self.broken);
        ExitCode::FAILURE
    }
}
