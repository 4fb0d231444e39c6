//! What must come out of a case.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Deserialize;
use serde_json::Value;
use tidemill_engine::{RunStatus, project_run, project_task_run, start_task, task_keys};
use tidemill_messages::RunKind;

use crate::world::World;

type Texts = BTreeMap<String, String>;
type Parts = BTreeMap<String, Value>;

/// What must come out; what is absent is not looked at.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Expect {
    /// Status and reason of the run's condition, such as `True Succeeded`.
    end: String,
    /// Message of the run's condition.
    message: Option<String>,
    /// Starts in order: `a`, or `a/1` for a later attempt.
    started: Option<Vec<String>>,
    /// Skipped tasks and why.
    skipped: Option<Texts>,
    /// Conditions of TaskRuns by task: `True Succeeded`.
    tasks: Option<Texts>,
    /// Messages of TaskRuns' conditions by task.
    task_messages: Option<Texts>,
    /// Results of the run, as JSON.
    results: Option<Parts>,
    /// Script of the first step by task.
    scripts: Option<Texts>,
    /// Parts of the command by task: a JSON pointer and what it must be.
    commands: Option<BTreeMap<String, Parts>>,
    /// Parts of the TaskRun by task.
    objects: Option<BTreeMap<String, Parts>>,
    /// Parts of the run's status.
    status: Option<Parts>,
    /// Names of TaskRuns in order.
    names: Option<Vec<String>>,
    /// Effects other than starts, wakes and projections, in order.
    effects: Option<Vec<String>>,
}

impl Expect {
    /// What is not as expected.
    pub(crate) fn compare(&self, world: &World) -> Vec<String> {
        let mut found = Problems::default();
        self.compare_run(world, &mut found);
        self.compare_effects(world, &mut found);
        self.compare_objects(world, &mut found);
        self.compare_commands(world, &mut found);
        found.0
    }

    fn compare_run(&self, world: &World, found: &mut Problems) {
        let status = match project_run(&world.state).status {
            RunStatus::PipelineRun(status) => serde_json::to_value(status),
            RunStatus::TaskRun(status) => serde_json::to_value(status),
        };
        let status = status.unwrap();
        let condition = &status["conditions"][0];
        found.check("end", shown(condition), Some(&self.end));
        found.check("message", text(&condition["message"]), self.message.as_ref());
        if world.state.kind() == Some(RunKind::PipelineRun) {
            found.check(
                "results",
                map(&status["results"], |result| result["value"].clone()),
                self.results.as_ref(),
            );
        }
        found.check(
            "skipped",
            map(&status["skippedTasks"], |task| text(&task["reason"])),
            self.skipped.as_ref(),
        );
        found.parts("the run's status", &status, self.status.as_ref());
    }

    fn compare_effects(&self, world: &World, found: &mut Problems) {
        let started = world.started.iter().map(|(task, attempt)| match attempt {
            0 => task.clone(),
            attempt => format!("{task}/{attempt}"),
        });
        found.check("started", started.collect(), self.started.as_ref());
        found.check("effects", world.effects.clone(), self.effects.as_ref());
    }

    fn compare_objects(&self, world: &World, found: &mut Problems) {
        let object = |key: &str| serde_json::to_value(project_task_run(&world.state, key).unwrap()).unwrap();
        let objects: Vec<(String, Value)> = task_keys(&world.state)
            .map(|key| (key.to_owned(), object(key)))
            .collect();
        let names = objects.iter().map(|(_, object)| text(&object["metadata"]["name"]));
        found.check("names", names.collect(), self.names.as_ref());
        let ends = objects
            .iter()
            .map(|(key, object)| (key.clone(), shown(&object["status"]["conditions"][0])));
        found.check("tasks", ends.collect(), self.tasks.as_ref());
        let objects: BTreeMap<String, Value> = objects.into_iter().collect();
        let of = |key: &str| objects.get(key).cloned().unwrap_or_default();
        for (key, message) in self.task_messages.iter().flatten() {
            let is = text(&of(key)["status"]["conditions"][0]["message"]);
            found.check(&format!("message of {key}"), is, Some(message));
        }
        for (key, parts) in self.objects.iter().flatten() {
            found.parts(key, &of(key), Some(parts));
        }
    }

    fn compare_commands(&self, world: &World, found: &mut Problems) {
        let command = |key: &str| {
            let last = world.started.iter().rev().find(|(task, _)| task == key);
            match start_task(&world.state, key, last.map_or(0, |(_, attempt)| *attempt)) {
                Ok(command) => serde_json::to_value(command).unwrap(),
                Err(error) => error.to_string().into(),
            }
        };
        for (key, script) in self.scripts.iter().flatten() {
            let is = command(key)
                .pointer("/spec/steps/0/script")
                .map(text)
                .unwrap_or_default();
            found.check(&format!("script of {key}"), is, Some(script));
        }
        for (key, parts) in self.commands.iter().flatten() {
            found.parts(key, &command(key), Some(parts));
        }
    }
}

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn check<T: PartialEq + Debug>(&mut self, what: &str, is: T, should: Option<&T>) {
        if let Some(should) = should.filter(|should| **should != is) {
            self.0
                .push(format!("{what}:\n    is        {is:?}\n    should be {should:?}"));
        }
    }

    fn parts(&mut self, what: &str, whole: &Value, parts: Option<&Parts>) {
        for (pointer, should) in parts.into_iter().flatten() {
            let is = whole.pointer(pointer).cloned().unwrap_or_default();
            self.check(&format!("{what} {pointer}"), is, Some(should));
        }
    }
}

/// Status and reason of a condition.
fn shown(condition: &Value) -> String {
    format!("{} {}", text(&condition["status"]), text(&condition["reason"]))
}

/// A list of named things by name.
fn map<T>(list: &Value, of: impl Fn(&Value) -> T) -> BTreeMap<String, T> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|entry| (text(&entry["name"]), of(entry)))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
