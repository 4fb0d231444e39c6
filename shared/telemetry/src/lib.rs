//! Logs, trace context and fail points: what every process of Tidemill shares.

pub mod fail;
pub mod log;
pub mod trace;

mod chain;

pub use chain::Chain;
pub use fail::{FAIL_POINTS, fail_point};
pub use trace::Traceparent;
