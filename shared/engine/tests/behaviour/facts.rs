//! Facts that do not fit, and questions about what is not there.

use tidemill_engine::{Error, Fact, Limits, RunState, start_task, step};

use crate::case::Case;
use crate::words::outcome;
use crate::world::{UID, World};

fn world() -> World {
    let case: Case = serde_saphyr::from_str(
        "{name: two, pipeline: {tasks: [
            {name: a, retries: 1, taskSpec: {steps: [{image: i, script: x}]}},
            {name: b, runAfter: [a], taskSpec: {steps: [{image: i, script: x}]}}]}, expect: {end: any}}",
    )
    .unwrap();
    case.world()
}

fn finished(world: &World, task: &str, attempt: u32, words: &str) -> Fact {
    Fact::AttemptFinished {
        at: world.now,
        task: task.to_owned(),
        attempt,
        outcome: outcome(words, world.now),
    }
}

/// The fact is refused with both sides named, and the state stays as it was.
fn refused(world: &mut World, fact: &Fact, fragments: &[&str]) {
    let before = serde_json::to_value(&world.state).unwrap();
    let error = world.tell(fact).unwrap_err();
    assert!(matches!(error, Error::Illegal { .. }), "{error}");
    let text = error.to_string();
    assert!(fragments.iter().all(|fragment| text.contains(fragment)), "{text}");
    assert_eq!(serde_json::to_value(&world.state).unwrap(), before);
}

#[test]
fn facts_that_cannot_be_are_refused_by_name() {
    let mut world = world();
    world.observe();
    let unknown = finished(&world, "z", 0, "succeeds");
    refused(
        &mut world,
        &unknown,
        &["AttemptFinished", "\"z\"/0", "running", "no such task"],
    );
    let early = finished(&world, "b", 0, "succeeds");
    refused(&mut world, &early, &["\"b\"/0", "no such task was started"]);
    let future = finished(&world, "a", 1, "succeeds");
    refused(&mut world, &future, &["\"a\"/1", "never dispatched"]);
    let child = Fact::ChildChanged {
        at: world.now,
        name: "run-z".to_owned(),
        uid: "u".to_owned(),
        status: None,
        deleting: true,
    };
    refused(&mut world, &child, &["ChildChanged", "run-z"]);
    let claim = Fact::VolumeFailed {
        at: world.now,
        claim: "c".to_owned(),
        message: "m".to_owned(),
    };
    refused(&mut world, &claim, &["VolumeFailed", "no such claim"]);
}

#[test]
fn a_run_nobody_has_seen_takes_no_facts_about_tasks() {
    let mut world = world();
    let fact = finished(&world, "a", 0, "succeeds");
    refused(&mut world, &fact, &["while the run is new"]);
    assert!(world.tell(&Fact::Due { at: world.now }).unwrap().is_empty());
}

#[test]
fn an_object_of_another_uid_is_refused() {
    let world = world();
    let mut state = RunState::new("another");
    let fact = Fact::RunObserved {
        at: world.now,
        run: world.run.clone(),
        deleting: false,
    };
    let error = step(&mut state, &fact, &Limits::default()).unwrap_err();
    assert!(error.to_string().contains(UID), "{error}");
}

#[test]
fn facts_about_an_attempt_that_was_followed_by_another_are_late() {
    let mut world = world();
    world.observe();
    let first = finished(&world, "a", 0, "fails");
    assert!(!world.tell(&first).unwrap().is_empty());
    for late in [finished(&world, "a", 0, "succeeds"), first] {
        assert!(world.tell(&late).unwrap().is_empty());
    }
    assert_eq!(world.started.last().unwrap(), &("a".to_owned(), 1));
}

#[test]
fn a_child_of_another_uid_is_not_ours() {
    let mut world = world();
    world.observe();
    let fact = Fact::ChildChanged {
        at: world.now,
        name: "run-a".to_owned(),
        uid: "u".to_owned(),
        status: None,
        deleting: true,
    };
    assert!(world.tell(&fact).unwrap().is_empty());
}

#[test]
fn commands_are_the_same_however_often_they_are_asked_for_and_only_for_the_last_attempt() {
    let mut world = world();
    world.observe();
    let command = serde_json::to_vec(&start_task(&world.state, "a", 0).unwrap()).unwrap();
    let stored = serde_json::to_string(&world.state).unwrap();
    let again: RunState = serde_json::from_str(&stored).unwrap();
    assert_eq!(
        serde_json::to_vec(&start_task(&again, "a", 0).unwrap()).unwrap(),
        command
    );
    assert!(
        start_task(&world.state, "a", 1)
            .unwrap_err()
            .to_string()
            .contains("attempt 1")
    );
    assert!(
        start_task(&world.state, "b", 0)
            .unwrap_err()
            .to_string()
            .contains("never started")
    );
}

#[test]
fn a_returned_attempt_is_a_new_message_for_the_same_attempt() {
    let mut world = world();
    world.observe();
    let returned = |claim| Fact::AttemptReturned {
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
        task: "a".to_owned(),
        attempt: 0,
        claim,
        message: String::new(),
    };
    for (claim, dispatch) in [(7, Some(1)), (7, None), (6, None), (12, Some(2))] {
        let decision = world.tell(&returned(claim)).unwrap();
        let found = decision.effects.iter().find_map(|effect| match effect {
            tidemill_engine::Effect::StartTask {
                dispatch, attempt: 0, ..
            } => Some(*dispatch),
            _ => None,
        });
        assert_eq!(found, dispatch, "claim {claim}");
    }
}

#[test]
fn an_attempt_whose_pod_cannot_be_made_ends_after_so_many_dispatches() {
    let mut world = world();
    world.observe();
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    for claim in 1..=11 {
        assert!(!world.state.is_over(), "claim {claim}");
        let task = "a".to_owned();
        let message = "no space left".to_owned();
        let (attempt, fact) = (
            0,
            Fact::AttemptReturned {
                at,
                task,
                attempt: 0,
                claim,
                message,
            },
        );
        let decision = world.tell(&fact).unwrap();
        let again = decision
            .effects
            .iter()
            .any(|effect| matches!(effect, tidemill_engine::Effect::StartTask { attempt: of, .. } if *of == attempt));
        assert_eq!(again, claim <= 10, "claim {claim}");
    }
    let run = tidemill_engine::project_task_run(&world.state, "a").unwrap();
    // A failure like any other: the task's retries apply.
    let condition = run.status.unwrap().retries_status[0].conditions[0].clone();
    assert_eq!(condition.reason, "PodCreationFailed");
    for words in ["10 times", "planner.dispatches-max", "no space left"] {
        assert!(condition.message.contains(words), "{}", condition.message);
    }
}

#[test]
fn an_attempt_that_nobody_takes_says_so_until_it_runs() {
    let mut world = world();
    world.observe();
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let (task, message) = ("a".to_owned(), "no runner takes class \"x\"".to_owned());
    let waits = Fact::AttemptWaits {
        at,
        task: task.clone(),
        attempt: 0,
        message,
    };
    assert!(!world.tell(&waits).unwrap().changes.is_empty());
    assert!(world.tell(&waits).unwrap().changes.is_empty(), "told twice");
    let condition = |world: &World| {
        let run = tidemill_engine::project_task_run(&world.state, "a").unwrap();
        run.status.unwrap().conditions[0].clone()
    };
    let found = condition(&world);
    assert_eq!(
        (found.reason.as_str(), found.message.contains("no runner takes")),
        ("Pending", true)
    );
    let run = tidemill_engine::project_run(&world.state);
    assert!(
        format!("{:?}", run.status).contains("Task \\\"a\\\" waits: no runner takes"),
        "{:?}",
        run.status
    );
    let steps = Vec::new();
    let (pod_name, started_at) = ("p".to_owned(), at);
    world
        .tell(&Fact::AttemptStarted {
            at,
            task,
            attempt: 0,
            pod_name,
            started_at,
            steps,
        })
        .unwrap();
    assert_eq!(condition(&world).reason, "Running");
}

#[test]
fn a_log_that_is_not_whole_is_noticed() {
    let mut world = world();
    world.observe();
    let fact = finished(&world, "a", 0, "succeeds");
    world.tell(&fact).unwrap();
    let mut state = RunState::new(UID);
    let changes = world.log[1..].iter().flat_map(|decision| &decision.changes);
    let error = changes.map(|change| state.apply(change)).find_map(Result::err).unwrap();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

#[test]
fn a_run_that_is_being_deleted_when_first_seen_is_done_with() {
    let mut world = world();
    let fact = Fact::RunObserved {
        at: world.now,
        run: world.run.clone(),
        deleting: true,
    };
    world.tell(&fact).unwrap();
    assert_eq!(world.effects, ["finish"]);
    assert!(world.state.is_over() && world.started.is_empty());
    assert!(world.tell(&fact).unwrap().is_empty());
}
