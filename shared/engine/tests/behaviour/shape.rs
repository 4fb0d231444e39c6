//! Random pipelines: what a task is, and the run that is made of them.

use proptest::prelude::*;
use serde_json::{Value, json};
use tidemill_engine::RunObject;
use tidemill_resources::PipelineRun;

use crate::world::UID;

/// Most attempts of a task that are scripted.
const ATTEMPTS_MAX: usize = 3;

/// How one attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    WithResult,
    WithoutResult,
    Badly,
    Lost,
}

/// One task; tasks it depends on are given by position, all lower than its own.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) after: Vec<usize>,
    /// It reads the result of this task as a parameter.
    pub(crate) reads: Option<usize>,
    /// A guard: a fixed one, or one that wants the result of a task to be `yes`.
    pub(crate) guard: Option<Guard>,
    pub(crate) retries: u32,
    pub(crate) continues: bool,
    pub(crate) ends: Vec<Ends>,
}

/// A guard.
#[derive(Clone, Debug)]
pub(crate) enum Guard {
    Fixed(bool),
    Result(usize, bool),
}

/// A whole pipeline.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) tasks: Vec<Shape>,
    pub(crate) finally: Vec<Shape>,
}

impl Shape {
    /// How the attempt ends.
    pub(crate) fn end(&self, attempt: u32) -> Ends {
        self.ends[(attempt as usize).min(self.ends.len() - 1)]
    }

    /// Tasks that must be over before this one.
    pub(crate) fn parents(&self) -> Vec<usize> {
        let mut parents = self.after.clone();
        parents.extend(self.reads);
        if let Some(Guard::Result(task, _)) = &self.guard {
            parents.push(*task);
        }
        parents.sort_unstable();
        parents.dedup();
        parents
    }

    fn json(&self, name: &str, is_finally: bool) -> Value {
        let after: Vec<String> = self.after.iter().map(|task| format!("t{task}")).collect();
        let when = match &self.guard {
            None => json!([]),
            Some(Guard::Fixed(holds)) => json!([{"input": holds.to_string(), "operator": "in", "values": ["true"]}]),
            Some(Guard::Result(task, wants)) => {
                let value = if *wants { "yes" } else { "no" };
                json!([{"input": format!("$(tasks.t{task}.results.r)"), "operator": "in", "values": [value]}])
            }
        };
        let params: Vec<Value> = self
            .reads
            .iter()
            .map(|task| json!({"name": "p", "value": format!("$(tasks.t{task}.results.r)")}))
            .collect();
        json!({
            "name": name, "runAfter": if is_finally { Vec::new() } else { after }, "when": when, "params": params,
            "retries": self.retries, "onError": if self.continues { "continue" } else { "stopAndFail" },
            "taskSpec": {"params": [{"name": "p", "default": "-"}], "results": [{"name": "r"}],
                "steps": [{"image": "i", "script": "echo $(params.p)"}]},
        })
    }
}

impl Pipeline {
    /// The run object.
    pub(crate) fn run(&self) -> RunObject {
        let named = |list: &[Shape], letter: char| -> Vec<Value> {
            let entries = list.iter().enumerate();
            entries
                .map(|(index, shape)| shape.json(&format!("{letter}{index}"), letter == 'f'))
                .collect()
        };
        let run: PipelineRun = serde_json::from_value(json!({
            "metadata": {"name": "a-run-with-a-name-of-some-length-so-that-children-have-to-be-cut", "namespace": "n", "uid": UID},
            "spec": {"pipelineSpec": {"tasks": named(&self.tasks, 't'), "finally": named(&self.finally, 'f')}},
        }))
        .unwrap();
        RunObject::PipelineRun(Box::new(run))
    }

    /// The task of this key.
    pub(crate) fn shape(&self, key: &str) -> &Shape {
        let (letter, index) = key.split_at(1);
        let list = if letter == "t" { &self.tasks } else { &self.finally };
        &list[index.parse::<usize>().unwrap()]
    }
}

/// Pipelines of up to `tasks_max` tasks and three in `finally`.
pub(crate) fn pipelines(tasks_max: usize) -> impl Strategy<Value = Pipeline> {
    (1..=tasks_max).prop_flat_map(|count| {
        let tasks: Vec<BoxedStrategy<Shape>> = (0..count).map(|index| shapes(index, false).boxed()).collect();
        let finally = prop::collection::vec(shapes(count, true), 0..3);
        (tasks, finally).prop_map(|(tasks, finally)| Pipeline { tasks, finally })
    })
}

fn shapes(before: usize, is_finally: bool) -> impl Strategy<Value = Shape> {
    let some = move || {
        if before == 0 {
            Just(None).boxed()
        } else {
            prop::option::weighted(0.3, 0..before).boxed()
        }
    };
    let after = if before == 0 || is_finally {
        Just(Vec::new()).boxed()
    } else {
        prop::collection::vec(0..before, 0..3).boxed()
    };
    let guard = prop_oneof![
        4 => Just(None),
        1 => any::<bool>().prop_map(|holds| Some(Guard::Fixed(holds))),
        1 => (some(), any::<bool>()).prop_map(|(task, wants)| task.map(|task| Guard::Result(task, wants))),
    ];
    let end = prop_oneof![
        5 => Just(Ends::WithResult),
        2 => Just(Ends::WithoutResult),
        1 => Just(Ends::Badly),
        1 => Just(Ends::Lost),
    ];
    let ends = prop::collection::vec(end, 1..=ATTEMPTS_MAX);
    (after, some(), guard, 0..3_u32, prop::bool::weighted(0.3), ends).prop_map(
        |(after, reads, guard, retries, continues, ends)| Shape {
            after,
            reads,
            guard,
            // Tekton refuses both together.
            retries: if continues { 0 } else { retries },
            continues,
            ends,
        },
    )
}
