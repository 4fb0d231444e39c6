//! Webhooks in: stored, then answered, then evaluated, and out as objects.
//!
//! ```text
//! POST ─▶ stream `events` ─▶ 202      event ─▶ decided ─▶ objects ─▶ done
//! ```
//! # What callers may rely on
//! - What was answered 202 is stored, and is evaluated to its end whatever is killed.
//! - The same delivery is the same event: it is told the same id, and nothing is started twice.
//! - What was decided is stored before anything is made, so a crash in between decides nothing anew;
//!   made objects have derived names and are recognised by their annotations.
//! - Headers that carry credentials are sealed before they are stored.

mod address;
mod again;
mod app;
mod calls;
mod client;
mod decide;
mod emit;
mod error;
mod exposed;
mod find;
mod intake;
mod judge;
mod listeners;
mod make;
mod notice;
mod rate;
mod record;
mod remembered;
mod reply;
mod requests;
mod retry;
mod schedule;
mod seal;
mod server;
mod settings;
mod status;
mod store;
mod turn;
mod worker;

pub use error::Error;
pub use seal::{Sealer, new_key};
pub use server::Ingest;
pub use settings::Settings;

#[cfg(test)]
mod tests;
