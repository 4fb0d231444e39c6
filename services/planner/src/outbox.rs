//! Effects as work to do: what each needs is taken from the state at once, so that the work goes on
//! while the state does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidemill_bus::Message;
use tidemill_engine::{Effect, Record, ResolveRequest, RunState, trace};
use tidemill_messages::envelope::{DECISION_ID, DISPATCH, TRACEPARENT};
use tidemill_messages::{AttemptKey, CancelReason, DeployStage, encode, subject};
use tidemill_resources::Object;

use crate::{Error, volumes};

/// A task to publish.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) message: Message,
    /// How often the attempt was dispatched before; its subject must hold the dispatch before.
    pub(crate) dispatch: u32,
    /// The class of the task.
    pub(crate) class: String,
}

/// What one decision asks to be done, in the order in which it is done.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) create_volumes: Vec<Object>,
    pub(crate) starts: Vec<Start>,
    pub(crate) cancels: Vec<(AttemptKey, CancelReason)>,
    pub(crate) wake: Option<Timestamp>,
    /// What the deployer is told.
    pub(crate) deploys: Vec<Message>,
    pub(crate) resolves: Vec<ResolveRequest>,
    pub(crate) remove_volumes: Vec<String>,
    /// Task (`None`: the run) and whether its status changes no more.
    pub(crate) projections: BTreeMap<Option<String>, bool>,
    /// Purge the run.
    pub(crate) finish: bool,
    /// Trace context of all of it.
    pub(crate) traceparent: String,
}

impl Outbox {
    /// What `record` asks for, given the state after it.
    pub(crate) fn of(state: &RunState, record: &Record) -> Result<Self, Error> {
        let mut outbox = Self {
            traceparent: record.traceparent.clone(),
            ..Self::default()
        };
        for effect in &record.effects {
            outbox.add(state, record, effect)?;
        }
        Ok(outbox)
    }

    fn add(&mut self, state: &RunState, record: &Record, effect: &Effect) -> Result<(), Error> {
        match effect {
            Effect::Resolve(request) => self.resolves.push(request.clone()),
            Effect::CreateVolume { claim } => {
                let object = tidemill_engine::claim_object(state, claim)?;
                self.create_volumes.push(volumes::object(&object)?);
            }
            Effect::RemoveVolume { claim } => self.remove_volumes.push(claim.clone()),
            Effect::StartTask {
                task,
                attempt,
                dispatch,
            } => match start(state, record, task, *attempt, *dispatch) {
                Ok(start) => self.starts.push(start),
                // Over before it was dispatched, by a fact of the same decision.
                Err(Error::Engine(error)) => tracing::debug!(%error, "A task needs no start any more."),
                Err(error) => return Err(error),
            },
            Effect::CancelTask { task, attempt, reason } => {
                let key = AttemptKey::new(state.uid(), task.clone(), *attempt);
                self.cancels.push((key, *reason));
            }
            Effect::ReportDeploy { task, attempt, stage } => match deploy(state, record, task, *attempt, *stage) {
                Ok(message) => self.deploys.push(message),
                Err(Error::Engine(error)) => tracing::warn!(%error, "The deployer is not told of an attempt."),
                Err(error) => return Err(error),
            },
            Effect::Wake { at } => self.wake = Some(*at),
            Effect::Project { task, last } => *self.projections.entry(task.clone()).or_default() |= last,
            Effect::Finish => self.finish = true,
        }
        Ok(())
    }
}

/// The message that tells the deployer how far an attempt is.
fn deploy(state: &RunState, record: &Record, task: &str, attempt: u32, stage: DeployStage) -> Result<Message, Error> {
    let subject = subject::deploy(&AttemptKey::new(state.uid(), task, attempt), stage);
    let report = tidemill_engine::deploy_report(state, task, attempt, stage)?;
    Ok(Message::new(subject.clone(), encode(&subject, &report)?)
        .header(TRACEPARENT, &report.traceparent)
        .header(DECISION_ID, &record.id))
}

/// The message that starts an attempt. The same record and state give the same bytes.
pub(crate) fn start(
    state: &RunState,
    record: &Record,
    task: &str,
    attempt: u32,
    dispatch: u32,
) -> Result<Start, Error> {
    let key = AttemptKey::new(state.uid(), task, attempt);
    let place = tidemill_engine::dispatch(state, task)?;
    let subject = subject::task(&key, &place.class, place.priority);
    let command = tidemill_engine::start_task(state, task, attempt)?;
    let context = trace::attempt_context(state, task, attempt).to_string();
    let mut message = Message::new(subject.clone(), encode(&subject, &command)?)
        .header(TRACEPARENT, context)
        .header(DECISION_ID, &record.id);
    if dispatch > 0 {
        message = message.header(DISPATCH, dispatch.to_string());
    }
    Ok(Start {
        message,
        dispatch,
        class: place.class,
    })
}
