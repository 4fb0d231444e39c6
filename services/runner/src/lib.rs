//! Takes tasks and plays their pods on a backend.

mod attempt;
pub mod backend;
mod cancels;
mod claim;
mod core;
mod error;
mod fence;
mod identity;
mod intake;
mod lease;
mod lock;
mod lookup;
pub mod outcome;
mod peers;
mod retry;
mod settings;
mod slots;
mod sweep;

pub use core::Runner;
pub use error::Error;
pub use lookup::ObjectLookup;
pub use settings::Settings;
