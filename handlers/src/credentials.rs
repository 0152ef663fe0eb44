//! What is done with the values of secrets in messages: they are taken out of responses, and put where a workload wrote placeholders.
//!
//! Receives heads, bodies and WebSocket frames of an exchange; hands them on, changed. Pure: nothing here waits for anything but the body
//! that it was given. Who may use which secret, and what its value is, was decided before.

#[cfg(test)]
mod bodies;
mod coding;
mod forms;
mod frames;
mod placeholder;
mod render;
mod replace;
mod rewrite;
mod scrub;

pub use coding::CodingError;
pub use frames::{FrameError, Frames, without_extensions};
pub use placeholder::{Bound, Place, Placeholder, Placeholders, Places, SwapError, Use};
pub use replace::{Patterns, Stream};
pub use scrub::{Found, Scrubber};
