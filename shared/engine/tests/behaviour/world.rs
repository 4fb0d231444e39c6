//! A run and the world around it: answers questions, ends attempts, keeps the log and checks that
//! replaying it gives the state that is shown.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tidemill_engine::{
    Answer, Decision, Effect, Fact, Found, Limits, Reference, ReferenceKind, Resolution, RunObject, RunState,
    project_run, step,
};
use tidemill_messages::{AttemptOutcome, Ending};
use tidemill_resources::step::StepActionSpec;
use tidemill_resources::task_run::{StepState, TaskRunResult};
use tidemill_resources::{ParamValue, PipelineSpec, TaskSpec};

/// UID of the runs of tests.
pub(crate) const UID: &str = "6b1f6f0a-6a5c-4a52-9d3b-6b0f4a1f0c11";

/// What the run's namespace holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) pipelines: BTreeMap<String, PipelineSpec>,
    pub(crate) tasks: BTreeMap<String, TaskSpec>,
    pub(crate) step_actions: BTreeMap<String, StepActionSpec>,
}

/// A run and everything that was decided about it.
pub(crate) struct World {
    pub(crate) state: RunState,
    pub(crate) now: Timestamp,
    pub(crate) limits: Limits,
    pub(crate) shelf: Shelf,
    pub(crate) log: Vec<Decision>,
    pub(crate) run: RunObject,
    /// Task and attempt of each start, in order.
    pub(crate) started: Vec<(String, u32)>,
    /// Other effects, in short words.
    pub(crate) effects: Vec<String>,
    pub(crate) wake: Option<Timestamp>,
    snapshot: (usize, String),
}

impl World {
    pub(crate) fn new(run: RunObject, shelf: Shelf, limits: Limits) -> Self {
        let state = RunState::new(UID);
        let snapshot = (0, serde_json::to_string(&state).unwrap());
        Self {
            state,
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            limits,
            shelf,
            log: Vec::new(),
            run,
            started: Vec::new(),
            effects: Vec::new(),
            wake: None,
            snapshot,
        }
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// Tells the engine; performs the effects.
    pub(crate) fn tell(&mut self, fact: &Fact) -> Result<Decision, tidemill_engine::Error> {
        let decision = step(&mut self.state, fact, &self.limits)?;
        let stored = serde_json::to_string(&decision).unwrap();
        let decision: Decision = serde_json::from_str(&stored).unwrap();
        self.log.push(decision.clone());
        if self.log.len() % 7 == 3 {
            self.snapshot = (self.log.len(), serde_json::to_string(&self.state).unwrap());
        }
        for effect in &decision.effects {
            self.perform(effect);
        }
        Ok(decision)
    }

    fn perform(&mut self, effect: &Effect) {
        match effect {
            Effect::StartTask {
                task,
                attempt,
                dispatch,
            } => {
                let command = tidemill_engine::start_task(&self.state, task, *attempt).unwrap();
                assert_eq!(command.task, *task);
                if *dispatch == 0 {
                    self.started.push((task.clone(), *attempt));
                }
            }
            Effect::CreateVolume { claim } => {
                let object = tidemill_engine::claim_object(&self.state, claim).unwrap();
                assert_eq!(object.metadata.name.as_deref(), Some(claim.as_str()));
                self.effects.push(format!("create {claim}"));
            }
            Effect::Resolve(request) => self.answer(request.references.clone()),
            Effect::Wake { at } => self.wake = Some(*at),
            Effect::CancelTask { task, attempt, reason } => {
                self.effects.push(format!("cancel {task}/{attempt} {reason:?}"))
            }
            Effect::RemoveVolume { claim } => self.effects.push(format!("remove {claim}")),
            Effect::Finish => self.effects.push("finish".to_owned()),
            Effect::Project { task: Some(task), .. } => {
                tidemill_engine::project_task_run(&self.state, task).unwrap();
            }
            Effect::Project { .. } => {
                let shown = project_run(&self.state);
                assert_eq!(shown, project_run(&self.state), "shown the same twice");
            }
        }
    }

    fn answer(&mut self, references: Vec<Reference>) {
        let found = references.into_iter().map(|reference| self.find(reference)).collect();
        let fact = Fact::Resolved {
            at: self.now,
            resolution: Resolution { found },
        };
        self.tell(&fact).unwrap();
    }

    fn find(&self, reference: Reference) -> Found {
        let name = &reference.name;
        let answer = match reference.kind {
            ReferenceKind::Pipeline => self.shelf.pipelines.get(name).map(|spec| Answer::Pipeline {
                spec: Box::new(spec.clone()),
                labels: BTreeMap::new(),
                annotations: BTreeMap::new(),
                source: None,
            }),
            ReferenceKind::Task => self.shelf.tasks.get(name).map(|spec| Answer::Task {
                spec: Box::new(spec.clone()),
                labels: BTreeMap::from([("of".to_owned(), name.clone())]),
                annotations: BTreeMap::new(),
                source: None,
            }),
            ReferenceKind::StepAction => self.shelf.step_actions.get(name).map(|spec| Answer::StepAction {
                spec: Box::new(spec.clone()),
            }),
        };
        let names = self.shelf.tasks.keys().cloned().collect();
        Found {
            answer: answer.unwrap_or(Answer::NotFound { names }),
            reference,
        }
    }

    /// The run's object is seen.
    pub(crate) fn observe(&mut self) -> Decision {
        let fact = Fact::RunObserved {
            at: self.now,
            run: self.run.clone(),
            deleting: false,
        };
        self.tell(&fact).unwrap()
    }

    /// The earliest attempt in flight.
    pub(crate) fn first_in_flight(&self) -> Option<(String, u32)> {
        tidemill_engine::in_flight(&self.state)
            .map(|(task, attempt)| (task.to_owned(), attempt))
            .next()
    }

    /// Replaying the log, from the beginning and from the last snapshot, gives this state.
    pub(crate) fn check_replay(&self) {
        let shown = serde_json::to_value(&self.state).unwrap();
        let mut whole = RunState::new(UID);
        self.log
            .iter()
            .flat_map(|decision| &decision.changes)
            .for_each(|change| whole.apply(change).unwrap());
        assert_eq!(
            serde_json::to_value(&whole).unwrap(),
            shown,
            "replay from the beginning"
        );
        let mut late: RunState = serde_json::from_str(&self.snapshot.1).unwrap();
        let after = self.log[self.snapshot.0..]
            .iter()
            .flat_map(|decision| &decision.changes);
        after.for_each(|change| late.apply(change).unwrap());
        assert_eq!(
            serde_json::to_value(&late).unwrap(),
            shown,
            "snapshot and what came after"
        );
        assert_eq!(project_run(&late), project_run(&self.state));
    }
}

/// `step.result=value`.
fn step_state(words: &str) -> Option<StepState> {
    let (path, value) = words.split_once('=')?;
    let (name, result) = path.split_once('.')?;
    Some(StepState {
        name: name.to_owned(),
        results: vec![TaskRunResult {
            name: result.to_owned(),
            kind: None,
            value: value.into(),
        }],
        ..StepState::default()
    })
}

/// An outcome in words: `succeeds [name=value ...]`, `fails [Reason] [name=value ...]`, `lost`,
/// `cancelled`, `timed-out`. `step.name=value` is a result of a step. A value in brackets is a list.
pub(crate) fn outcome(words: &str, at: Timestamp) -> AttemptOutcome {
    let mut parts = words.split_whitespace();
    let verb = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let reason = rest
        .iter()
        .find(|word| !word.contains('='))
        .copied()
        .unwrap_or("Failed");
    let ending = match verb {
        "succeeds" => Ending::Succeeded,
        "fails" => Ending::Failed {
            reason: reason.to_owned(),
            message: "as told".to_owned(),
        },
        "lost" => Ending::Lost {
            message: "the machine is gone".to_owned(),
        },
        "cancelled" => Ending::Cancelled,
        "timed-out" => Ending::TimedOut,
        other => panic!("unknown outcome {other:?}"),
    };
    let is_of_step = |word: &&str| word.split_once('=').is_some_and(|(name, _)| name.contains('.'));
    let (of_steps, of_task): (Vec<&str>, Vec<&str>) = rest.into_iter().partition(is_of_step);
    let results = of_task
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| TaskRunResult {
            name: name.to_owned(),
            kind: None,
            value: match value.strip_prefix('[').and_then(|value| value.strip_suffix(']')) {
                Some("") => ParamValue::Array(Vec::new()),
                Some(items) => ParamValue::Array(items.split(',').map(str::to_owned).collect()),
                None => value.into(),
            },
        });
    AttemptOutcome {
        ending,
        pod_name: "pod".to_owned(),
        started_at: Some(at),
        completed_at: at,
        steps: of_steps.into_iter().filter_map(step_state).collect(),
        sidecars: Vec::new(),
        results: results.collect(),
    }
}
