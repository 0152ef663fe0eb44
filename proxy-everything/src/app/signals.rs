//! Signals are for the command: what is sent to the proxy is passed on. A signal that the terminal sends (Ctrl-C) goes to
//! the whole foreground group, so the command has it already and must not get it twice.

use std::io;

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    iterator::{SignalsInfo, exfiltrator::WithOrigin},
    low_level::siginfo::{Cause, Origin},
};

use crate::capture::Pidfd;

const PASSED_ON: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

/// Signals that are held back until there is a command to pass them on to. From here on none of them ends the proxy, which
/// ends when the command does.
pub(super) struct Held(SignalsInfo<WithOrigin>);

pub(super) fn hold() -> io::Result<Held> {
    SignalsInfo::new(PASSED_ON).map(Held)
}

/// Sends to `command` what has come, and what will come.
pub(super) fn pass_on(Held(mut signals): Held, command: Pidfd) -> io::Result<()> {
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for origin in signals.forever() {
            if is_from_a_process(&origin)
                && let Err(error) = command.signal(origin.signal)
            {
                tracing::debug!(signal = origin.signal, %error, "the command is gone");
            }
        }
    })?;
    Ok(())
}

fn is_from_a_process(origin: &Origin) -> bool {
    !matches!(origin.cause, Cause::Kernel)
}
