//! What the deployer is told about attempts that deploy.

use tidemill_messages::release::{ANNOTATION_RELEASE, ANNOTATION_ROLLBACK, DeployEnd};
use tidemill_messages::{DeployReport, DeployStage, Ending, ReleaseName, envelope};

use crate::child::{Child, Phase};
use crate::decision::CancelCause;
use crate::error::Error;
use crate::state::{ReleasePhase, RunState};
use crate::task::{self, Subject};
use crate::trace;

/// Parameters of Tekton's catalog that name a release.
const PARAM_NAME: &str = "release_name";
const PARAM_NAMESPACE: &str = "release_namespace";
/// The value of the annotation that lets the deployer roll back.
const AUTO: &str = "auto";

/// What the deployer is told about an attempt. It is the same however often it is asked for, but for
/// `answer_by`, which is there while the run waits.
///
/// # Errors
/// [`Error::NoSuch`] if the attempt was never dispatched, or deploys nothing.
pub fn deploy_report(state: &RunState, task: &str, attempt: u32, stage: DeployStage) -> Result<DeployReport, Error> {
    let subject = task::subject(state, task, "what it deploys")?;
    let no = |why: &str| task::no_such(state, "what it deploys", task, why.to_owned());
    let child = state.child(task).map(|(_, child)| child);
    let life = child.and_then(|child| life(child, attempt));
    let Some((started_at, ended)) = life else {
        return Err(no("this attempt was never dispatched"));
    };
    let subject = Subject { attempt, ..subject };
    let release = release(&subject).ok_or_else(|| no("nothing names its release"))?;
    let pods = task::pod_settings(&subject);
    Ok(DeployReport {
        version: envelope::VERSION,
        run: task::run_reference(&subject),
        task: task.to_owned(),
        attempt,
        task_run: task::identity_of(&subject),
        stage,
        release,
        started_at,
        ended_at: ended.map(|(at, _)| at),
        end: ended.map(|(_, end)| end),
        answer_by: answer_by(state, subject.node, attempt, stage),
        rollback: stage == DeployStage::Ended && rolls_back(state, subject.node),
        image: image(&subject),
        service_account_name: pods.service_account_name,
        pod_template: pods.pod_template,
        class: task::dispatch(state, task).map(|place| place.class).unwrap_or_default(),
        traceparent: trace::attempt_context(state, task, attempt).to_string(),
    })
}

/// The release a task deploys.
pub(crate) fn release_of(state: &RunState, task: &str) -> Option<ReleaseName> {
    release(&task::subject(state, task, "its release").ok()?)
}

/// Whether the deployer is to go back when this task fails: somebody wants that, and no task of the
/// pipeline looks after it.
pub(crate) fn rolls_back(state: &RunState, node: u32) -> bool {
    let is_asked = state.plan().is_some_and(|plan| plan.asking(node).next().is_some());
    !is_asked
        && match task::annotation(state, node, ANNOTATION_ROLLBACK) {
            Some(wish) => wish.trim() == AUTO,
            None => state.limits.rollback,
        }
}

/// Named by the task's parameters, else by an annotation; in the run's namespace unless another is
/// named.
fn release(subject: &Subject<'_>) -> Option<ReleaseName> {
    let run_namespace = subject.run.namespace();
    let named = task::params(subject).and_then(|params| {
        let text = |name: &str| params.get(name).and_then(|value| value.as_str()).map(str::trim);
        let name = text(PARAM_NAME).filter(|name| !name.is_empty())?;
        let namespace = text(PARAM_NAMESPACE).filter(|namespace| !namespace.is_empty());
        Some((namespace.unwrap_or(run_namespace).to_owned(), name.to_owned()))
    });
    let named = named.or_else(|| {
        let text = task::annotation(subject.state, subject.node, ANNOTATION_RELEASE)?;
        let (namespace, name) = text.trim().split_once('/').unwrap_or((run_namespace, text.trim()));
        Some((namespace.to_owned(), name.to_owned())).filter(|(_, name)| !name.is_empty())
    });
    named.map(|(namespace, name)| ReleaseName { namespace, name })
}

fn image(subject: &Subject<'_>) -> String {
    let built = task::build(subject).ok();
    let step = built.and_then(|built| built.spec.steps.into_iter().next());
    step.map(|step| step.image).unwrap_or_default()
}

fn answer_by(state: &RunState, node: u32, attempt: u32, stage: DeployStage) -> Option<jiff::Timestamp> {
    let release = state.release(node).filter(|release| release.attempt == attempt)?;
    match (&release.phase, stage) {
        (ReleasePhase::Awaited { until }, DeployStage::Ended)
        | (ReleasePhase::Closing { until, .. }, DeployStage::Settled) => Some(*until),
        _ => None,
    }
}

type Life = (jiff::Timestamp, Option<(jiff::Timestamp, DeployEnd)>);

/// When an attempt was dispatched, when it ended and how.
fn life(child: &Child, attempt: u32) -> Option<Life> {
    if let Some(past) = child.past.get(attempt as usize) {
        let end = end(&past.outcome.ending, past.cause);
        return Some((past.since, Some((past.outcome.completed_at, end))));
    }
    match &child.phase {
        _ if attempt != child.attempt => None,
        Phase::Running { since, .. } => Some((*since, None)),
        Phase::Over {
            since: Some(since),
            cause,
            outcome,
            ..
        } => Some((*since, Some((outcome.completed_at, end(&outcome.ending, *cause))))),
        _ => None,
    }
}

/// Reasons of failures in which steps were ended from outside.
const KILLED: [&str; 7] = [
    "TaskRunTimeout",
    "StepTimeout",
    "StepOOM",
    "OOMKilled",
    "Evicted",
    "PodEvicted",
    "NodeLost",
];

fn end(ending: &Ending, cause: Option<CancelCause>) -> DeployEnd {
    match (ending, cause) {
        (Ending::Succeeded, _) => DeployEnd::Succeeded,
        (_, Some(_)) | (Ending::Cancelled | Ending::TimedOut | Ending::Lost { .. }, None) => DeployEnd::Killed,
        (Ending::Failed { reason, .. }, None) if KILLED.contains(&reason.as_str()) => DeployEnd::Killed,
        (Ending::Failed { .. }, None) => DeployEnd::Failed,
    }
}
