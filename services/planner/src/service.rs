//! The planner as a service: its tasks, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use tidemill_bus::Bus;
use tidemill_messages::PARTITIONS;
use tidemill_objects::Objects;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::planner::Planner;
use crate::{Error, Probe, Settings, hints, partition, retention, sweep};

/// How long runs may take to finish what they are at when the planner ends.
const GRACE: Duration = Duration::from_secs(5);

type Task = (&'static str, Result<(), Error>);

/// Plans runs until `shutdown`; then takes nothing more and finishes what is under way, for 5 s at
/// most. Dropping it instead ends it as a crash would: another planner goes on.
///
/// # Errors
/// The first task of the planner that failed for good, such as [`Error::Bus`] without streams.
pub async fn run(settings: Settings, bus: Bus, objects: Objects, shutdown: CancellationToken) -> Result<(), Error> {
    run_probed(settings, bus, objects, shutdown, Probe::default()).await
}

/// The same with a [`Probe`], for tests.
///
/// # Errors
/// As [`run`]; [`Error::Stopping`] when the probe stopped it.
pub async fn run_probed(
    settings: Settings,
    bus: Bus,
    objects: Objects,
    shutdown: CancellationToken,
    probe: Probe,
) -> Result<(), Error> {
    let planner = Planner::new(settings, bus, objects, probe);
    // However this ends: nothing of the planner outlives it.
    let _end = planner.stopping.clone().drop_guard();
    let mut tasks = start(&planner, &shutdown);
    let mut outcome = Ok(());
    while outcome.is_ok() && !shutdown.is_cancelled() {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = planner.stopping.cancelled() => outcome = Err(Error::Stopping),
            Some(ended) = tasks.join_next() => outcome = judge(ended, &shutdown),
        }
    }
    if outcome.is_ok() && tokio::time::timeout(GRACE, planner.runs.drain()).await.is_err() {
        tracing::warn!("Runs were still busy when the planner had to end; another planner goes on.");
    }
    outcome
}

fn start(planner: &Arc<Planner>, shutdown: &CancellationToken) -> JoinSet<Task> {
    let mut tasks = JoinSet::new();
    for number in 0..PARTITIONS {
        let (planner, shutdown) = (planner.clone(), shutdown.clone());
        tasks.spawn(async move { ("facts", partition::facts(planner, number, shutdown).await) });
    }
    let (timers, stop) = (planner.clone(), shutdown.clone());
    tasks.spawn(async move { ("timers", partition::timers(timers, stop).await) });
    let (hints, stop) = (planner.clone(), shutdown.clone());
    tasks.spawn(async move { ("hints", hints::run(hints, stop).await) });
    let keeper = planner.clone();
    tasks.spawn(async move { ("keeper", keeper.keeper.run(&keeper.stopping).await) });
    let leases = planner.clone();
    tasks.spawn(async move { ("leases", leases.leases.run(leases.clone()).await) });
    let unfinished = planner.clone();
    tasks.spawn(async move { ("unfinished", unfinished.unfinished.run(unfinished.clone()).await) });
    let sweeper = planner.clone();
    tasks.spawn(async move { ("sweep", sweep::run(sweeper).await) });
    let retention = planner.clone();
    tasks.spawn(async move { ("retention", retention::run(retention).await) });
    tasks
}

/// A task that ends before the planner does is a failure of the planner.
fn judge(ended: Result<Task, tokio::task::JoinError>, shutdown: &CancellationToken) -> Result<(), Error> {
    match ended {
        Ok((_, Ok(()))) if shutdown.is_cancelled() => Ok(()),
        Ok((_, Err(error))) => Err(error),
        Ok((task, Ok(()))) => Err(Error::Panicked { task }),
        Err(error) => {
            tracing::error!(%error, "A task of the planner ended by a fault of its own.");
            Err(Error::Panicked { task: "unknown" })
        }
    }
}
