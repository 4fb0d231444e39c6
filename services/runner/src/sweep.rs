//! What lies in this runner's place and is not in its hands: to be adopted, or to be removed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tidemill_bus::Bus;
use tidemill_messages::AttemptKey;
use tidemill_telemetry::Chain;
use tokio::time::Instant;

use crate::backend::Backend;
use crate::claim::{self, Link};
use crate::identity::Identity;

/// How long an attempt must be nobody's before it is removed: its runner may be about to claim it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Claims read at once.
const READS: usize = 16;

/// What the core knows when a sweep starts.
pub(crate) struct Known {
    /// Attempts in its hands.
    pub(crate) active: HashSet<AttemptKey>,
    /// Runners of this place that are dead.
    pub(crate) dead: HashSet<String>,
    /// The other runners of this place.
    pub(crate) neighbours: HashSet<String>,
    /// Attempts that were nobody's at the sweep before.
    pub(crate) suspects: Suspects,
}

/// Attempts that are nobody's, and since when.
pub(crate) type Suspects = HashMap<AttemptKey, Instant>;

/// What a sweep found.
#[derive(Default)]
pub(crate) struct Findings {
    /// Attempts of dead owners, or of earlier lives of this runner.
    pub(crate) orphans: Vec<(AttemptKey, Link)>,
    pub(crate) suspects: Suspects,
}

/// Looks at everything in the place. An attempt whose claim cannot be read now is left to the next
/// sweep.
pub(crate) async fn sweep(bus: &Bus, backend: &dyn Backend, me: &Identity, known: &Known) -> Findings {
    let mut findings = Findings::default();
    let keys = match backend.found().await {
        Ok(keys) => keys,
        Err(error) => {
            tracing::warn!(class = backend.class(), error = %Chain(&error), "The place cannot be searched.");
            return findings;
        }
    };
    let unknown = keys.into_iter().filter(|key| !known.active.contains(key));
    let mut claims = claims(bus, unknown);
    while let Some((claim, key)) = claims.next().await {
        match claim {
            Err(_) => {}
            Ok(Some(link)) if link.claim.runner == me.id || known.dead.contains(&link.claim.runner) => {
                findings.orphans.push((key, link));
            }
            Ok(Some(link)) if known.neighbours.contains(&link.claim.runner) => {}
            // Nobody's, given up by the planner, or played in another place.
            Ok(_) => {
                let since = known.suspects.get(&key).copied().unwrap_or_else(Instant::now);
                if since.elapsed() >= PATIENCE {
                    remove(backend, &key).await;
                } else {
                    findings.suspects.insert(key, since);
                }
            }
        }
    }
    forget(bus, backend).await;
    findings
}

/// The newest claim of each attempt, as they are read.
fn claims(
    bus: &Bus,
    keys: impl Iterator<Item = AttemptKey>,
) -> impl Stream<Item = (Result<Option<Link>, tidemill_bus::Error>, AttemptKey)> {
    stream::iter(keys)
        .map(move |key| async move { (claim::read(bus, &key).await, key) })
        .buffer_unordered(READS)
}

/// Removes what is kept of runs that were deleted: their claims are gone with them.
async fn forget(bus: &Bus, backend: &dyn Backend) {
    let keys = backend.kept().await.unwrap_or_else(|error| {
        tracing::warn!(class = backend.class(), error = %Chain(&error), "What is kept cannot be looked through.");
        Vec::new()
    });
    let mut claims = claims(bus, keys.into_iter());
    while let Some((claim, key)) = claims.next().await {
        if let Ok(None) = claim
            && let Err(error) = backend.forget(&key).await
        {
            tracing::warn!(attempt = %key, error = %Chain(&error), "What is kept of a deleted run stays.");
        }
    }
}

async fn remove(backend: &dyn Backend, key: &AttemptKey) {
    tracing::info!(attempt = %key, "What nobody owns is removed.");
    if let Err(error) = backend.discard(key).await {
        tracing::warn!(attempt = %key, error = %Chain(&error), "What an attempt left could not be removed.");
    }
}
