//! A run and the world around it: answers questions, ends attempts, keeps the log and checks that
//! replaying it gives the state that is shown.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tidemill_engine::{
    Answer, Decision, Effect, Fact, Found, Limits, Reference, ReferenceKind, Resolution, RunObject, RunState,
    project_run, step,
};
use tidemill_resources::step::StepActionSpec;
use tidemill_resources::{PipelineSpec, TaskSpec};

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
    /// The command of each start, as it was published.
    commands: BTreeMap<(String, u32), Vec<u8>>,
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
            commands: BTreeMap::new(),
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
                let bytes = serde_json::to_vec(&command).unwrap();
                let published = self
                    .commands
                    .entry((task.clone(), *attempt))
                    .or_insert_with(|| bytes.clone());
                assert_eq!(*published, bytes, "published again as it was");
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
            Effect::ReportDeploy { task, attempt, stage } => {
                let report = tidemill_engine::deploy_report(&self.state, task, *attempt, *stage).unwrap();
                assert_eq!((report.attempt, report.stage), (*attempt, *stage));
                self.effects.push(format!("report {task}/{attempt} {}", stage.as_str()));
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
        for ((task, attempt), published) in &self.commands {
            // Earlier attempts are not asked for any more.
            if let Ok(command) = tidemill_engine::start_task(&late, task, *attempt) {
                assert_eq!(
                    serde_json::to_vec(&command).unwrap(),
                    *published,
                    "{task}/{attempt} asked for later"
                );
            }
        }
    }
}
