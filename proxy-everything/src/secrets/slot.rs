//! One secret of one instance. Receives its source, hands on its value whenever a request needs it: at once for as long as the value
//! that is there is good, without any wait or lock that another could hold for long.

use std::sync::Arc;

use handlers::Secret;
use tokio::{runtime::Handle, time::Instant};

use super::{
    Unavailable,
    cached::Cached,
    file::SecretFile,
    value::{Lines, Reading},
};

/// A named secret.
#[derive(Debug)]
pub struct Slot {
    name: Arc<str>,
    lines: Lines,
    origin: Origin,
}

/// Where the value is.
#[derive(Debug)]
pub(super) enum Origin {
    /// Here: it does not change.
    Fixed(Arc<Secret>),
    /// In a file, which is looked at each time.
    File(SecretFile),
    /// Among what a source gave, under a name of its.
    Read { cached: Arc<Cached>, name: String },
}

impl Slot {
    pub(super) fn new(name: Arc<str>, lines: Lines, origin: Origin) -> Self {
        Self { name, lines, origin }
    }

    /// Its name in the document.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The value that is good now. Waits for its source if there is none yet, or none any more; at the longest until the source's
    /// deadline.
    pub async fn value(&self) -> Result<Arc<Secret>, Unavailable> {
        match &self.origin {
            Origin::Read { .. } => self.fetch(&Handle::current()).await,
            Origin::Fixed(_) | Origin::File(_) => self.now(),
        }
    }

    /// The value that is good now, without any wait.
    pub fn now(&self) -> Result<Arc<Secret>, Unavailable> {
        self.at_once().unwrap_or_else(|| Err(self.unavailable("it has no value now")))
    }

    /// The value, if it is known without any wait.
    pub(super) fn at_once(&self) -> Option<Result<Arc<Secret>, Unavailable>> {
        match &self.origin {
            Origin::Fixed(secret) => Some(Ok(Arc::clone(secret))),
            Origin::File(file) => {
                let value = file.value().and_then(|value| value.within(self.lines).map_err(str::to_owned));
                Some(value.map_err(|reason| self.unavailable(reason)))
            }
            Origin::Read { cached, name } => {
                let reading = cached.at_once(Instant::now(), None)?;
                Some(self.of(&reading, name))
            }
        }
    }

    /// The value, read on `runtime` if need be.
    pub(super) async fn fetch(&self, runtime: &Handle) -> Result<Arc<Secret>, Unavailable> {
        if let Origin::Read { cached, name } = &self.origin {
            let reading = cached.reading(runtime).await.map_err(|reason| self.unavailable(&*reason))?;
            return self.of(&reading, name);
        }
        self.now()
    }

    fn of(&self, reading: &Reading, name: &str) -> Result<Arc<Secret>, Unavailable> {
        let value = reading.values.iter().find(|(own, _)| own == name).map(|(_, value)| value);
        let value = value.ok_or_else(|| self.unavailable(format!("there is no field `{name}`")))?;
        let within = value.as_ref().map_err(|fault| *fault).and_then(|good| good.within(self.lines));
        within.map_err(|fault| self.unavailable(fault))
    }

    pub(super) fn unavailable(&self, reason: impl Into<String>) -> Unavailable {
        Unavailable { name: Arc::clone(&self.name), reason: reason.into().into() }
    }
}
