//! Audit: exactly one line of JSON for each connection, exchange and DNS question, whatever happens to it. A *trail* is
//! opened with the thing it describes, filled in on the way, and written when it is dropped, so that neither an error nor a
//! cancelled task can lose it. Lines never hold a secret, a header value, or the values of a query.

mod connection;
mod exchange;
mod log;
mod record;

pub use connection::ConnectionTrail;
pub use exchange::{ExchangeTrail, Notes, Sent};
pub use log::{AuditLog, Tally, Target};
pub use record::{Decision, Kind, Protocol, Record, SecretUse, Stray, Used, rfc3339};
