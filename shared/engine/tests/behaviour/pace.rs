//! What a fact costs does not grow with the run, and what is stored for it is small.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use tidemill_engine::{Decision, Effect, Fact, Limits, RunObject, RunState, step};
use tidemill_messages::{AttemptOutcome, Ending};
use tidemill_resources::PipelineRun;

const TASKS: usize = 1_000;
const WINDOW: usize = 100;
const UID: &str = "6b1f6f0a-6a5c-4a52-9d3b-6b0f4a1f0c11";

fn chain() -> RunObject {
    let task = |index: usize| {
        let before: Vec<String> = index
            .checked_sub(1)
            .map(|before| format!("t-{before}"))
            .into_iter()
            .collect();
        json!({"name": format!("t-{index}"), "runAfter": before, "taskSpec": {
            "params": [{"name": "p", "default": "x"}],
            "steps": [{"name": "s", "image": "i", "script": "echo $(params.p) $(context.taskRun.name)"}]}})
    };
    let tasks: Vec<serde_json::Value> = (0..TASKS).map(task).collect();
    let run: PipelineRun = serde_json::from_value(json!({
        "metadata": {"name": "chain", "namespace": "default", "uid": UID}, "spec": {"pipelineSpec": {"tasks": tasks}}}))
    .unwrap();
    RunObject::PipelineRun(Box::new(run))
}

fn outcome(at: Timestamp) -> AttemptOutcome {
    let step = json!({"name": "s", "container": "step-s", "terminationReason": "Completed",
        "terminated": {"exitCode": 0, "reason": "Completed", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:00Z"}});
    AttemptOutcome {
        ending: Ending::Succeeded,
        pod_name: "chain-t-500-pod".to_owned(),
        started_at: Some(at),
        completed_at: at,
        steps: vec![serde_json::from_value(step).unwrap()],
        step_times_us: Vec::new(),
        sidecars: Vec::new(),
        results: Vec::new(),
    }
}

/// Plays the chain; gives the time each finished fact took, its effects' payloads included, and the
/// decisions.
fn play() -> (Vec<Duration>, Vec<Decision>) {
    let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let limits = Limits::default();
    let mut state = RunState::new(UID);
    step(
        &mut state,
        &Fact::RunObserved {
            at,
            run: chain(),
            deleting: false,
        },
        &limits,
    )
    .unwrap();
    let (mut times, mut decisions) = (Vec::new(), Vec::new());
    for index in 0..TASKS {
        let fact = Fact::AttemptFinished {
            at,
            task: format!("t-{index}"),
            attempt: 0,
            outcome: outcome(at),
        };
        let begin = Instant::now();
        let decision = step(&mut state, &fact, &limits).unwrap();
        for effect in &decision.effects {
            if let Effect::StartTask { task, attempt, .. } = effect {
                assert_eq!(tidemill_engine::start_task(&state, task, *attempt).unwrap().attempt, 0);
            }
        }
        times.push(begin.elapsed());
        decisions.push(decision);
    }
    assert!(state.is_over());
    (times, decisions)
}

#[test]
fn the_thousandth_task_costs_what_the_tenth_does() {
    // Medians, and the best of a few: other processes share the machine.
    let window = |times: &[Duration]| {
        let mut times = times.to_vec();
        times.sort();
        times[WINDOW / 2]
    };
    let (mut early, mut late) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        let (times, _) = play();
        early = early.min(window(&times[5..5 + WINDOW]));
        late = late.min(window(&times[TASKS - WINDOW - 5..TASKS - 5]));
    }
    println!(
        "finished fact and next command: task 10 {} ns, task 1,000 {} ns",
        early.as_nanos(),
        late.as_nanos()
    );
    assert!(late < early * 2, "early {early:?}, late {late:?}");
}

#[test]
fn a_decision_about_one_task_is_small() {
    let (_, decisions) = play();
    let size = serde_json::to_vec(&decisions[500]).unwrap().len();
    let outcome = serde_json::to_vec(&outcome("2026-01-01T00:00:00Z".parse().unwrap()))
        .unwrap()
        .len();
    println!("decision {size} bytes, of which the outcome {outcome}");
    assert!(
        size <= 700 && size - outcome <= 320,
        "{}",
        serde_json::to_string(&decisions[500]).unwrap()
    );
}
