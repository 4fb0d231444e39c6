//! The plan of a run: its graph and everything that is fixed when it starts.
//!
//! A plan is computed from the run object and the resolution, never stored: the same inputs give the
//! same plan.

pub(crate) mod check;
mod claim;
pub(crate) mod graph;
mod questions;
pub(crate) mod release;
pub(crate) mod source;
mod timeouts;

use std::collections::{BTreeMap, HashMap};

use tidemill_messages::RunKind;
use tidemill_resources::meta::RefSource;
use tidemill_resources::{Duration, OnError, PipelineSpec, PipelineTask, TaskResult, TaskSpec};

use crate::params::Values;
use crate::refusal::Refusal;
use crate::resolution::{Answer, Resolution};
use crate::run_object::RunObject;
use crate::substitution::Scope;

pub(crate) use claim::Claim;
pub(crate) use questions::{questions, step_reference};
pub(crate) use timeouts::Limit;

/// What is fixed when a run starts.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Kind of the run.
    pub(crate) kind: RunKind,
    /// The pipeline as it was written; for a TaskRun one task.
    pub(crate) spec: PipelineSpec,
    /// Name of the Pipeline; of the run, if it is written there.
    pub(crate) name: String,
    /// Where the Pipeline came from, when a resolver found it.
    pub(crate) source: Option<RefSource>,
    /// Labels of the Pipeline.
    pub(crate) labels: BTreeMap<String, String>,
    /// Annotations of the Pipeline.
    pub(crate) annotations: BTreeMap<String, String>,
    /// Parameters of the run.
    pub(crate) params: Values,
    /// Contexts of the run, by full name.
    pub(crate) texts: Vec<(String, String)>,
    /// The pipeline tasks, those of `finally` last.
    pub(crate) nodes: Vec<Node>,
    /// Positions by name.
    pub(crate) index: HashMap<String, u32>,
    /// Time limits of the run.
    pub(crate) limits: Limit,
    /// Claims made from templates.
    pub(crate) claims: Vec<Claim>,
}

/// A pipeline task in the graph.
#[derive(Debug)]
pub(crate) struct Node {
    /// Whether it stands in `finally`.
    pub(crate) is_finally: bool,
    /// Its task.
    pub(crate) definition: Definition,
    /// Results it reads.
    pub(crate) needs: Vec<Need>,
    /// Tasks it waits for.
    pub(crate) parents: Vec<u32>,
    /// Tasks that wait for it.
    pub(crate) successors: Vec<u32>,
    /// Whether its failure is ignored.
    pub(crate) continues: bool,
    /// Time limit of an attempt; `None` is no limit.
    pub(crate) timeout: Option<Duration>,
    /// Whether it deploys a release.
    pub(crate) deploys: bool,
    /// Tasks that deploy and whose status its guards ask for; it is decided also when they fail.
    pub(crate) awaits: Vec<u32>,
}

/// A result that a task reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// Full name of the variable.
    pub(crate) variable: String,
    /// Position of the task that writes it.
    pub(crate) producer: u32,
}

/// Where a pipeline task's task is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Definition {
    /// In the pipeline.
    Embedded,
    /// In an answer, by position.
    Found(usize),
}

impl Plan {
    /// Plans the run.
    ///
    /// # Errors
    /// Reason and message with which the run fails.
    pub(crate) fn new(run: &RunObject, resolution: &Resolution, default_timeout: Duration) -> Result<Self, Refusal> {
        let source = source::of(run, resolution)?;
        let graph = graph::edges(&source.spec, run.kind())?;
        source::supported(run, &source.spec)?;
        let params = source::params(run, &source.spec)?;
        let texts = source::texts(run, &source.name, &source.spec);
        let limits = timeouts::of_run(run, default_timeout);
        let index = source.spec.tasks.iter().chain(&source.spec.finally).enumerate();
        let index: HashMap<String, u32> = index
            .map(|(position, task)| (task.name.clone(), position as u32))
            .collect();
        let mut plan = Self {
            kind: run.kind(),
            spec: source.spec,
            name: source.name,
            source: source.source,
            labels: source.labels,
            annotations: source.annotations,
            params,
            texts,
            nodes: Vec::new(),
            index,
            limits,
            claims: claim::of_run(run),
        };
        check::indexes(&plan)?;
        check::workspaces(&plan, run)?;
        check::task_run_specs(&plan, run)?;
        plan.nodes = plan.build_nodes(run, resolution, graph, default_timeout)?;
        plan.mark_releases(resolution);
        check::expressions(&plan)?;
        check::results(&plan, resolution)?;
        check::optional_workspaces(&plan, resolution)?;
        check::names(&plan)?;
        Ok(plan)
    }

    fn build_nodes(
        &self,
        run: &RunObject,
        resolution: &Resolution,
        graph: Vec<graph::Edges>,
        default_timeout: Duration,
    ) -> Result<Vec<Node>, Refusal> {
        let scope = self.scope();
        let mut nodes = Vec::with_capacity(graph.len());
        for (position, edges) in graph.into_iter().enumerate() {
            let task = self.task(position as u32);
            nodes.push(Node {
                is_finally: position >= self.spec.tasks.len(),
                definition: source::definition(run, resolution, task, &scope)?,
                needs: edges.needs,
                parents: edges.parents,
                successors: edges.successors,
                continues: self.continues(task, &scope)?,
                timeout: timeouts::of_task(run, task, default_timeout),
                deploys: false,
                awaits: Vec::new(),
            });
        }
        Ok(nodes)
    }

    fn continues(&self, task: &PipelineTask, scope: &Scope<'_>) -> Result<bool, Refusal> {
        let Some(on_error) = &task.on_error else {
            return Ok(false);
        };
        let mut text = on_error.as_str().to_owned();
        crate::substitution::text(&mut text, scope)?;
        match OnError::from(text.as_str()) {
            OnError::Continue => Ok(true),
            OnError::StopAndFail => Ok(false),
            OnError::Text(text) => Err(Refusal::new(
                "PipelineValidationFailed",
                format!(
                    "onError of task {:?} is {text:?}, expected continue or stopAndFail",
                    task.name
                ),
            )),
        }
    }

    /// The pipeline task at a position.
    pub(crate) fn task(&self, position: u32) -> &PipelineTask {
        let position = position as usize;
        match self.spec.tasks.get(position) {
            Some(task) => task,
            None => &self.spec.finally[position - self.spec.tasks.len()],
        }
    }

    /// Name of the pipeline task at a position.
    pub(crate) fn task_name(&self, position: u32) -> &str {
        &self.task(position).name
    }

    /// How many tasks stand before `finally`.
    pub(crate) fn graph_length(&self) -> usize {
        self.spec.tasks.len()
    }

    /// The task a node plays, as it was written.
    pub(crate) fn task_spec(&self, position: u32, resolution: &Resolution) -> TaskSpec {
        match self.nodes[position as usize].definition {
            Definition::Embedded => self
                .task(position)
                .task_spec
                .as_ref()
                .map(|task| task.task_spec())
                .unwrap_or_default(),
            Definition::Found(answer) => match resolution.found.get(answer).map(|found| &found.answer) {
                Some(Answer::Task { spec, .. }) => (**spec).clone(),
                _ => TaskSpec::default(),
            },
        }
    }

    /// The results a node's task declares.
    pub(crate) fn results_of<'a>(&'a self, position: u32, resolution: &'a Resolution) -> &'a [TaskResult] {
        match self.nodes[position as usize].definition {
            Definition::Embedded => self.task(position).task_spec.as_ref().map_or(&[], |task| &task.results),
            Definition::Found(answer) => match resolution.found.get(answer).map(|found| &found.answer) {
                Some(Answer::Task { spec, .. }) => &spec.results,
                _ => &[],
            },
        }
    }

    /// The variables of the run: parameters and contexts, no results.
    pub(crate) fn scope(&self) -> Scope<'_> {
        let mut scope = Scope::of_params(&self.params);
        for (name, text) in &self.texts {
            scope.text(name.as_str(), text.as_str());
        }
        scope
    }
}
