//! Metrics: counted where things happen, read by Prometheus or sent by OTLP.
//!
//! Counting is one or two additions to numbers that are there from the start: no lock, no allocation, nothing
//! to wait for. The values of labels are closed sets, so a family never grows.

pub mod catalogue;

mod family;
mod push;
mod text;

pub use family::{BOUNDS_S, Cells, Family, Kind, Label, Snapshot};
pub use push::Pusher;
pub use text::render;
