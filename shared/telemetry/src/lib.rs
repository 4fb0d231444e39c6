//! Logs, the export of spans and fail points: what every process of Tidemill shares.

pub mod admin;
pub mod export;
pub mod fail;
pub mod log;
pub mod metrics;
pub mod request;
pub mod settings;
pub mod span;

mod chain;
mod client;

pub use chain::Chain;
pub use fail::{FAIL_POINTS, fail_point};
