//! What planners say about attempts that deploy, and what they are answered.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tidemill_bus::{Consumer, ConsumerSpec, Delivery, Message, blob};
use tidemill_messages::envelope::{TRACEPARENT, VERSION};
use tidemill_messages::fact::{Fact, FactBody};
use tidemill_messages::stream::{RELEASES, RUNS};
use tidemill_messages::{
    DeployReport, DeployStage, ReleaseEvent, ReleaseReport, ReleaseStatus, Rollback, decode, encode, subject,
};
use tidemill_telemetry::Chain;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::deployer::Deployer;
use crate::record::{self, Head, Record};
use crate::retry::until_done;
use crate::{Error, rollback, unlock};

/// Name of the durable consumer.
const CONSUMER: &str = "deployer";
/// What nobody works on for so long comes again.
const ACK_WAIT: Duration = Duration::from_secs(10);
/// How often work is made known.
const BEAT: Duration = Duration::from_secs(3);
/// When something comes again that failed by a fault of its own.
const FAULT_PAUSE: Duration = Duration::from_secs(1);
/// How far the clocks of cluster and planner may be apart.
const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// Takes what planners say until the deployer stops.
pub(crate) async fn run(deployer: Arc<Deployer>) -> Result<(), Error> {
    let slots = Arc::new(Semaphore::new(deployer.settings.concurrent_deploys));
    let tasks = TaskTracker::new();
    let outcome = take(&deployer, &slots, &tasks).await;
    tasks.close();
    tasks.wait().await;
    outcome
}

async fn take(deployer: &Arc<Deployer>, slots: &Arc<Semaphore>, tasks: &TaskTracker) -> Result<(), Error> {
    let mut consumer = until_done(&deployer.stopping, || join(deployer)).await?;
    loop {
        // The semaphore is never closed.
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return Ok(());
        };
        let batch = tokio::select! {
            () = deployer.stopping.cancelled() => return Err(Error::Stopping),
            batch = consumer.next_batch(1) => batch?,
        };
        let mut slot = Some(slot);
        for delivery in batch {
            let (deployer, slot) = (deployer.clone(), slot.take());
            tasks.spawn(async move {
                work(&deployer, &delivery).await;
                drop(slot);
            });
        }
    }
}

async fn join(deployer: &Deployer) -> Result<Consumer, Error> {
    let spec = ConsumerSpec {
        stream: RUNS.to_owned(),
        name: CONSUMER.to_owned(),
        filters: vec![subject::ALL_DEPLOYS.to_owned()],
        ack_wait: ACK_WAIT,
        max_ack_pending: (deployer.settings.concurrent_deploys * 4) as u64,
        pinned: None,
        from_start: true,
    };
    Ok(deployer.bus.consumer(&spec).await?)
}

async fn work(deployer: &Deployer, delivery: &Delivery) {
    let beat = async {
        loop {
            tokio::time::sleep(BEAT).await;
            delivery.in_progress().await;
        }
    };
    let ended = tokio::select! {
        ended = hear(deployer, delivery) => ended,
        () = deployer.stopping.cancelled() => Err(Error::Stopping),
        never = beat => never,
    };
    match ended {
        Ok(()) => delivery.ack().await,
        // Whoever comes next begins with it.
        Err(Error::Stopping) => deployer.stopping.cancel(),
        Err(error @ Error::Payload(_)) => {
            tracing::error!(error = %Chain(&error), subject = delivery.message.subject, "What a planner says cannot be read; it is dropped.");
            delivery.ack().await;
        }
        Err(error) => {
            tracing::error!(error = %Chain(&error), subject = delivery.message.subject, "What a planner says comes again.");
            delivery.retry_after(FAULT_PAUSE).await;
        }
    }
}

async fn hear(deployer: &Deployer, delivery: &Delivery) -> Result<(), Error> {
    let message = &delivery.message;
    let payload = until_done(&deployer.stopping, || async {
        Ok(blob::payload(&deployer.bus, message).await?)
    })
    .await?;
    let report: DeployReport = decode(&message.subject, &payload)?;
    deployer.actors.add(&report, deployer.bus.now());
    let hearing = Hearing {
        deployer,
        report: &report,
        traceparent: message.header(TRACEPARENT).unwrap_or_default().to_owned(),
    };
    match report.stage {
        DeployStage::Started => Ok(()),
        DeployStage::Ended => hearing.ended().await,
        DeployStage::Settled => hearing.settled().await,
    }
}

/// One thing that a planner said.
pub(crate) struct Hearing<'a> {
    pub(crate) deployer: &'a Deployer,
    pub(crate) report: &'a DeployReport,
    pub(crate) traceparent: String,
}

impl Hearing<'_> {
    /// An attempt is over.
    async fn ended(&self) -> Result<(), Error> {
        // What was begun before a crash goes on, whatever the release is by now.
        if let Some(begun) = rollback::begun(self).await? {
            return self.follow(begun).await;
        }
        let mut heads = self.revisions().await?;
        if let Some(head) = heads.last().filter(|head| head.status.is_pending())
            && self.unlock(head).await?
        {
            heads = self.revisions().await?;
        }
        if self.report.answer_by.is_none() {
            return Ok(());
        }
        let mut answer = self.answer(heads.last()).await?;
        // `--atomic`: Helm went back by itself before it ended.
        if let Some(head) = heads.last().filter(|head| head.status == ReleaseStatus::Deployed) {
            answer.rollback = self.went_back(head).await?;
        }
        if self.report.rollback && answer.status == Some(ReleaseStatus::Failed) {
            match rollback::begin(self, &heads).await? {
                Ok(begun) => {
                    answer.rollback = begun.running();
                    self.say(&answer, "release.ended").await?;
                    return self.follow(begun).await;
                }
                Err(message) => answer.rollback = Rollback::Failed { message },
            }
        }
        self.say(&answer, "release.ended").await
    }

    /// Waits for a rollback of ours and says how it ended.
    async fn follow(&self, begun: rollback::Begun) -> Result<(), Error> {
        let rollback = rollback::follow(self, &begun).await?;
        let over = DeployReport {
            stage: DeployStage::Settled,
            ..self.report.clone()
        };
        self.deployer.actors.add(&over, self.deployer.bus.now());
        let heads = self.revisions().await?;
        let mut answer = self.answer(heads.last()).await?;
        answer.rollback = rollback;
        // The first answer may not have been given; the last is enough for both.
        self.say(&answer, "release.ended").await?;
        self.say(&answer, "release.settled").await
    }

    /// The tasks that were to look after the release are over.
    async fn settled(&self) -> Result<(), Error> {
        let heads = self.revisions().await?;
        let mut answer = self.answer(heads.last()).await?;
        answer.rollback = match heads.last() {
            Some(head) => self.went_back(head).await?,
            None => Rollback::None,
        };
        self.say(&answer, "release.settled").await
    }

    /// Whether the last revision makes an earlier one again, and did so since the attempt began.
    pub(crate) async fn went_back(&self, head: &Head) -> Result<Rollback, Error> {
        let record = self.record(head).await?;
        let since = self.report.started_at - SKEW;
        if !record.is_rollback || head.created.is_some_and(|created| created < since) {
            return Ok(Rollback::None);
        }
        Ok(match head.status {
            ReleaseStatus::Deployed => Rollback::Done { to: record.rollback_to },
            ReleaseStatus::Failed => Rollback::Failed {
                message: record.description,
            },
            status => Rollback::Failed {
                message: format!("revision {} is {status}", head.revision),
            },
        })
    }

    /// Whether the attempt changed the release: made its last revision, or wrote it.
    pub(crate) fn touched(&self, head: &Head) -> bool {
        let since = self.report.started_at - SKEW;
        head.created.or(head.modified).is_some_and(|at| at >= since)
    }

    async fn revisions(&self) -> Result<Vec<Head>, Error> {
        let deployer = self.deployer;
        until_done(&deployer.stopping, || deployer.cluster.revisions(&self.report.release)).await
    }

    async fn record(&self, head: &Head) -> Result<Record, Error> {
        let deployer = self.deployer;
        let found = until_done(&deployer.stopping, || deployer.cluster.record(head)).await;
        match found {
            Ok(found) => Ok(found.map(|(record, _)| record).unwrap_or_default()),
            Err(error @ Error::Record { .. }) => {
                tracing::warn!(error = %Chain(&error), "A record cannot be read.");
                Ok(Record::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Marks a pending revision failed, if the attempt left it. `true`: it may look different now.
    async fn unlock(&self, head: &Head) -> Result<bool, Error> {
        let deployer = self.deployer;
        let others = deployer.actors.others_at_work(self.report);
        match unlock::is_ours(head, self.report, others) {
            Ok(()) if deployer.settings.unlock => {}
            Ok(()) => return Ok(false),
            Err(why) => {
                tracing::info!(release = %head.release, revision = head.revision, status = %head.status, ?why, "A pending revision is left alone.");
                return Ok(false);
            }
        }
        let Some(secret) = until_done(&deployer.stopping, || deployer.cluster.secret(head)).await? else {
            return Ok(true);
        };
        if secret.metadata.resource_version.as_deref() != Some(&head.resource_version) {
            // Somebody is alive after all.
            return Ok(true);
        }
        let description = format!(
            "left {} by attempt {} of task {:?} of run {}/{}, which is over",
            head.status, self.report.attempt, self.report.task, self.report.run.namespace, self.report.run.name
        );
        let record = self.record(head).await?;
        let now = deployer.bus.now();
        let marked = record::failed(&secret, &description, now).map_err(|source| Error::Record {
            release: head.release.to_string(),
            revision: head.revision,
            source,
        })?;
        deployer.probe.pass("deployer.unlocking").await?;
        match deployer.cluster.replace(&marked).await {
            Ok(()) => {}
            Err(error) if error.is_conflict() => return Ok(true),
            Err(error) => return Err(error),
        }
        let mut event: ReleaseEvent = deployer.event(head, &record, ReleaseStatus::Unlocked);
        (event.at, event.description) = (now, description);
        event.actor = Some(self.report.actor());
        until_done(&deployer.stopping, || deployer.ledger.say(&event)).await?;
        Ok(true)
    }

    /// What is known of the release.
    async fn answer(&self, head: Option<&Head>) -> Result<ReleaseReport, Error> {
        let mut answer = ReleaseReport {
            release: self.report.release.clone(),
            revision: head.map_or(0, |head| head.revision),
            status: head.map(|head| head.status),
            cause: String::new(),
            rollback: Rollback::None,
        };
        if let Some(head) = head.filter(|head| head.status == ReleaseStatus::Failed) {
            answer.cause = self.cause(head).await?;
        }
        Ok(answer)
    }

    /// Why it failed: as the event says, else as the cluster shows it now, else in Helm's words.
    async fn cause(&self, head: &Head) -> Result<String, Error> {
        let deployer = self.deployer;
        let subject = subject::release(&head.release, head.revision, ReleaseStatus::Failed);
        let said = until_done(&deployer.stopping, || async {
            Ok(deployer.bus.last(RELEASES, &subject).await?)
        })
        .await?;
        let said = said.and_then(|stored| decode::<ReleaseEvent>(&subject, &stored.payload).ok());
        if let Some(cause) = said
            .filter(|event| event.record_uid == head.uid)
            .and_then(|event| event.cause)
        {
            return Ok(cause.to_string());
        }
        let record = self.record(head).await?;
        Ok(match deployer.cause(head, &record).await {
            Some(cause) => cause.to_string(),
            None => record.description,
        })
    }

    /// Publishes the answer; one that is there already is the answer.
    async fn say(&self, answer: &ReleaseReport, what: &str) -> Result<(), Error> {
        let deployer = self.deployer;
        let fact = Fact {
            version: VERSION,
            at: deployer.bus.now(),
            body: FactBody::ReleaseObserved {
                task: self.report.task.clone(),
                attempt: self.report.attempt,
                report: answer.clone(),
            },
        };
        let subject = subject::attempt_fact(&self.report.key(), what);
        let message = Message::new(subject.clone(), encode(&subject, &fact)?)
            .header(TRACEPARENT, &self.traceparent)
            .expecting(0);
        deployer.probe.pass("deployer.answering").await?;
        until_done(&deployer.stopping, || async {
            match deployer.bus.publish(message.clone()).await {
                Err(error) if !error.is_conflict() => Err(error.into()),
                _ => Ok(()),
            }
        })
        .await?;
        deployer.probe.pass("deployer.answered").await
    }
}
