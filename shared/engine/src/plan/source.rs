//! What is to be run: the pipeline and its tasks, found or written in the run.

use std::collections::BTreeMap;

use tidemill_messages::RunKind;
use tidemill_resources::lookup;
use tidemill_resources::meta::RefSource;
use tidemill_resources::pipeline::TaskRef;
use tidemill_resources::{EmbeddedTask, PipelineSpec, PipelineTask, TaskRun};

use super::Definition;
use crate::params::{self, Values};
use crate::refusal::Refusal;
use crate::resolution::{Answer, Reference, ReferenceKind, Resolution};
use crate::run_object::RunObject;
use crate::substitution::{OutOfRange, Scope, walk};

/// The pipeline and what came with it.
pub(super) struct Source {
    pub(super) spec: PipelineSpec,
    pub(super) name: String,
    pub(super) source: Option<RefSource>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// The pipeline of the run; for a TaskRun a pipeline of that one task.
pub(super) fn of(run: &RunObject, resolution: &Resolution) -> Result<Source, Refusal> {
    let embedded = |spec: PipelineSpec| Source {
        spec,
        name: run.name().to_owned(),
        source: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    };
    let run = match run {
        RunObject::TaskRun(run) => return Ok(embedded(of_task_run(run))),
        RunObject::PipelineRun(run) => run,
    };
    let Some(reference) = pipeline_reference(run) else {
        return Ok(embedded(run.spec.pipeline_spec.clone().unwrap_or_default()));
    };
    match resolution.answer(&reference) {
        Some(Answer::Pipeline {
            spec,
            labels,
            annotations,
            source,
        }) => Ok(Source {
            spec: (**spec).clone(),
            name: if reference.name.is_empty() {
                run.metadata.name.clone().unwrap_or_default()
            } else {
                reference.name
            },
            source: source.clone(),
            labels: labels.clone(),
            annotations: annotations.clone(),
        }),
        answer => Err(not_had(
            "CouldntGetPipeline",
            &reference,
            answer,
            run.metadata.namespace.as_deref(),
        )),
    }
}

/// The reference to the run's Pipeline.
pub(super) fn pipeline_reference(run: &tidemill_resources::PipelineRun) -> Option<Reference> {
    let reference = run.spec.pipeline_ref.as_ref()?;
    Some(Reference {
        kind: ReferenceKind::Pipeline,
        name: reference.name.clone(),
        resolver: reference.resolver.clone(),
        params: reference.params.clone(),
    })
}

fn of_task_run(run: &TaskRun) -> PipelineSpec {
    PipelineSpec {
        tasks: vec![PipelineTask {
            name: run.metadata.name.clone().unwrap_or_default(),
            task_ref: run.spec.task_ref.clone(),
            task_spec: run.spec.task_spec.clone().map(EmbeddedTask::from),
            params: run.spec.params.clone(),
            retries: run.spec.retries,
            timeout: run.spec.timeout,
            ..PipelineTask::default()
        }],
        ..PipelineSpec::default()
    }
}

/// Refuses what is not executed yet, naming the task.
pub(super) fn supported(run: &RunObject, spec: &PipelineSpec) -> Result<(), Refusal> {
    for task in spec.tasks.iter().chain(&spec.finally) {
        let reference = task.task_ref.as_ref();
        let what = if task.pipeline_ref.is_some() || task.pipeline_spec.is_some() {
            "a pipeline as a task (pipelineRef, pipelineSpec) is not supported yet".to_owned()
        } else if let Some(reference) = reference.filter(|reference| reference.is_custom()) {
            custom(&reference.api_version, &reference.kind)
        } else if let Some(embedded) = task.task_spec.as_ref().filter(|embedded| embedded.is_custom()) {
            custom(&embedded.api_version, &embedded.kind)
        } else if let Some(reference) = reference.filter(|reference| !matches!(reference.kind.as_str(), "" | "Task")) {
            format!("taskRef.kind is {:?}, expected Task", reference.kind)
        } else if let Some(variable) = reference.and_then(result_in_resolver) {
            format!("taskRef.params reads $({variable}), but a Task is looked up before any task runs")
        } else {
            continue;
        };
        let reason = match run.kind() {
            RunKind::PipelineRun => "PipelineValidationFailed",
            RunKind::TaskRun => "TaskRunValidationFailed",
        };
        return Err(Refusal::new(reason, format!("task {:?}: {what}", task.name)));
    }
    Ok(())
}

/// A result that a resolver's parameters read.
fn result_in_resolver(reference: &TaskRef) -> Option<String> {
    let mut names = Vec::new();
    let Ok(()) = walk::params(&mut reference.params.clone(), &mut walk::gathering(&mut names));
    names.into_iter().find(|name| super::graph::read(name).is_some())
}

fn custom(api_version: &str, kind: &str) -> String {
    format!(
        "custom tasks are not supported yet, and apiVersion {api_version:?} with kind {kind:?} makes it one; leave apiVersion out for a Task"
    )
}

/// Parameters of the run. Those of a TaskRun meet their declarations with the task's.
pub(super) fn params(run: &RunObject, spec: &PipelineSpec) -> Result<Values, Refusal> {
    match run {
        RunObject::PipelineRun(run) => params::effective(&spec.params, params::given(&run.spec.params)),
        RunObject::TaskRun(_) => Ok(Values::new()),
    }
}

/// Contexts that all tasks of the run share.
pub(super) fn texts(run: &RunObject, pipeline: &str, spec: &PipelineSpec) -> Vec<(String, String)> {
    let RunObject::PipelineRun(object) = run else {
        return Vec::new();
    };
    let mut texts = vec![
        ("context.pipelineRun.name".to_owned(), run.name().to_owned()),
        ("context.pipelineRun.namespace".to_owned(), run.namespace().to_owned()),
        ("context.pipelineRun.uid".to_owned(), run.uid().to_owned()),
        ("context.pipeline.name".to_owned(), pipeline.to_owned()),
    ];
    for workspace in &spec.workspaces {
        let bound = object
            .spec
            .workspaces
            .iter()
            .any(|binding| binding.name == workspace.name);
        texts.push((format!("workspaces.{}.bound", workspace.name), bound.to_string()));
    }
    texts
}

/// The reference to a pipeline task's Task; `None` if it is written in place.
pub(super) fn task_reference(task: &PipelineTask, scope: &Scope<'_>) -> Result<Option<Reference>, OutOfRange> {
    let Some(reference) = &task.task_ref else {
        return Ok(None);
    };
    let mut name = reference.name.clone();
    let mut params = reference.params.clone();
    crate::substitution::text(&mut name, scope)?;
    walk::params(&mut params, &mut walk::replacing(scope))?;
    Ok(Some(Reference {
        kind: ReferenceKind::Task,
        name,
        resolver: reference.resolver.clone(),
        params,
    }))
}

/// Where the task of a pipeline task is.
pub(super) fn definition(
    run: &RunObject,
    resolution: &Resolution,
    task: &PipelineTask,
    scope: &Scope<'_>,
) -> Result<Definition, Refusal> {
    let Some(reference) = task_reference(task, scope)? else {
        return Ok(Definition::Embedded);
    };
    let position = resolution.found.iter().position(|found| found.reference == reference);
    let answer = position.map(|position| &resolution.found[position].answer);
    match (position, answer) {
        (Some(position), Some(Answer::Task { .. })) => Ok(Definition::Found(position)),
        (_, answer) => {
            let reason = match run.kind() {
                RunKind::PipelineRun => "CouldntGetTask",
                RunKind::TaskRun => "TaskRunResolutionFailed",
            };
            Err(not_had(reason, &reference, answer, Some(run.namespace())))
        }
    }
}

/// The refusal for a definition that could not be had.
pub(crate) fn not_had(
    reason: &'static str,
    reference: &Reference,
    answer: Option<&Answer>,
    namespace: Option<&str>,
) -> Refusal {
    let kind = reference.kind.as_str();
    let message = match answer {
        Some(Answer::NotFound { names }) if reference.resolver.is_empty() => lookup::missing(
            kind,
            &reference.name,
            namespace.unwrap_or_default(),
            &names.iter().cloned().collect(),
        ),
        Some(Answer::Failed { message }) => format!("no {kind} {:?}: {message}", reference.name),
        Some(Answer::NotFound { .. }) => format!("no {kind} from resolver {:?}", reference.resolver),
        Some(_) => format!("what was found for {kind} {:?} is of another kind", reference.name),
        None => format!("no answer about {kind} {:?}", reference.name),
    };
    Refusal::new(reason, message)
}
