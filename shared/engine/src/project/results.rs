//! Results of a pipeline, put together from those of its tasks.

use tidemill_resources::pipeline_run::PipelineRunResult;

use crate::decision::Verdict;
use crate::plan::graph;
use crate::state::{Results, RunState};
use crate::substitution::{Lookup, OutOfRange, Picked, walk};

/// The results there are, and what is wrong with the first that should be there and is not.
pub(super) fn of_run(state: &RunState) -> (Vec<PipelineRunResult>, Option<String>) {
    let Some(plan) = state.plan() else {
        return (Vec::new(), None);
    };
    let mut results = Vec::new();
    let mut problem = None;
    let lookup = AllTasks(state);
    for declared in &plan.spec.results {
        match wanted(state, &lookup, &mut declared.value.clone()) {
            Wanted::Value(value) => results.push(PipelineRunResult {
                name: declared.name.clone(),
                value,
            }),
            Wanted::Nothing => {}
            Wanted::Broken(why) => {
                problem.get_or_insert_with(|| format!("pipeline result {:?}: {why}", declared.name));
            }
        }
    }
    (results, problem)
}

enum Wanted {
    Value(tidemill_resources::ParamValue),
    Nothing,
    Broken(String),
}

fn wanted(state: &RunState, lookup: &AllTasks<'_>, value: &mut tidemill_resources::ParamValue) -> Wanted {
    let mut names = Vec::new();
    let Ok(()) = walk::gathering(&mut names)(walk::Slot::Value(value));
    let mut references = 0;
    let mut lacks = false;
    for name in &names {
        let Some(producer) = producer(state, name) else {
            continue;
        };
        references += 1;
        match lookup.find(name) {
            Ok(Some(_)) => {}
            Ok(None) if state.verdict(producer) == Some(Verdict::Succeeded) => {
                let task = state.plan().map_or("", |plan| plan.task_name(producer));
                return Wanted::Broken(format!("task {task:?} succeeded, but there is no $({name})"));
            }
            Ok(None) => lacks = true,
            Err(out_of_range) => return Wanted::Broken(out_of_range.to_string()),
        }
    }
    // A value without any reference, and one of a task that did not get to write it, is left out.
    if references == 0 || lacks {
        return Wanted::Nothing;
    }
    match walk::replacing(lookup)(walk::Slot::Value(value)) {
        Ok(()) => Wanted::Value(value.clone()),
        Err(out_of_range) => Wanted::Broken(out_of_range.to_string()),
    }
}

/// Position of the task a variable of a pipeline result reads.
fn producer(state: &RunState, name: &str) -> Option<u32> {
    let plain = plain(name);
    let (task, _) = graph::read(&plain)?;
    state.plan()?.index.get(task).copied()
}

/// `finally.x.results.y` as `tasks.x.results.y`: names are unique among both.
fn plain(name: &str) -> std::borrow::Cow<'_, str> {
    match name.strip_prefix("finally.") {
        Some(rest) => format!("tasks.{rest}").into(),
        None => name.into(),
    }
}

/// Results of the graph and of `finally`; the run's parameters and contexts.
struct AllTasks<'a>(&'a RunState);

impl Lookup for AllTasks<'_> {
    fn find(&self, name: &str) -> Result<Option<Picked<'_>>, OutOfRange> {
        let results = Results(self.0);
        Ok(results.find(&plain(name))?.map(owned))
    }
}

/// Lives on its own: the results it was borrowed from are named by a text that does not.
fn owned(picked: Picked<'_>) -> Picked<'static> {
    match picked {
        Picked::Text(text) => Picked::Text(text.into_owned().into()),
        Picked::List(items) => Picked::List(items.into_owned().into()),
        Picked::Map(entries) => Picked::Map(std::borrow::Cow::Owned(entries.into_owned())),
    }
}
