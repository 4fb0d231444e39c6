//! End-to-end tests: the real command, the real nats-server, the process backend and a Docker engine.
//!
//! Each module gives its tests by name; `tests/main.rs` runs them side by side. A name's first part
//! is what `make` targets select: `scenario::`, `resume::`, `refusal::`, `clients::`, `docker::`,
//! `webhook::`, `trace::`.

pub mod clients;
pub mod cluster;
pub mod docker;
pub mod expected;
pub mod journal;
pub mod layout;
pub mod pods;
pub mod refusal;
pub mod resume;
pub mod scenario;
pub mod server;
pub mod trace;
pub mod webhook;

use anyhow::Result;

/// A named test.
pub struct Test {
    /// `<group>::<name>`.
    pub name: String,
    /// What it does; an error fails it.
    pub body: Box<dyn FnOnce() -> Result<()> + Send>,
}

impl Test {
    /// Puts the two together.
    pub fn new(name: impl Into<String>, body: impl FnOnce() -> Result<()> + Send + 'static) -> Self {
        Self {
            name: name.into(),
            body: Box::new(body),
        }
    }
}
