//! A case as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use tidemill_engine::{Fact, Limits, RunObject, RunStatus, project_run, project_task_run, start_task};
use tidemill_resources::step::StepActionSpec;
use tidemill_resources::{ObjectMeta, PipelineRun, PipelineRunSpec, PipelineSpec, TaskRun, TaskRunSpec, TaskSpec};

use crate::world::{Shelf, UID, World, outcome};

/// Facts a case may take before it counts as endless.
const FACTS_MAX: usize = 500;

/// A run, what happens to it, what must come out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Case {
    /// The rule, as a sentence.
    pub(crate) name: String,
    /// Name of the run object; `run` if absent.
    #[serde(default)]
    run_name: Option<String>,
    /// Annotations of the run object.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    /// Labels of the run object.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Spec of a PipelineRun.
    #[serde(default)]
    run: Option<PipelineRunSpec>,
    /// A pipeline for a run that only needs one.
    #[serde(default)]
    pipeline: Option<PipelineSpec>,
    /// Spec of a TaskRun instead.
    #[serde(default)]
    task_run: Option<TaskRunSpec>,
    /// What the namespace holds.
    #[serde(default)]
    pipelines: BTreeMap<String, PipelineSpec>,
    #[serde(default)]
    tasks: BTreeMap<String, TaskSpec>,
    #[serde(default)]
    step_actions: BTreeMap<String, StepActionSpec>,
    /// Attempts at once.
    #[serde(default)]
    started_max: Option<u32>,
    /// By task, or task and attempt (`a/1`): how attempts end; others succeed.
    #[serde(default)]
    outcomes: BTreeMap<String, String>,
    /// What happens first, in order; then every attempt in flight ends, the earliest first.
    #[serde(default)]
    events: Vec<String>,
    /// Let attempts in flight go on: only `events` happen.
    #[serde(default)]
    only_events: bool,
    /// What must come out.
    expect: Expect,
}

/// What must come out; what is absent is not looked at.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Expect {
    /// Status and reason of the run's condition, such as `True Succeeded`.
    end: String,
    /// Message of the run's condition.
    message: Option<String>,
    /// Starts in order: `a`, or `a/1` for a later attempt.
    started: Option<Vec<String>>,
    /// Skipped tasks and why.
    skipped: Option<BTreeMap<String, String>>,
    /// Conditions of TaskRuns by task: `True Succeeded`.
    tasks: Option<BTreeMap<String, String>>,
    /// Messages of TaskRuns' conditions by task.
    task_messages: Option<BTreeMap<String, String>>,
    /// Results of the run, as JSON.
    results: Option<BTreeMap<String, serde_json::Value>>,
    /// Script of the first step by task.
    scripts: Option<BTreeMap<String, String>>,
    /// Parts of the command by task: a JSON pointer and what it must be.
    commands: Option<BTreeMap<String, BTreeMap<String, serde_json::Value>>>,
    /// Parts of the TaskRun by task.
    objects: Option<BTreeMap<String, BTreeMap<String, serde_json::Value>>>,
    /// Parts of the run's status.
    status: Option<BTreeMap<String, serde_json::Value>>,
    /// Names of TaskRuns in order.
    names: Option<Vec<String>>,
    /// Effects other than starts, wakes and projections, in order.
    effects: Option<Vec<String>>,
}

impl Case {
    /// Plays the case; says what is not as expected.
    pub(crate) fn play(&self) -> Vec<String> {
        let shelf = Shelf {
            pipelines: self.pipelines.clone(),
            tasks: self.tasks.clone(),
            step_actions: self.step_actions.clone(),
        };
        let mut limits = Limits::default();
        limits.started_tasks_max = self.started_max.unwrap_or(limits.started_tasks_max);
        let mut world = World::new(self.object(), shelf, limits);
        world.observe();
        self.events.iter().for_each(|event| self.event(&mut world, event));
        while let (false, Some((task, attempt))) = (self.only_events, world.first_in_flight()) {
            world.wait(1);
            let key = format!("{task}/{attempt}");
            let words = self
                .outcomes
                .get(&key)
                .or_else(|| self.outcomes.get(&task))
                .map_or("succeeds", String::as_str);
            finish(&mut world, &task, attempt, words);
            assert!(world.log.len() < FACTS_MAX, "{}: no end", self.name);
        }
        world.check_replay();
        self.expect.compare(&world)
    }

    fn object(&self) -> RunObject {
        let metadata = ObjectMeta {
            name: Some(self.run_name.clone().unwrap_or_else(|| "run".to_owned())),
            namespace: Some("default".to_owned()),
            uid: Some(UID.to_owned()),
            annotations: Some(self.annotations.clone()),
            labels: Some(self.labels.clone()),
            generation: Some(1),
            ..ObjectMeta::default()
        };
        if let Some(spec) = &self.task_run {
            return RunObject::TaskRun(Box::new(TaskRun {
                metadata,
                spec: spec.clone(),
                ..TaskRun::default()
            }));
        }
        let mut spec = self.run.clone().unwrap_or_default();
        spec.pipeline_spec = spec.pipeline_spec.or_else(|| self.pipeline.clone());
        RunObject::PipelineRun(Box::new(PipelineRun {
            metadata,
            spec,
            ..PipelineRun::default()
        }))
    }

    /// `wait 1h`, `due`, `wake` (wait for the timer), `status Cancelled`, `delete`,
    /// `finish a fails`, `return a 7`, `start a`, `cancel-child run-a`, `delete-child run-a`,
    /// `volume-fails pvc-1`.
    fn event(&self, world: &mut World, event: &str) {
        let (verb, rest) = event.split_once(' ').unwrap_or((event, ""));
        let fact = match verb {
            "wait" => return world.wait(rest.parse::<tidemill_resources::Duration>().unwrap().as_millis() / 1000),
            "wake" => {
                world.now = world.wake.expect("no timer is set").max(world.now);
                Fact::Due { at: world.now }
            }
            "due" => Fact::Due { at: world.now },
            "status" => {
                set_status(&mut world.run, rest);
                Fact::RunObserved {
                    at: world.now,
                    run: world.run.clone(),
                    deleting: false,
                }
            }
            "delete" => Fact::RunObserved {
                at: world.now,
                run: world.run.clone(),
                deleting: true,
            },
            "finish" => {
                let (task, words) = rest.split_once(' ').unwrap();
                let (task, attempt) = task.split_once('/').unwrap_or((task, "0"));
                return finish(world, task, attempt.parse().unwrap(), words);
            }
            "return" => {
                let (task, claim) = rest.split_once(' ').unwrap();
                let (task, claim) = (task.to_owned(), claim.parse().unwrap());
                Fact::AttemptReturned {
                    at: world.now,
                    task,
                    attempt: 0,
                    claim,
                    message: "gone".to_owned(),
                }
            }
            "start" => Fact::AttemptStarted {
                at: world.now,
                task: rest.to_owned(),
                attempt: 0,
                pod_name: format!("{rest}-pod"),
                started_at: world.now,
                steps: Vec::new(),
            },
            "cancel-child" | "delete-child" => {
                let objects =
                    tidemill_engine::task_keys(&world.state).map(|key| project_task_run(&world.state, key).unwrap());
                let object = objects
                    .into_iter()
                    .find(|object| object.metadata.name.as_deref() == Some(rest))
                    .unwrap();
                Fact::ChildChanged {
                    at: world.now,
                    name: rest.to_owned(),
                    uid: object.metadata.uid.unwrap(),
                    status: (verb == "cancel-child").then(|| "TaskRunCancelled".to_owned()),
                    deleting: verb == "delete-child",
                }
            }
            "volume-fails" => Fact::VolumeFailed {
                at: world.now,
                claim: rest.to_owned(),
                message: "no room".to_owned(),
            },
            other => panic!("unknown event {other:?}"),
        };
        world
            .tell(&fact)
            .unwrap_or_else(|error| panic!("{}: {event}: {error}", self.name));
    }
}

fn finish(world: &mut World, task: &str, attempt: u32, words: &str) {
    let (at, outcome) = (world.now, outcome(words, world.now));
    let fact = Fact::AttemptFinished {
        at,
        task: task.to_owned(),
        attempt,
        outcome,
    };
    world.tell(&fact).unwrap();
}

fn set_status(run: &mut RunObject, word: &str) {
    let word = serde_json::Value::from(Some(word).filter(|word| *word != "none"));
    match run {
        RunObject::PipelineRun(run) => run.spec.status = serde_json::from_value(word).unwrap(),
        RunObject::TaskRun(run) => run.spec.status = serde_json::from_value(word).unwrap(),
    }
}

impl Expect {
    fn compare(&self, world: &World) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |what: &str, is: serde_json::Value, should: Option<serde_json::Value>| {
            if let Some(should) = should.filter(|should| *should != is) {
                problems.push(format!("{what}:\n    is        {is}\n    should be {should}"));
            }
        };
        let json = |value: &dyn erased::Json| value.json();
        let status = project_run(&world.state).status;
        let (condition, results, whole) = match &status {
            RunStatus::PipelineRun(status) => (
                status.condition().cloned(),
                status.results.clone(),
                serde_json::to_value(status),
            ),
            RunStatus::TaskRun(status) => (status.condition().cloned(), Vec::new(), serde_json::to_value(status)),
        };
        let (whole, condition) = (whole.unwrap(), condition.unwrap());
        check(
            "end",
            format!("{} {}", condition.status, condition.reason).into(),
            Some(self.end.clone().into()),
        );
        check(
            "message",
            condition.message.clone().into(),
            self.message.clone().map(Into::into),
        );
        let started: Vec<String> = world
            .started
            .iter()
            .map(|(task, attempt)| match attempt {
                0 => task.clone(),
                attempt => format!("{task}/{attempt}"),
            })
            .collect();
        check(
            "started",
            json(&started),
            self.started.as_ref().map(|should| json(should)),
        );
        check(
            "effects",
            json(&world.effects),
            self.effects.as_ref().map(|should| json(should)),
        );
        let results: BTreeMap<String, serde_json::Value> = results
            .into_iter()
            .map(|result| (result.name, serde_json::to_value(result.value).unwrap()))
            .collect();
        check(
            "results",
            json(&results),
            self.results.as_ref().map(|should| json(should)),
        );
        let skipped: BTreeMap<String, String> = whole["skippedTasks"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|task| (text(&task["name"]), text(&task["reason"])))
            .collect();
        check(
            "skipped",
            json(&skipped),
            self.skipped.as_ref().map(|should| json(should)),
        );
        for (pointer, should) in self.status.iter().flatten() {
            check(
                pointer,
                whole.pointer(pointer).cloned().unwrap_or_default(),
                Some(should.clone()),
            );
        }
        let keys: Vec<&str> = tidemill_engine::task_keys(&world.state).collect();
        let objects: BTreeMap<&str, serde_json::Value> = keys
            .iter()
            .map(|key| {
                (
                    *key,
                    serde_json::to_value(project_task_run(&world.state, key).unwrap()).unwrap(),
                )
            })
            .collect();
        let names: Vec<String> = keys.iter().map(|key| text(&objects[key]["metadata"]["name"])).collect();
        check("names", json(&names), self.names.as_ref().map(|should| json(should)));
        if let Some(tasks) = &self.tasks {
            let is: BTreeMap<&str, String> = objects
                .iter()
                .map(|(key, object)| {
                    let condition = &object["status"]["conditions"][0];
                    (
                        *key,
                        format!("{} {}", text(&condition["status"]), text(&condition["reason"])),
                    )
                })
                .collect();
            check("tasks", json(&is), Some(json(tasks)));
        }
        for (key, should) in self.task_messages.iter().flatten() {
            let is = objects
                .get(key.as_str())
                .map(|object| object["status"]["conditions"][0]["message"].clone());
            check(
                &format!("message of {key}"),
                is.unwrap_or_default(),
                Some(should.clone().into()),
            );
        }
        for (key, pointers) in self.objects.iter().flatten() {
            for (pointer, should) in pointers {
                let is = objects
                    .get(key.as_str())
                    .and_then(|object| object.pointer(pointer))
                    .cloned();
                check(&format!("{key}{pointer}"), is.unwrap_or_default(), Some(should.clone()));
            }
        }
        let command = |key: &str| {
            let attempt = world
                .started
                .iter()
                .rev()
                .find(|(task, _)| task == key)
                .map_or(0, |(_, attempt)| *attempt);
            start_task(&world.state, key, attempt).map_or_else(
                |error| error.to_string().into(),
                |command| serde_json::to_value(command).unwrap(),
            )
        };
        for (key, should) in self.scripts.iter().flatten() {
            let is = command(key)
                .pointer("/spec/steps/0/script")
                .cloned()
                .unwrap_or_default();
            check(&format!("script of {key}"), is, Some(should.clone().into()));
        }
        for (key, pointers) in self.commands.iter().flatten() {
            for (pointer, should) in pointers {
                let is = command(key).pointer(pointer).cloned().unwrap_or_default();
                check(&format!("{key}{pointer}"), is, Some(should.clone()));
            }
        }
        problems
    }
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

mod erased {
    /// Anything that can be shown as JSON.
    pub(crate) trait Json {
        fn json(&self) -> serde_json::Value;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap()
        }
    }
}
