//! Watches releases, says what becomes of them, rolls back.
//!
//! ```text
//! Helm's records ─▶ seen ─▶ stream `releases`        planner: an attempt is over ─▶ fact: what the release became
//! ```
//! # What callers may rely on
//! - One event for each transition that was seen, also of releases touched by hand, also though two
//!   deployers run or one is killed anywhere: each has a subject of its own and expects it empty, or
//!   to hold the event of an earlier life of the release.
//! - What changed while no deployer ran is said when one runs again, as far as the records show it. What
//!   was there before the first deployer watched a namespace is no event.
//! - A planner that waits is answered once; a rollback that was begun goes on after a crash.
//! - Nothing that is pending is touched unless an attempt of ours left it.
//!
//! It reads Secrets in the namespaces given to it, and what runs in them; it writes a Secret only to
//! unlock one. Helm itself runs in TaskRuns, under the run's service account.

mod actors;
mod answer;
mod cause;
mod cluster;
mod current;
mod deployer;
mod error;
mod ledger;
mod look;
mod manifest;
mod probe;
mod readiness;
mod record;
mod retry;
mod rollback;
mod settings;
mod transition;
mod unlock;
mod watch;

use std::sync::Arc;

use tidemill_bus::Bus;
use tidemill_objects::Objects;
use tidemill_settings::Settings as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use cluster::Cluster;
pub use error::Error;
pub use probe::Probe;
pub use record::Error as RecordError;
pub use settings::Settings;

use actors::Actors;
use current::Current;
use deployer::Deployer;
use ledger::Ledger;
use retry::until_done;
use watch::Watch;

type Part = (&'static str, Result<(), Error>);

/// Watches releases until `shutdown`. Dropping it instead ends it as a crash would.
///
/// # Errors
/// [`Error::Setting`]; the first part that failed for good, such as [`Error::Bus`] without streams.
pub async fn run(
    settings: Settings,
    bus: Bus,
    objects: Objects,
    cluster: Cluster,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    run_probed(settings, bus, objects, cluster, shutdown, Probe::default()).await
}

/// The same with a [`Probe`], for tests.
///
/// # Errors
/// As [`run`]; [`Error::Stopping`] when the probe ended it.
pub async fn run_probed(
    settings: Settings,
    bus: Bus,
    objects: Objects,
    cluster: Cluster,
    shutdown: CancellationToken,
    probe: Probe,
) -> Result<(), Error> {
    if let Some((key, message)) = settings.problems().into_iter().next() {
        return Err(Error::Setting { key, message });
    }
    let deployer = Arc::new(Deployer {
        ledger: Ledger::new(bus.clone()),
        actors: Actors::new(bus.clone()),
        current: Current::default(),
        stopping: CancellationToken::new(),
        settings,
        bus,
        objects,
        cluster,
        probe,
    });
    // However this ends: nothing of the deployer outlives it.
    let _end = deployer.stopping.clone().drop_guard();
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        ended = work(&deployer) => ended,
    }
}

async fn work(deployer: &Arc<Deployer>) -> Result<(), Error> {
    let from = until_done(&deployer.stopping, || deployer.ledger.load()).await?;
    let namespaces = deployer.cluster.namespaces(&deployer.settings);
    tracing::info!(?namespaces, "Releases are watched.");
    let mut parts: JoinSet<Part> = JoinSet::new();
    let one = deployer.clone();
    parts.spawn(async move { ("ledger", one.ledger.follow(from).await) });
    let one = deployer.clone();
    parts.spawn(async move { ("actors", one.actors.follow().await) });
    let one = deployer.clone();
    parts.spawn(async move { ("answers", answer::run(one).await) });
    let one = deployer.clone();
    parts.spawn(async move { ("looks", look::run(&one).await) });
    for namespace in namespaces {
        let one = deployer.clone();
        parts.spawn(async move { ("watch", Watch::new(&one, namespace).run().await) });
    }
    match parts.join_next().await {
        Some(Ok((_, Err(error)))) => Err(error),
        Some(Ok((part, Ok(())))) => Err(Error::Panicked { part }),
        Some(Err(error)) => {
            tracing::error!(%error, "A part of the deployer ended by a fault of its own.");
            Err(Error::Panicked { part: "unknown" })
        }
        None => Ok(()),
    }
}
