//! The progress of a run: what was observed in, lines out.
//!
//! [`Model`] is pure: objects and log lines come in with the time they were seen, and what it gives
//! are events for a log and frames for a terminal. Only [`Screen`] writes.

mod frame;
mod graph;
mod model;
mod screen;
mod summary;
mod task;

pub(crate) use model::Model;
pub(crate) use screen::Screen;
pub(crate) use summary::summary;
pub(crate) use task::Phase;

#[cfg(test)]
mod tests;
