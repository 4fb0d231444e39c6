//! Facts of the stream as facts for the engine.

use jiff::Timestamp;
use tidemill_bus::{Stored, blob};
use tidemill_engine::{Fact, RunObject};
use tidemill_messages::{DeployStage, FactBody, RunKind, decode};
use tidemill_objects::Key;
use tidemill_resources::{Object, PipelineRun, TaskRun};

use crate::Error;
use crate::planner::Planner;
use crate::retry::until_done;

/// The API group of the runs.
pub(crate) const GROUP: &str = "tekton.dev";

/// What a fact of the stream means.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// Something for the engine.
    Engine(Fact),
    /// The run object, as far as it is there.
    Object {
        /// Where it is, or was.
        key: Key,
        /// The object with the run's UID.
        found: Option<RunObject>,
        /// It is being deleted.
        deleting: bool,
    },
}

impl Planner {
    /// Reads a fact; for a change of the run object the object too, by a read from the leader (P3).
    pub(crate) async fn understand(&self, stored: &Stored) -> Result<Meaning, Error> {
        let payload = until_done(&self.stopping, || async { Ok(blob::payload(&self.bus, stored).await?) }).await?;
        let fact: tidemill_messages::Fact = decode(&stored.subject, &payload)?;
        match fact.body {
            FactBody::SpecChanged {
                kind,
                namespace,
                name,
                uid,
                ..
            } => self.observe(run_key(kind, &namespace, &name), &uid).await,
            body => Ok(Meaning::Engine(engine_fact(self.bus.now(), stored, body)?)),
        }
    }

    /// The run object under `key`, if it has this UID.
    pub(crate) async fn observe(&self, key: Key, uid: &str) -> Result<Meaning, Error> {
        let object = until_done(&self.stopping, || async { Ok(self.objects.get(&key).await?) }).await?;
        let object = object.filter(|object| object.metadata.uid.as_deref() == Some(uid));
        let deleting = object
            .as_ref()
            .is_some_and(|object| object.metadata.deletion_timestamp.is_some());
        let found = object.map(|object| run_object(&object)).transpose().map_err(|source| {
            tidemill_messages::Error::Malformed {
                subject: key.subject(),
                expected: "run object",
                source,
            }
        })?;
        Ok(Meaning::Object { key, found, deleting })
    }
}

/// The key of a run object.
pub(crate) fn run_key(kind: RunKind, namespace: &str, name: &str) -> Key {
    Key {
        group: GROUP.to_owned(),
        resource: match kind {
            RunKind::PipelineRun => "pipelineruns",
            RunKind::TaskRun => "taskruns",
        }
        .to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn run_object(object: &Object) -> Result<RunObject, serde_json::Error> {
    if object.kind == TaskRun::KIND {
        TaskRun::try_from(object).map(|run| RunObject::TaskRun(Box::new(run)))
    } else {
        PipelineRun::try_from(object).map(|run| RunObject::PipelineRun(Box::new(run)))
    }
}

fn engine_fact(at: Timestamp, stored: &Stored, body: FactBody) -> Result<Fact, Error> {
    Ok(match body {
        FactBody::ChildChanged {
            name,
            uid,
            status,
            deleting,
        } => Fact::ChildChanged {
            at,
            name,
            uid,
            status,
            deleting,
        },
        FactBody::Resolved { resolution } => Fact::Resolved {
            at,
            resolution: serde_json::from_value(resolution).map_err(|error| malformed(stored, "resolution", error))?,
        },
        FactBody::AttemptStarted {
            task,
            attempt,
            pod_name,
            started_at,
            steps,
        } => Fact::AttemptStarted {
            at,
            task,
            attempt,
            pod_name,
            started_at,
            steps,
        },
        FactBody::AttemptFinished { task, attempt, outcome } => Fact::AttemptFinished {
            at,
            task,
            attempt,
            outcome,
        },
        FactBody::AttemptWaits { task, attempt, message } => Fact::AttemptWaits {
            at,
            task,
            attempt,
            message,
        },
        FactBody::AttemptReturned { task, attempt, message } => Fact::AttemptReturned {
            at,
            task,
            attempt,
            claim: claim_sequence(&stored.subject),
            message,
        },
        FactBody::ReleaseObserved { task, attempt, report } => Fact::ReleaseObserved {
            at,
            task,
            attempt,
            stage: deploy_stage(&stored.subject),
            report,
        },
        FactBody::VolumeFailed { claim, message } => Fact::VolumeFailed { at, claim, message },
        // Read with its object, by the caller; without it the deadlines are all there is to look at.
        FactBody::SpecChanged { .. } => Fact::Due { at },
    })
}

fn malformed(stored: &Stored, expected: &'static str, source: serde_json::Error) -> tidemill_messages::Error {
    tidemill_messages::Error::Malformed {
        subject: stored.subject.clone(),
        expected,
        source,
    }
}

/// The question that a release's fact answers: the last token of its subject.
fn deploy_stage(subject: &str) -> Option<DeployStage> {
    let all = [DeployStage::Started, DeployStage::Ended, DeployStage::Settled];
    all.into_iter()
        .find(|stage| subject.rsplit('.').next() == Some(stage.as_str()))
}

/// The last token of `….returned.<claim sequence>`.
fn claim_sequence(subject: &str) -> u64 {
    let last = subject.rsplit('.').next();
    last.and_then(|token| token.parse().ok()).unwrap_or(0)
}
