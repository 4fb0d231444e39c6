//! The private nats-server: finding it, starting it, keeping it alive, letting it end.

mod find;
mod info;
mod record;
mod server;
mod start;
mod supervise;

pub(crate) use find::find;
pub(crate) use server::Private;
pub(crate) use supervise::{Supervisor, supervise};

/// The oldest nats-server that will do: schedules and consumer resets came with it.
pub(crate) const OLDEST: (u64, u64) = (2, 14);
/// The version that `deploy/tools/nats-server` builds.
pub(crate) const PINNED: &str = "v2.15.2";
/// The version that it downloads where there is no Go: the newest whose checksums were known.
const RELEASED: &str = "v2.15.0";

#[cfg(test)]
mod tests;
