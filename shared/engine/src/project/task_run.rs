//! TaskRun objects.

use tidemill_messages::AttemptOutcome;
use tidemill_messages::trace::ANNOTATION_TASK_RUN;
use tidemill_resources::meta::{Condition, Provenance, Time};
use tidemill_resources::pipeline::TaskRef;
use tidemill_resources::{ObjectMeta, TaskRun, TaskRunSpec, TaskRunStatus};

use super::claim::owner;
use crate::child::{Child, Phase};
use crate::error::Error;
use crate::plan::Definition;
use crate::resolution::Answer;
use crate::run_object::RunObject;
use crate::state::RunState;
use crate::task::{self, Built, Subject};
use crate::trace;

/// The whole TaskRun of a task: name and UID are the same for the same run and task. For a run of kind
/// TaskRun it is the run's object with the status it is to have.
///
/// # Errors
/// [`Error::NoSuch`] if the task was never started.
pub fn project_task_run(state: &RunState, task: &str) -> Result<TaskRun, Error> {
    let subject = task::subject(state, task, "the TaskRun")?;
    let status = Some(status(state, task));
    if let RunObject::TaskRun(run) = subject.run {
        return Ok(TaskRun {
            status,
            ..(**run).clone()
        });
    }
    let mut identity = task::identity_of(&subject);
    let context = trace::run_context(state).to_json();
    identity.annotations.insert(ANNOTATION_TASK_RUN.to_owned(), context);
    let metadata = ObjectMeta {
        name: Some(identity.name),
        namespace: Some(state.namespace().to_owned()),
        uid: Some(identity.uid),
        labels: Some(identity.labels),
        annotations: Some(identity.annotations).filter(|annotations| !annotations.is_empty()),
        owner_references: Some(vec![owner(state)]),
        creation_timestamp: status.as_ref().and_then(first_start),
        ..ObjectMeta::default()
    };
    Ok(TaskRun {
        metadata,
        spec: spec(&subject),
        status,
        ..TaskRun::default()
    })
}

/// When the first attempt began.
fn first_start(status: &TaskRunStatus) -> Option<Time> {
    let first = status.retries_status.first().unwrap_or(status);
    first.start_time.clone()
}

/// The spec a user would have written for this task alone.
fn spec(subject: &Subject<'_>) -> TaskRunSpec {
    let pods = task::pod_settings(subject);
    let task = subject.plan.task(subject.node);
    let node = &subject.plan.nodes[subject.node as usize];
    let built = task::build(subject).ok();
    let task_ref = match node.definition {
        Definition::Embedded => None,
        Definition::Found(_) => task.task_ref.clone().map(|reference| TaskRef {
            name: subject.task_name().unwrap_or_default(),
            kind: "Task".to_owned(),
            ..reference
        }),
    };
    let (params, workspaces) = built.map(|built| (built.params, built.workspaces)).unwrap_or_default();
    TaskRunSpec {
        params,
        workspaces,
        service_account_name: pods.service_account_name,
        task_spec: task_ref
            .is_none()
            .then(|| subject.plan.task_spec(subject.node, &subject.state.resolution)),
        task_ref,
        retries: task.retries,
        timeout: Some(node.timeout.unwrap_or_default()),
        pod_template: pods.pod_template,
        step_specs: pods.step_specs,
        sidecar_specs: pods.sidecar_specs,
        compute_resources: pods.compute_resources,
        ..TaskRunSpec::default()
    }
}

/// Status of the TaskRun of a task; empty if it was never started.
pub(super) fn status(state: &RunState, task: &str) -> TaskRunStatus {
    let (Some((_, child)), Ok(subject)) = (state.child(task), task::subject(state, task, "the status")) else {
        return TaskRunStatus::default();
    };
    let mut status = match &child.phase {
        Phase::Running { since, seen, .. } => TaskRunStatus {
            start_time: Some(Time(*since)),
            pod_name: seen.as_ref().map(|seen| seen.pod_name.clone()).unwrap_or_default(),
            steps: seen.as_ref().map(|seen| seen.steps.clone()).unwrap_or_default(),
            ..TaskRunStatus::default()
        },
        Phase::Over { since, at, outcome, .. } => TaskRunStatus {
            start_time: Some(Time(since.unwrap_or(*at))),
            ..of_outcome(outcome)
        },
        Phase::Queued | Phase::Dropped => TaskRunStatus::default(),
    };
    status.conditions = vec![state.child_condition(child)];
    status.retries_status = retries(state, child);
    status.span_context = trace::attempt_context(state, task, child.attempt).to_map();
    status.task_spec = Some(match task::build(&subject) {
        Ok(Built { spec, .. }) => spec,
        // Rejected: as it was written.
        Err(_) => subject.plan.task_spec(subject.node, &state.resolution),
    });
    status.provenance = provenance(&subject);
    status
}

fn retries(state: &RunState, child: &Child) -> Vec<TaskRunStatus> {
    let past = child.past.iter().map(|past| TaskRunStatus {
        conditions: vec![state.past_condition(child, past.cause, &past.outcome)],
        start_time: Some(Time(past.since)),
        ..of_outcome(&past.outcome)
    });
    past.collect()
}

fn of_outcome(outcome: &AttemptOutcome) -> TaskRunStatus {
    TaskRunStatus {
        conditions: Vec::<Condition>::new(),
        pod_name: outcome.pod_name.clone(),
        completion_time: Some(Time(outcome.completed_at)),
        steps: outcome.steps.clone(),
        sidecars: outcome.sidecars.clone(),
        results: outcome.results.clone(),
        ..TaskRunStatus::default()
    }
}

fn provenance(subject: &Subject<'_>) -> Option<Provenance> {
    let Definition::Found(answer) = subject.plan.nodes[subject.node as usize].definition else {
        return None;
    };
    match &subject.state.resolution.found.get(answer)?.answer {
        Answer::Task {
            source: Some(source), ..
        } => Some(Provenance {
            ref_source: Some(source.clone()),
            feature_flags: None,
        }),
        _ => None,
    }
}
