//! The runner on an in-memory bus, with a backend that does as it is told and a clock that only
//! moves when everybody waits.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod ahead;
mod claims;
mod endings;
mod lives;
mod order;
mod output;
mod place;
mod said;
mod server;
mod storm;
mod trouble;
mod world;
