//! PipelineRun.

use std::collections::BTreeSet;

use super::scope::Scope;
use super::{param, pipeline, task_run, workspace};
use crate::duration::Duration;
use crate::object::PipelineRun;
use crate::param::Param;
use crate::path::At;
use crate::pipeline_run::{PipelineRunSpec, PipelineTaskRunSpec, Timeouts};
use crate::problem::{Problem, Problems};
use crate::reference::find;

/// Checks a PipelineRun.
pub fn pipeline_run(run: &PipelineRun, problems: &mut Problems) {
    let (spec, at) = (&run.spec, At::ROOT.key("spec"));
    definition(spec, at, problems);
    values(&spec.params, at.key("params"), problems);
    if let Some(given) = &spec.timeouts {
        timeouts(given, at.key("timeouts"), problems);
    }
    workspace::bindings(&spec.workspaces, at.key("workspaces"), problems);
    let overrides = at.key("taskRunSpecs");
    let mut seen = BTreeSet::new();
    for (index, settings) in spec.task_run_specs.iter().enumerate() {
        task_settings(settings, &mut seen, overrides.index(index), problems);
    }
    task_run::managed_by(spec.managed_by.as_deref(), at.key("managedBy"), problems);
}

fn definition(spec: &PipelineRunSpec, at: At<'_>, problems: &mut Problems) {
    match (&spec.pipeline_ref, &spec.pipeline_spec) {
        (None, None) => {
            problems.add(Problem::error(at, "says not what to run").expected("pipelineRef or pipelineSpec"));
        }
        (Some(_), Some(_)) => {
            problems.add(Problem::error(at, "pipelineRef and pipelineSpec together").expected("exactly one"));
        }
        _ => {}
    }
    if let Some(reference) = &spec.pipeline_ref {
        let at = at.key("pipelineRef");
        match (reference.name.is_empty(), reference.resolver.is_empty()) {
            (true, true) => {
                problems.add(
                    Problem::error(at.key("name"), "is missing").expected("the name of a Pipeline, or a resolver"),
                );
            }
            (false, false) => {
                problems.add(Problem::error(at, "name and resolver together").expected("one or the other"));
            }
            _ => {}
        }
        param::values(&reference.params, at.key("params"), problems);
    }
    if let Some(embedded) = &spec.pipeline_spec {
        pipeline::spec(
            embedded,
            &Scope::open(&embedded.params),
            at.key("pipelineSpec"),
            problems,
        );
    }
}

/// Checks a run's parameters; what looks like a reference to a result stays text.
pub(super) fn values(params: &[Param], at: At<'_>, problems: &mut Problems) {
    param::values(params, at, problems);
    for (index, param) in params.iter().enumerate() {
        let text = param.value.to_text();
        if let Some(found) = find(&text)
            .into_iter()
            .find(|found| found.reference.task_result().is_some())
        {
            let message = format!("$({}) stays as it is", found.reference);
            problems.add(
                Problem::warning(at.index(index).key("value"), message)
                    .hint("no task has run when a run's parameters are read"),
            );
        }
    }
}

fn timeouts(given: &Timeouts, at: At<'_>, problems: &mut Problems) {
    let all = [
        ("pipeline", given.pipeline),
        ("tasks", given.tasks),
        ("finally", given.finally),
    ];
    for (field, timeout) in all {
        if let Some(timeout) = timeout.filter(|timeout| timeout.as_nanos() < 0) {
            problems.add(Problem::error(at.key(field), format!("{timeout} is negative")).expected("0 or more"));
        }
    }
    let Some(pipeline) = given.pipeline.filter(|pipeline| !pipeline.is_zero()) else {
        return;
    };
    let whole = format!("at most {pipeline}, the timeout of the pipeline");
    for (field, timeout) in &all[1..] {
        match timeout {
            Some(Duration::ZERO) => problems.add(
                Problem::error(at.key(field), "0 means no limit, but the pipeline has one")
                    .expected(whole.clone())
                    .hint("or set timeouts.pipeline to 0"),
            ),
            Some(timeout) if *timeout > pipeline => {
                problems.add(Problem::error(at.key(field), timeout.to_string()).expected(whole.clone()));
            }
            _ => {}
        }
    }
    if let (Some(tasks), Some(finally)) = (given.tasks, given.finally)
        && tasks <= pipeline
        && finally <= pipeline
        && tasks.checked_add(finally).is_none_or(|sum| sum > pipeline)
    {
        problems.add(
            Problem::error(at.key("tasks"), format!("tasks {tasks} and finally {finally} together")).expected(whole),
        );
    }
}

fn task_settings<'a>(
    settings: &'a PipelineTaskRunSpec,
    seen: &mut BTreeSet<&'a str>,
    at: At<'_>,
    problems: &mut Problems,
) {
    let name = settings.pipeline_task_name.as_str();
    if name.is_empty() {
        problems.add(Problem::error(at.key("pipelineTaskName"), "is missing"));
    } else if !seen.insert(name) {
        problems.add(Problem::error(
            at.key("pipelineTaskName"),
            format!("{name:?} stands twice"),
        ));
    }
    if let Some(timeout) = settings.timeout.filter(|timeout| timeout.as_nanos() < 0) {
        problems.add(Problem::error(at.key("timeout"), format!("{timeout} is negative")).expected("0 or more"));
    }
    task_run::resources(
        settings.compute_resources.is_some(),
        &settings.step_specs,
        &settings.sidecar_specs,
        at,
        problems,
    );
}
