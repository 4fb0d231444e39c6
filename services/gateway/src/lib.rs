//! The gateway: Kubernetes' API over the objects, the logs of steps among it.
//!
//! It keeps no state of its own; any number may run. `kubectl`, `tkn` and `tidemill` are its clients.

mod access;
mod app;
mod body;
mod cluster;
mod discovery;
mod error;
mod events;
mod logs;
mod negotiate;
mod object_events;
mod openapi;
mod pods;
mod query;
mod render;
mod route;
mod server;
mod settings;
mod status;
mod table;
mod verbs;
mod versions;

pub use error::Error;
pub use server::{Gateway, Tls};
pub use settings::Settings;

#[cfg(test)]
mod tests;
