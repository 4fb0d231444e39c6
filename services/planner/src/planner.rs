//! What all tasks of one planner share.

use std::sync::Arc;

use tidemill_bus::Bus;
use tidemill_engine::Limits;
use tidemill_objects::Objects;
use tidemill_telemetry::fail_point;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::keeper::Keeper;
use crate::leases::Leases;
use crate::registry::Registry;
use crate::sweep::Unfinished;
use crate::{Probe, Settings};

/// What all tasks of one planner share.
pub(crate) struct Planner {
    pub(crate) bus: Bus,
    pub(crate) objects: Objects,
    pub(crate) limits: Limits,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) resolving: Semaphore,
    pub(crate) runs: Registry,
    pub(crate) leases: Leases,
    pub(crate) unfinished: Unfinished,
    /// Ends whatever still runs; [`crate::run`] drains first.
    pub(crate) stopping: CancellationToken,
    pub(crate) settings: Settings,
    probe: Probe,
}

impl Planner {
    pub(crate) fn new(settings: Settings, bus: Bus, objects: Objects, probe: Probe) -> Arc<Self> {
        Arc::new(Self {
            bus,
            objects,
            limits: settings.limits(),
            keeper: Arc::default(),
            resolving: Semaphore::new(settings.concurrent_resolves),
            runs: Registry::new(settings.cached_runs),
            leases: Leases::default(),
            unfinished: Unfinished::default(),
            stopping: CancellationToken::new(),
            settings,
            probe,
        })
    }

    /// Passes a named place where tests kill the process, or only this planner.
    pub(crate) async fn pass(&self, name: &'static str) {
        fail_point(name);
        self.probe.pass(name, &self.stopping).await;
    }
}
