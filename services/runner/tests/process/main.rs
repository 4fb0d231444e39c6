//! The process backend, driven through its trait as the runner's core drives it.
//!
//! Run as root, every test runs a second time as an ordinary user.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod between;
mod containment;
mod decisions;
mod forks;
mod kit;
mod lifecycle;
mod logs;
mod order;
mod owners;
mod results;
mod service;
mod sidecars;
mod user;
mod workspaces;
