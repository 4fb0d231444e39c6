//! The deployer against a scripted cluster, in memory.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod answers;
mod api;
mod events;
mod rollbacks;
mod world;
