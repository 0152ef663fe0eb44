//! What handlers write while they are tried. Receives the events of the log, keeps those that have a handler's text, and hands them on by the
//! request that they belong to.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{Event, Subscriber, field};
use tracing_subscriber::layer::{Context, Layer};

/// The lines of all requests until they are taken. A clone has the same ones.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<Line>>>);

#[derive(Default)]
struct Line {
    request: String,
    text: Option<String>,
}

impl Lines {
    /// The texts that belong to a request.
    pub(super) fn take(&self, request: &str) -> Vec<String> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = lines.extract_if(.., |line| line.request == request);
        taken.filter_map(|line| line.text).collect()
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        if line.text.is_some() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }
}

impl field::Visit for Line {
    fn record_str(&mut self, field: &field::Field, value: &str) {
        match field.name() {
            "request" => self.request = value.to_owned(),
            "text" => self.text = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
