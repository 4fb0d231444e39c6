//! A case as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use tidemill_engine::{Fact, Limits, RunObject, project_task_run};
use tidemill_resources::step::StepActionSpec;
use tidemill_resources::{ObjectMeta, PipelineRun, PipelineRunSpec, PipelineSpec, TaskRun, TaskRunSpec, TaskSpec};

use crate::expect::Expect;
use crate::words::outcome;
use crate::world::{Shelf, UID, World};

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
    /// How long the run waits for the deployer; absent: there is none.
    #[serde(default)]
    release_wait: tidemill_resources::Duration,
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

impl Case {
    /// The run before anything happened.
    pub(crate) fn world(&self) -> World {
        let shelf = Shelf {
            pipelines: self.pipelines.clone(),
            tasks: self.tasks.clone(),
            step_actions: self.step_actions.clone(),
        };
        let mut limits = Limits::default();
        limits.started_tasks_max = self.started_max.unwrap_or(limits.started_tasks_max);
        limits.release_wait = self.release_wait;
        World::new(self.object(), shelf, limits)
    }

    /// Plays the case; says what is not as expected.
    pub(crate) fn play(&self) -> Vec<String> {
        let mut world = self.world();
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
    /// `volume-fails pvc-1`, `release a failed 5` and more ([`crate::words::release`]; `release/1` of
    /// a later attempt).
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
            "cancel-child" | "delete-child" => child_changed(world, rest, verb == "delete-child"),
            "release" | "release/1" => crate::words::release(rest, u32::from(verb == "release/1"), world.now),
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

fn child_changed(world: &World, name: &str, deleting: bool) -> Fact {
    let mut objects = tidemill_engine::task_keys(&world.state).map(|key| project_task_run(&world.state, key).unwrap());
    let object = objects
        .find(|object| object.metadata.name.as_deref() == Some(name))
        .unwrap();
    Fact::ChildChanged {
        at: world.now,
        name: name.to_owned(),
        uid: object.metadata.uid.unwrap(),
        status: (!deleting).then(|| "TaskRunCancelled".to_owned()),
        deleting,
    }
}
