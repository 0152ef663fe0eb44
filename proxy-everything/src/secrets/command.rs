//! Secrets that a program prints. Receives what to run, hands on what it wrote. There is no shell, nothing of our environment but where
//! programs and the home are, no input; and when it has ended, or has had its time, nothing of its process group is left.

use std::{
    env,
    ffi::OsString,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Child,
    sync::Notify,
    time::{sleep, timeout},
};
use zeroize::Zeroizing;

use super::{
    value::{MAX_BYTES, Reading, text_or_object},
    visible::Visible,
};

/// What is read of its words to whoever runs us.
const MAX_WORDS: usize = 4 * 1024;
/// After its end, for what others that it started may still hold open.
const AFTERWARDS: Duration = Duration::from_millis(500);
/// Where its own programs are looked for, if the workload could put some elsewhere.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is run.
#[derive(Debug)]
pub(super) struct Command {
    /// The secret, for the log.
    pub(super) name: Arc<str>,
    /// A name that is looked for in `PATH`, or a file.
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    /// How long what it prints is good, unless it says less.
    pub(super) lasts: Duration,
    pub(super) limit: Duration,
    pub(super) instance: Arc<str>,
    pub(super) class: Arc<str>,
    pub(super) visible: Visible,
}

/// What a program wrote, and how it ended.
struct Written {
    out: Zeroizing<Vec<u8>>,
    words: Vec<u8>,
    status: ExitStatus,
}

impl Command {
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    pub(super) async fn read(&self) -> Result<Reading, String> {
        let program = self.find()?;
        let shown = program.display();
        let mut child = self.command(&program).spawn().map_err(|error| format!("{shown}: {error}"))?;
        let group = Group::of(&child);
        let late = || Err(format!("{shown} has not ended after {:?}", self.limit));
        let written = timeout(self.limit, written(&mut child, group)).await.unwrap_or_else(|_| late())?;
        let text = self.judge(&program, written)?;
        Ok(text_or_object(text, self.lasts)?)
    }

    /// The program's file; neither it nor a file that it is given may be the workload's.
    fn find(&self) -> Result<PathBuf, String> {
        let program = if self.program.contains('/') {
            PathBuf::from(&self.program)
        } else {
            let path = self.path();
            let mut files = env::split_paths(&path).map(|folder| folder.join(&self.program));
            let found = files.find(|file| file.is_absolute() && is_executable(file));
            found.ok_or_else(|| format!("there is no program `{}`", self.program))?
        };
        self.visible.check_program(&program)?;
        let mut files =
            self.arguments.iter().map(Path::new).filter(|path| path.is_absolute() && path.is_file());
        files.try_for_each(|file| self.visible.check_program(file))?;
        Ok(program)
    }

    fn path(&self) -> OsString {
        match self.visible {
            Visible::Nothing => env::var_os("PATH").unwrap_or_else(|| SYSTEM_PATH.into()),
            Visible::Shared(_) => SYSTEM_PATH.into(),
        }
    }

    fn command(&self, program: &Path) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(program);
        command.args(&self.arguments).env_clear().env("PATH", self.path()).current_dir("/");
        if let Some(home) = env::var_os("HOME") {
            command.env("HOME", home);
        }
        command.env("PE_INSTANCE", &*self.instance).env("PE_CLASS", &*self.class);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        command
    }

    fn judge(&self, program: &Path, written: Written) -> Result<Zeroizing<String>, String> {
        let Written { out, words, status } = written;
        let shown = program.display();
        let text = str::from_utf8(&out).map(|text| Zeroizing::new(text.to_owned()));
        let mut words = String::from_utf8_lossy(&words).trim().to_owned();
        if let Ok(text) = &text
            && !text.trim().is_empty()
        {
            words = words.replace(text.trim(), "***");
        }
        if !words.is_empty() {
            tracing::info!(secret = &*self.name, program = %shown, stderr = ?words, "what the command of a secret said");
        }
        if out.len() > MAX_BYTES {
            return Err(format!("{shown} wrote more than {MAX_BYTES} bytes"));
        }
        if !status.success() {
            return Err(format!("{shown} failed: {status}"));
        }
        text.map_err(|_| format!("what {shown} wrote is not UTF-8"))
    }
}

/// All that it writes until it ends. Those that it started end with it.
async fn written(child: &mut Child, group: Group) -> Result<Written, String> {
    let mut out = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    let mut words = Vec::new();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = Notify::new();
    let wait = async {
        let status = child.wait().await;
        drop(group);
        ended.notify_one();
        status
    };
    let read = async {
        // Whoever has left the group may hold the pipe open. What the program itself wrote is read by then.
        let late = async {
            ended.notified().await;
            sleep(AFTERWARDS).await;
        };
        let all = async { tokio::join!(begin(stdout, MAX_BYTES + 1, &mut out), drained(stderr, &mut words)) };
        tokio::select! {
            _ = all => {}
            () = late => {}
        }
    };
    let (status, ()) = tokio::join!(wait, read);
    Ok(Written { out, words, status: status.map_err(|error| error.to_string())? })
}

/// The beginning; whoever writes more finds the pipe closed.
async fn begin(pipe: Option<impl AsyncRead + Unpin>, most: usize, bytes: &mut Vec<u8>) {
    if let Some(pipe) = pipe {
        let _ = pipe.take(most as u64).read_to_end(bytes).await;
    }
}

/// The beginning; the rest is read and lost.
async fn drained(pipe: Option<impl AsyncRead + Unpin>, bytes: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let _ = (&mut pipe).take(MAX_WORDS as u64).read_to_end(bytes).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
}

/// A program and those that it started, which are killed with this value.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Mostly nobody is left.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
