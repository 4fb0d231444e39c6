//! Takes tasks and plays their pods on a backend.
//!
//! [`run`] is the service as `tidemill up` has it: the tasks of class `process`, with objects from
//! Tidemill's own store. [`Runner`] is the same core for any backends.

mod ahead;
mod attempt;
pub mod backend;
mod cancels;
mod claim;
mod core;
mod credentials;
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
mod steps;
mod sweep;

use std::sync::Arc;

use tidemill_bus::Bus;
use tidemill_objects::Objects;
use tokio_util::sync::CancellationToken;

use backend::process::ProcessBackend;

pub use core::Runner;
pub use error::Error;
pub use lookup::ObjectLookup;
pub use settings::Settings;
pub use steps::StepLine;

/// Runs the tasks of class `process` on this host until `stop`, then lets go of them: they run on,
/// and the next runner of this state directory adopts them.
///
/// # Errors
/// [`Error::Backend`] when this host cannot make sandboxes, with what is missing; else those of
/// [`Runner::run`].
pub async fn run(settings: Settings, bus: Bus, objects: Objects, stop: CancellationToken) -> Result<(), Error> {
    let lookup = Arc::new(ObjectLookup::new(objects));
    let state = &settings.state_dir;
    let made = tokio::fs::create_dir_all(state).await;
    made.map_err(|source| Error::StateDirectory {
        path: state.clone(),
        source,
    })?;
    let backend = ProcessBackend::new(state, settings.process.clone(), lookup).map_err(Error::Backend)?;
    backend.probe().await.map_err(Error::Backend)?;
    Runner::new(settings, bus, vec![Arc::new(backend)]).run(stop).await
}
