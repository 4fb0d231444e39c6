//! What must hold for every run, whatever happened to it.

use std::collections::BTreeSet;

use serde_json::Value;
use tidemill_engine::{RunState, RunStatus};
use tidemill_messages::envelope::{DISPATCH, RUN_OVER};
use tidemill_messages::stream::{CLAIMS, RUNS, TIMERS};
use tidemill_messages::subject;

use crate::world::World;

impl World {
    /// Checks a run that is over: nothing was executed twice, its log replays to what is shown, and
    /// nothing is left over.
    pub(crate) async fn audit(&self, name: &str, run_uid: &str) {
        for (attempt, count) in self.fake.executed() {
            assert_eq!(count, 1, "{attempt} was executed {count} times");
        }
        let state = self.replay(run_uid).await;
        assert!(state.is_over());
        self.audit_status(name, &state).await;
        self.audit_tasks(run_uid).await;
        self.until("claims and timers are gone", async || {
            let claims = self.stored(CLAIMS, &subject::claims_of_run(run_uid)).await;
            let timers = self.stored(TIMERS, &subject::timer(run_uid)).await;
            (claims.is_empty() && timers.is_empty()).then_some(())
        })
        .await;
    }

    /// The state that the changes of all records give, snapshots set aside; each snapshot on the way
    /// must be that state.
    pub(crate) async fn replay(&self, run_uid: &str) -> RunState {
        let mut state = RunState::new(run_uid.to_owned());
        let mut number = 0;
        let mut ids = BTreeSet::new();
        for (stored, record) in self.records(run_uid).await {
            number += 1;
            assert_eq!(record.number, number, "records are numbered without gaps");
            assert!(ids.insert(record.id.clone()), "record {} is there twice", record.id);
            for change in &record.changes {
                state.apply(change).expect("the log replays");
            }
            if let Some(snapshot) = &record.snapshot {
                assert_eq!(json(&**snapshot), json(&state), "snapshot {number}");
            }
            assert_eq!(stored.header(RUN_OVER).is_some(), state.is_over(), "record {number}");
        }
        state
    }

    async fn audit_status(&self, name: &str, state: &RunState) {
        let Some(run) = self.run(name).await else { return };
        let shown = run.rest.get("status").cloned().unwrap_or_default();
        let mut expected = match tidemill_engine::project_run(state).status {
            RunStatus::PipelineRun(status) => json(&status),
            RunStatus::TaskRun(status) => json(&status),
        };
        if state.is_over() {
            // What comes after the end is not looked at any more, and nobody is to wait for it.
            expected["observedGeneration"] = json(&run.metadata.generation);
        }
        assert_eq!(shown, expected, "the status shown is the log's");
        let children = shown["childReferences"].as_array().cloned().unwrap_or_default();
        for child in children {
            let child = child["name"].as_str().expect("a name");
            let shown = self.task_run(child).await.expect("the child is there");
            let done = shown.rest["status"]["conditions"][0]["status"] != "Unknown";
            assert!(done, "{child} is over");
        }
    }

    /// Each attempt was dispatched once: on its subject lies one message a dispatch.
    async fn audit_tasks(&self, run_uid: &str) {
        let mut seen = BTreeSet::new();
        for stored in self.stored(RUNS, &subject::tasks_of_run(run_uid)).await {
            let dispatch = stored.header(DISPATCH).unwrap_or("0").to_owned();
            assert!(
                seen.insert((stored.subject.clone(), dispatch)),
                "{} lies there twice",
                stored.subject
            );
        }
    }
}

fn json<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("JSON")
}
