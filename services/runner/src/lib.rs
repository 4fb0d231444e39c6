//! Takes tasks and plays their pods on a backend.

pub mod backend;
pub mod outcome;
