//! Looking after what is deployed: a revision whose workloads were ready for a while is verified; one
//! that is not ready any more is degraded.

use std::collections::HashMap;
use std::time::Duration;

use tidemill_messages::ReleaseStatus;
use tidemill_telemetry::Chain;
use tokio::time::Instant;

use crate::Error;
use crate::deployer::Deployer;
use crate::manifest::{self, Workload};
use crate::record::{Head, Record};
use crate::retry::until_done;

/// What is known of a revision in force.
struct Watched {
    record: Record,
    workloads: Vec<Workload>,
    /// Whether it was ready the last time, and since when that has been so.
    stands: Option<(bool, Instant)>,
}

/// Looks again and again until the deployer stops.
pub(crate) async fn run(deployer: &Deployer) -> Result<(), Error> {
    let mut watched: HashMap<String, Watched> = HashMap::new();
    let every: Duration = deployer.settings.look_every.duration();
    loop {
        let deployed = deployer.current.deployed();
        watched.retain(|uid, _| deployed.iter().any(|head| head.uid == *uid));
        for head in &deployed {
            match look(deployer, head, &mut watched).await {
                Ok(()) => {}
                Err(Error::Stopping) => return Err(Error::Stopping),
                Err(error) => {
                    tracing::warn!(release = %head.release, error = %Chain(&error), "A release cannot be looked at.");
                }
            }
        }
        tokio::select! {
            () = deployer.stopping.cancelled() => return Err(Error::Stopping),
            () = tokio::time::sleep(every) => {}
        }
    }
}

async fn look(deployer: &Deployer, head: &Head, watched: &mut HashMap<String, Watched>) -> Result<(), Error> {
    if !watched.contains_key(&head.uid) {
        let Some((record, _)) = deployer.cluster.record(head).await? else {
            return Ok(());
        };
        let workloads = manifest::workloads(&record.manifest, &head.release.namespace);
        let entry = Watched {
            record,
            workloads,
            stands: None,
        };
        watched.insert(head.uid.clone(), entry);
    }
    let Some(entry) = watched.get_mut(&head.uid) else {
        return Ok(());
    };
    let ready = deployer
        .cluster
        .readiness(&entry.workloads)
        .await?
        .iter()
        .all(|one| one.ready);
    let now = Instant::now();
    let since = match entry.stands {
        Some((before, since)) if before == ready => since,
        _ => now,
    };
    entry.stands = Some((ready, since));
    if now.duration_since(since) < deployer.settings.verify_for.duration() {
        return Ok(());
    }
    let knows = |status| deployer.ledger.knows(&head.release, head.revision, status, &head.uid);
    let is_verified = knows(ReleaseStatus::Verified);
    let status = match (ready, is_verified) {
        (true, false) => ReleaseStatus::Verified,
        (true, true) if knows(ReleaseStatus::Degraded) => ReleaseStatus::Recovered,
        (false, true) => ReleaseStatus::Degraded,
        // Helm does not always wait: what was never ready is being made, or will be said to fail.
        (true, true) | (false, false) => return Ok(()),
    };
    say(deployer, head, &entry.record, status).await
}

async fn say(deployer: &Deployer, head: &Head, record: &Record, status: ReleaseStatus) -> Result<(), Error> {
    let mut event = deployer.event(head, record, status);
    event.at = deployer.bus.now();
    event.description = String::new();
    let after: &[ReleaseStatus] = match status {
        ReleaseStatus::Degraded => &[ReleaseStatus::Verified, ReleaseStatus::Recovered],
        ReleaseStatus::Recovered => &[ReleaseStatus::Degraded],
        _ => {
            return until_done(&deployer.stopping, || deployer.ledger.say(&event))
                .await
                .map(drop);
        }
    };
    if status == ReleaseStatus::Degraded {
        // What was said already needs no reason.
        let said = |status| deployer.ledger.said(&head.release, head.revision, status);
        let last = after
            .iter()
            .filter_map(|status| said(*status))
            .map(|said| said.sequence)
            .max();
        if said(ReleaseStatus::Degraded).map(|said| said.sequence) > last {
            return Ok(());
        }
        event.cause = deployer.cause(head, record).await;
    }
    until_done(&deployer.stopping, || deployer.ledger.say_in_turn(&event, after))
        .await
        .map(drop)
}
