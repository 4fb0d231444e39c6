//! Status of the run's own object.

use std::collections::BTreeMap;

use tidemill_messages::RunKind;
use tidemill_resources::meta::{Provenance, Time};
use tidemill_resources::names as known;
use tidemill_resources::pipeline_run::{ChildReference, SkippedTask};
use tidemill_resources::{PipelineRunStatus, PipelineSpec, TaskRunStatus};

use super::{ProjectedStatus, RunStatus, release, task_run};
use crate::guard;
use crate::plan::Plan;
use crate::resolution::Answer;
use crate::state::{NodePhase, RunState};
use crate::substitution::walk;
use crate::task::label_value;
use crate::trace;

/// Status of the run's object, and the labels and annotations it gains from what it refers to.
/// Before the run was observed it is empty.
#[must_use]
pub fn project_run(state: &RunState) -> ProjectedStatus {
    if state.kind() == Some(RunKind::TaskRun) {
        return of_task_run(state);
    }
    let mut status = PipelineRunStatus {
        conditions: vec![state.run_condition()],
        observed_generation: state.run().and_then(|run| run.metadata().generation),
        start_time: state
            .started_at
            .or_else(|| state.end.as_ref().map(|end| end.at))
            .map(Time),
        completion_time: state.end.as_ref().map(|end| Time(end.at)),
        results: state.end.as_ref().map(|end| end.results.clone()).unwrap_or_default(),
        finally_start_time: state.finally_started_at.map(Time),
        span_context: trace::run_context(state).to_map(),
        ..PipelineRunStatus::default()
    };
    let (mut labels, mut annotations, mut told) = <(_, _, BTreeMap<_, _>)>::default();
    if let Some(plan) = state.plan().filter(|_| state.is_started()) {
        status.pipeline_spec = Some(spec(plan));
        status.skipped_tasks = skipped(state, plan);
        status.child_references = children(state, plan);
        status.provenance = plan.source.clone().map(|source| Provenance {
            ref_source: Some(source),
            feature_flags: None,
        });
        labels = plan.labels.clone();
        annotations = plan.annotations.clone();
        annotations.retain(|key: &String, _| !key.starts_with("kubectl.kubernetes.io/"));
        labels.insert(known::LABEL_PIPELINE.to_owned(), label_value(&plan.name));
        told.extend(release::touched(state, plan));
    }
    ProjectedStatus {
        status: RunStatus::PipelineRun(Box::new(status)),
        labels,
        annotations,
        told,
    }
}

fn of_task_run(state: &RunState) -> ProjectedStatus {
    let mut status = match state.children.first() {
        Some(child) if child.exists() => task_run::status(state, &child.key),
        _ => TaskRunStatus {
            start_time: state.end.as_ref().map(|end| Time(end.at)),
            completion_time: state.end.as_ref().map(|end| Time(end.at)),
            ..TaskRunStatus::default()
        },
    };
    status.conditions = vec![state.run_condition()];
    status.observed_generation = state.run().and_then(|run| run.metadata().generation);
    status.span_context = trace::run_context(state).to_map();
    let (mut labels, mut annotations) = (BTreeMap::new(), BTreeMap::new());
    for found in &state.resolution.found {
        if let Answer::Task {
            labels: of_task,
            annotations: notes,
            ..
        } = &found.answer
        {
            labels.extend(of_task.clone());
            annotations.extend(notes.clone());
            annotations.retain(|key: &String, _| !key.starts_with("kubectl.kubernetes.io/"));
            if !found.reference.name.is_empty() {
                labels.insert(known::LABEL_TASK.to_owned(), label_value(&found.reference.name));
            }
        }
    }
    ProjectedStatus {
        status: RunStatus::TaskRun(Box::new(status)),
        labels,
        annotations,
        told: BTreeMap::new(),
    }
}

/// The pipeline with the run's parameters and contexts in place.
fn spec(plan: &Plan) -> PipelineSpec {
    let mut spec = plan.spec.clone();
    let scope = plan.scope();
    // Checked when the run started: no index is beyond its list.
    match walk::pipeline(&mut spec, &mut walk::replacing(&scope)) {
        Ok(()) => spec,
        Err(_) => plan.spec.clone(),
    }
}

fn skipped(state: &RunState, plan: &Plan) -> Vec<SkippedTask> {
    let skipped = state.nodes.iter().enumerate().filter_map(|(node, phase)| match phase {
        NodePhase::Skipped { reason } => Some(SkippedTask {
            name: plan.task_name(node as u32).to_owned(),
            reason: Some(*reason),
            when_expressions: guard::expressions(state, plan, node as u32),
        }),
        _ => None,
    });
    skipped.collect()
}

fn children(state: &RunState, plan: &Plan) -> Vec<ChildReference> {
    let existing = state.children.iter().filter(|child| child.exists());
    existing
        .map(|child| ChildReference {
            api_version: known::TEKTON_V1.to_owned(),
            kind: "TaskRun".to_owned(),
            name: state.name_of(child),
            display_name: display_name(state, plan, child.node),
            pipeline_task_name: plan.task_name(child.node).to_owned(),
            when_expressions: guard::expressions(state, plan, child.node),
        })
        .collect()
}

fn display_name(state: &RunState, plan: &Plan, node: u32) -> String {
    let mut text = plan.task(node).display_name.clone();
    let (results, ends) = (crate::state::Results(state), crate::state::Ends(state));
    let scope = guard::task_scope(plan, node, &results, &ends);
    // An index beyond the end leaves the text as it was written.
    if let Ok(Some(replaced)) = crate::substitution::replaced(&text, &scope) {
        text = replaced;
    }
    text
}
