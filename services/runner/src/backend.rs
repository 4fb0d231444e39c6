//! What a backend must do: play the pod of an attempt and say what happens to it.
//!
//! A backend knows no bus. The runner's core resolves what the attempt needs, asks the backend to
//! prepare a sandbox while the claim is being stored, lets it start once the claim is, and turns its
//! events into facts and logs. One task per attempt owns the [`Playing`]; methods are never called
//! at the same time.

mod accounts;
pub mod docker;
mod ending;
pub mod kubernetes;
mod link;
pub mod process;
mod translate;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use k8s_openapi::api::core::v1::Pod;
use tidemill_messages::command::{CancelReason, StartTask};
use tidemill_messages::plan::Plan;
use tidemill_messages::report::Report;
use tidemill_messages::{AttemptKey, AttemptOutcome};
use tidemill_resources::Object;
use tokio::sync::{mpsc, watch};

pub use crate::credentials::SecretObject;

/// Events that may wait between a backend and the core, per attempt; the backend waits when full,
/// and so, in the end, does the step that writes too fast.
pub const EVENT_QUEUE_LENGTH: usize = 64;

/// Everything needed to play one attempt.
#[derive(Clone, Debug)]
pub struct Play {
    /// The attempt.
    pub key: AttemptKey,
    /// The planner's command.
    pub command: Arc<StartTask>,
    /// Its pod, as `tidemill_pod::build` made it.
    pub pod: Arc<Pod>,
}

/// What a backend learns about an attempt.
#[derive(Debug)]
pub enum Event {
    /// A report of the step binary, in order, each number once. Must be answered by
    /// [`Playing::stored`] once it is durable.
    Report(Report),
    /// The attempt ended and its processes are gone; nothing comes after it. The core stores the
    /// outcome, then calls [`Playing::remove`].
    Finished(Box<AttemptOutcome>),
    /// The attempt's processes are gone without an end of their own.
    Gone {
        /// Whether a step had started (R4: then it is never started again by itself).
        step_started: bool,
        /// What is known.
        message: String,
    },
}

/// What adoption found.
pub enum Adoption {
    /// It runs (or ended with its outcome still to be told): events follow.
    Playing(Box<dyn Playing>),
    /// Nothing of it is here, or no step had started and the rest has been removed.
    NotStarted,
    /// A step had started and everything is gone.
    Gone {
        /// What is known.
        message: String,
    },
}

/// One attempt in the hands of a backend.
#[async_trait]
pub trait Playing: Send {
    /// Lets the first step go. Called once, after the claim is stored.
    async fn start(&mut self) -> Result<(), Error>;
    /// Reports up to `sequence` are durable.
    async fn stored(&mut self, sequence: u64);
    /// Kills everything; the end still comes as [`Event::Finished`] with what had ended how.
    async fn kill(&mut self, reason: CancelReason);
    /// Removes every trace: processes, directories, containers. After `Finished` was stored, or
    /// instead of `start` when the claim was lost. Repeatable.
    async fn remove(self: Box<Self>) -> Result<(), Error>;
    /// Lets go without touching what runs, so that another owner can adopt it (R3).
    async fn release(self: Box<Self>);
}

/// A place where attempts are played.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The class of tasks it takes: `process`, `docker`, `kubernetes`.
    fn class(&self) -> &str;
    /// Whether everything of an attempt ends with the machine this runner is on, its files perhaps lost:
    /// then nothing of an attempt of an earlier boot is adopted or started again.
    fn ends_with_boot(&self) -> bool {
        false
    }
    /// Whether a sandbox may be built for a task that is only announced: where it costs little to throw
    /// it away.
    fn prepares_ahead(&self) -> bool {
        false
    }
    /// Whether the place itself shows that an attempt had been let go, when nothing else is left of it. A
    /// pod that somebody deleted leaves no trace.
    fn remembers_starts(&self) -> bool {
        true
    }
    /// Builds the sandbox without starting any of the user's code.
    async fn prepare(&self, play: Play, events: mpsc::Sender<Event>) -> Result<Box<dyn Playing>, Error>;
    /// Takes over what a dead owner left of this attempt.
    async fn adopt(&self, play: Play, events: mpsc::Sender<Event>) -> Result<Adoption, Error>;
    /// Attempts of which something is in this place, for the sweep of orphans.
    async fn found(&self) -> Result<Vec<AttemptKey>, Error>;
    /// Removes what is left of an attempt that nobody owns.
    async fn discard(&self, key: &AttemptKey) -> Result<(), Error>;
    /// Attempts that are over and of which something is kept for people to look at. What was kept for long enough
    /// is removed.
    async fn kept(&self) -> Result<Vec<AttemptKey>, Error> {
        Ok(Vec::new())
    }
    /// Removes what is kept of an attempt.
    async fn forget(&self, _key: &AttemptKey) -> Result<(), Error> {
        Ok(())
    }
    /// What is wrong with the place, as long as something is: then no task is taken. `None`: nothing watches it.
    fn trouble(&self) -> Option<watch::Receiver<Option<String>>> {
        None
    }
    /// Gives up what waits here for attempts to come: the runner takes none any more.
    async fn close(&self) {}
}

/// The objects a pod refers to, as a backend needs them.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// Data of a Secret; `None` if there is none of that name.
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, Bytes>>, Error>;
    /// Data and binary data of a ConfigMap.
    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, Bytes>>, Error>;
    /// Where a claim's files lie: `None` if there is no claim; `Some(None)` for a plain claim, whose
    /// directory the backend chooses; `Some(Some(path))` for a claim that stands for a host
    /// directory (annotation `tidemill.dev/host-path`).
    async fn claim(&self, namespace: &str, name: &str) -> Result<Option<Option<PathBuf>>, Error>;
    /// The claim as the planner made it from a run's template; `None` if there is none of that name.
    async fn claim_record(&self, _namespace: &str, _name: &str) -> Result<Option<Object>, Error> {
        Ok(None)
    }
    /// Names of the Secrets of a ServiceAccount; `None` if there is none of that name.
    async fn secrets_of_account(&self, _namespace: &str, _name: &str) -> Result<Option<Vec<String>>, Error> {
        Ok(None)
    }
    /// Names of the Secrets with which a ServiceAccount pulls images; none if there is no such account.
    async fn pull_secrets_of_account(&self, _namespace: &str, _name: &str) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }
    /// A Secret with its type and annotations; `None` if there is none of that name.
    async fn secret_object(&self, _namespace: &str, _name: &str) -> Result<Option<SecretObject>, Error> {
        Ok(None)
    }
}

/// Why a backend could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The task itself is at fault: it fails, with this reason and message (Tekton's where it has
    /// one). Not tried again here; the task's `retries` apply.
    #[error("{message}")]
    Task {
        /// CamelCase reason.
        reason: String,
        /// For people: what, where, expected, next.
        message: String,
    },
    /// The place is at fault: tried again, here or elsewhere.
    #[error("cannot {action}")]
    Place {
        /// What was tried, with the path or name.
        action: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The plan of a pod.
fn plan_of(play: &Play) -> Result<Plan, Error> {
    let plan = Plan::of(&play.pod).map_err(|error| translate::config_error(error.to_string()))?;
    plan.ok_or_else(|| translate::config_error("the pod has no plan; it was not made by Tidemill".to_owned()))
}

/// The supervisor has let this one go and lives on: its claim is not the newest any more, and the attempt
/// is not its to end.
fn ousted(key: &AttemptKey) -> Error {
    place(format!("adopt {key}"))("it has another owner")
}

/// Says what was being done at this place when it failed.
fn place<E: Into<Box<dyn std::error::Error + Send + Sync>>>(action: impl Into<String>) -> impl FnOnce(E) -> Error {
    let action = action.into();
    move |source| Error::Place {
        action,
        source: source.into(),
    }
}
