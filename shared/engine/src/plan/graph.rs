//! Who waits for whom: `runAfter`, and results that a task reads.

use std::collections::{BTreeSet, HashMap};

use tidemill_messages::RunKind;
use tidemill_resources::{PipelineSpec, PipelineTask};

use super::Need;
use crate::refusal::Refusal;
use crate::substitution::walk;

/// A task's place in the graph.
#[derive(Debug, Default)]
pub(super) struct Edges {
    pub(super) needs: Vec<Need>,
    pub(super) parents: Vec<u32>,
    pub(super) successors: Vec<u32>,
}

/// The edges of all tasks, those of `finally` last: these wait for no single task.
///
/// # Errors
/// `PipelineInvalidGraph`: a task that does not exist, or tasks that wait for each other.
pub(super) fn edges(spec: &PipelineSpec, kind: RunKind) -> Result<Vec<Edges>, Refusal> {
    let graph: HashMap<&str, u32> = spec
        .tasks
        .iter()
        .enumerate()
        .map(|(position, task)| (task.name.as_str(), position as u32))
        .collect();
    let mut edges = Vec::with_capacity(spec.tasks.len() + spec.finally.len());
    for (position, task) in spec.tasks.iter().chain(&spec.finally).enumerate() {
        let needs = match kind {
            RunKind::PipelineRun => needs(task, &graph)?,
            // There are no other tasks: what looks like a result is text.
            RunKind::TaskRun => Vec::new(),
        };
        let is_finally = position >= spec.tasks.len();
        let parents = if is_finally {
            Vec::new()
        } else {
            parents(task, &needs, &graph)?
        };
        edges.push(Edges {
            needs,
            parents,
            successors: Vec::new(),
        });
    }
    for child in 0..edges.len() {
        for parent in edges[child].parents.clone() {
            edges[parent as usize].successors.push(child as u32);
        }
    }
    acyclic(&edges, spec)?;
    Ok(edges)
}

fn parents(task: &PipelineTask, needs: &[Need], graph: &HashMap<&str, u32>) -> Result<Vec<u32>, Refusal> {
    let mut parents: BTreeSet<u32> = needs.iter().map(|need| need.producer).collect();
    for name in &task.run_after {
        match graph.get(name.as_str()) {
            Some(position) => parents.insert(*position),
            None => {
                return Err(invalid(format!(
                    "task {:?} runs after {name:?}, which does not exist",
                    task.name
                )));
            }
        };
    }
    Ok(parents.into_iter().collect())
}

/// The results a task reads, each once.
fn needs(task: &PipelineTask, graph: &HashMap<&str, u32>) -> Result<Vec<Need>, Refusal> {
    let mut names = Vec::new();
    let mut copy = task.clone();
    let Ok(()) = walk::inputs(&mut copy, &mut walk::gathering(&mut names));
    if let Some(embedded) = &task.task_spec {
        let mut spec = embedded.task_spec();
        let Ok(()) = walk::task(&mut spec, &mut walk::gathering(&mut names));
        if let Some(template) = &mut spec.step_template {
            let Ok(()) = walk::template(template, &mut walk::gathering(&mut names));
        }
    }
    let mut needs: Vec<Need> = Vec::new();
    for variable in names {
        let Some((producer, _)) = read(&variable) else { continue };
        let Some(producer) = graph.get(producer).copied() else {
            return Err(invalid(format!(
                "task {:?} reads $({variable}), but no such task comes before it",
                task.name
            )));
        };
        if !needs.iter().any(|need| need.variable == variable) {
            needs.push(Need { variable, producer });
        }
    }
    Ok(needs)
}

/// Task and the rest after `results` or `matrix` of a variable that makes its reader wait.
pub(crate) fn read(variable: &str) -> Option<(&str, &str)> {
    let (task, rest) = variable.strip_prefix("tasks.")?.split_once('.')?;
    let result = rest.strip_prefix("results").filter(|rest| rest.starts_with(['.', '[']));
    result
        .or_else(|| rest.strip_prefix("matrix").filter(|rest| rest.starts_with('.')))
        .map(|rest| (task, rest))
}

fn invalid(message: String) -> Refusal {
    Refusal::new("PipelineInvalidGraph", message)
}

/// Takes tasks away that wait for nobody, until none is left; names those that wait for each other.
fn acyclic(edges: &[Edges], spec: &PipelineSpec) -> Result<(), Refusal> {
    let mut waiting: Vec<usize> = edges.iter().map(|task| task.parents.len()).collect();
    let mut free: Vec<usize> = (0..edges.len()).filter(|task| waiting[*task] == 0).collect();
    let mut left = edges.len();
    while let Some(task) = free.pop() {
        left -= 1;
        for &successor in &edges[task].successors {
            waiting[successor as usize] -= 1;
            if waiting[successor as usize] == 0 {
                free.push(successor as usize);
            }
        }
    }
    if left == 0 {
        return Ok(());
    }
    let way = cycle(edges, &waiting);
    let names: Vec<String> = way.iter().map(|task| format!("{:?}", spec.tasks[*task].name)).collect();
    Err(invalid(format!("tasks wait for each other: {}", names.join(" after "))))
}

/// One cycle among the tasks that still wait, its first task again at the end.
fn cycle(edges: &[Edges], waiting: &[usize]) -> Vec<usize> {
    let Some(start) = waiting.iter().position(|count| *count > 0) else {
        return Vec::new();
    };
    let mut way = vec![start];
    loop {
        let here = way[way.len() - 1];
        // Who still waits has a parent that still waits.
        let Some(next) = edges[here]
            .parents
            .iter()
            .map(|parent| *parent as usize)
            .find(|parent| waiting[*parent] > 0)
        else {
            return way;
        };
        if let Some(first) = way.iter().position(|task| *task == next) {
            way.drain(..first);
            way.push(next);
            return way;
        }
        way.push(next);
    }
}
