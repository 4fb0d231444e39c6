//! What all parts of the deployer share, and saying what was seen.

use std::time::Duration;

use tidemill_bus::Bus;
use tidemill_messages::envelope::VERSION;
use tidemill_messages::release::Cause;
use tidemill_messages::{ReleaseEvent, ReleaseName, ReleaseStatus};
use tidemill_objects::Objects;
use tidemill_telemetry::Chain;
use tokio_util::sync::CancellationToken;

use crate::actors::Actors;
use crate::cluster::Cluster;
use crate::current::Current;
use crate::ledger::Ledger;
use crate::record::{Head, Record};
use crate::retry::until_done;
use crate::{Error, Settings, cause, manifest, transition};

/// How long the look for a cause may take: an event waits for it.
const CAUSE_LIMIT: Duration = Duration::from_secs(5);

/// What all parts share.
pub(crate) struct Deployer {
    pub(crate) settings: Settings,
    pub(crate) bus: Bus,
    pub(crate) objects: Objects,
    pub(crate) cluster: Cluster,
    pub(crate) ledger: Ledger,
    pub(crate) actors: Actors,
    pub(crate) current: Current,
    pub(crate) stopping: CancellationToken,
    pub(crate) probe: crate::Probe,
}

impl Deployer {
    /// Says what a record means, unless it was said.
    pub(crate) async fn observe(&self, head: &Head, since: &str) -> Result<(), Error> {
        let known = self.ledger.knows(&head.release, head.revision, head.status, &head.uid);
        if known || transition::is_before(head, since) {
            return Ok(());
        }
        let record = self.details(head).await?;
        let cause = match head.status {
            ReleaseStatus::Failed => self.cause(head, &record).await,
            _ => None,
        };
        self.probe.pass("deployer.observed").await?;
        for status in transition::statuses(head, &record) {
            let mut event = self.event(head, &record, status);
            event.cause = cause.clone();
            until_done(&self.stopping, || self.ledger.say(&event)).await?;
            self.probe.pass("deployer.said").await?;
        }
        Ok(())
    }

    /// What the record says beside its labels. One that cannot be read is no reason to say nothing.
    async fn details(&self, head: &Head) -> Result<Record, Error> {
        let found = until_done(&self.stopping, || self.cluster.record(head)).await;
        match found {
            Ok(Some((record, true))) => Ok(record),
            // It was written again meanwhile: its sentence is about what is to come.
            Ok(Some((record, false))) => Ok(Record {
                description: String::new(),
                ..record
            }),
            Ok(None) => Ok(Record::default()),
            Err(error @ Error::Record { .. }) => {
                tracing::warn!(error = %Chain(&error), "A record cannot be read.");
                Ok(Record::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Why a release is not what it should be, as far as the cluster shows it.
    pub(crate) async fn cause(&self, head: &Head, record: &Record) -> Option<Cause> {
        let workloads = manifest::workloads(&record.manifest, &head.release.namespace);
        let looked = cause::of(&self.cluster, &workloads, self.settings.log_lines);
        match tokio::time::timeout(CAUSE_LIMIT, looked).await {
            Ok(Ok(cause)) => cause,
            Ok(Err(error)) => {
                tracing::warn!(release = %head.release, error = %Chain(&error), "The cause cannot be looked for.");
                None
            }
            Err(_) => None,
        }
    }

    /// A record is gone.
    pub(crate) async fn removed(&self, release: ReleaseName, revision: u32, uid: String) -> Result<(), Error> {
        let event = ReleaseEvent {
            version: VERSION,
            actor: self.actors.at_work(&release, self.bus.now()),
            release,
            revision,
            status: ReleaseStatus::Removed,
            record_uid: uid,
            at: self.bus.now(),
            chart: String::new(),
            app_version: String::new(),
            description: String::new(),
            rollback_to: 0,
            cause: None,
        };
        until_done(&self.stopping, || self.ledger.say(&event)).await.map(drop)
    }

    /// The event that a record is in this status.
    pub(crate) fn event(&self, head: &Head, record: &Record, status: ReleaseStatus) -> ReleaseEvent {
        let now = self.bus.now();
        ReleaseEvent {
            version: VERSION,
            release: head.release.clone(),
            revision: head.revision,
            status,
            record_uid: head.uid.clone(),
            at: head.written_at(now),
            chart: record.chart.clone(),
            app_version: record.app_version.clone(),
            description: record.description.clone(),
            rollback_to: record.rollback_to,
            cause: None,
            actor: self.actors.at_work(&head.release, now),
        }
    }

    /// The last revision before `revision` that was seen healthy and that Helm still has.
    pub(crate) fn verified_before(&self, heads: &[Head], revision: u32) -> Option<u32> {
        let verified = heads.iter().filter(|head| {
            head.revision < revision
                && self
                    .ledger
                    .knows(&head.release, head.revision, ReleaseStatus::Verified, &head.uid)
        });
        verified.map(|head| head.revision).max()
    }
}
