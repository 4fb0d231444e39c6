//! Makes spans of what is stored: webhooks and what became of them, runs, attempts, steps, releases.
//!
//! ```text
//! events, runs, releases ──▶ spans ──▶ collector
//! ```
//! # What callers may rely on
//! - A span is made of records that were stored for other reasons, with their times, and its ids follow from
//!   what it is about. Whoever reads the records makes the same span, whatever was killed meanwhile.
//! - Records are acknowledged once the collector has taken their spans: each is told, and told again only when
//!   the process died between the collector's answer and the acknowledgement.
//! - Nothing waits for it. What a collector does not take is kept where it is, in the stream, for
//!   `telemetry.patience`; then it is dropped and counted.

mod decisions;
mod error;
mod events;
mod gather;
mod releases;
mod runs;
mod sender;
mod service;

pub use error::Error;
pub use service::run;
