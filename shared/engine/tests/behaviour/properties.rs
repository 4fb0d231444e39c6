//! What holds for every pipeline, whatever its tasks do and however the facts come.

use std::collections::BTreeSet;

use crate::model::{Is, Model};
use crate::shape::{Ends, Pipeline, pipelines};
use crate::words::outcome;
use crate::world::{Shelf, World};
use proptest::prelude::*;
use proptest::sample::Index;
use tidemill_engine::{Effect, Fact, Limits, RunStatus, in_flight, project_run, project_task_run, task_keys};

/// Facts a run may take before it counts as endless.
const FACTS_MAX: usize = 400;

fn finished(world: &World, pipeline: &Pipeline, task: &str, attempt: u32) -> Fact {
    let words = match pipeline.shape(task).end(attempt) {
        // Guards ask for `yes` and get it.
        Ends::WithResult => "succeeds r=yes".to_owned(),
        Ends::WithoutResult => "succeeds".to_owned(),
        Ends::Badly => "fails r=yes".to_owned(),
        Ends::Lost => "lost".to_owned(),
    };
    let (at, outcome) = (world.now, outcome(&words, world.now));
    Fact::AttemptFinished {
        at,
        task: task.to_owned(),
        attempt,
        outcome,
    }
}

/// Plays a run to its end; `picks` choose which attempt ends next, and which old facts come again.
fn play(pipeline: &Pipeline, picks: &[Index], repeat: &[Index], limits: Limits) -> World {
    let mut world = World::new(pipeline.run(), Shelf::default(), limits);
    let mut model = Model::new(pipeline);
    world.observe();
    check(&world, &model);
    let mut told: Vec<Fact> = Vec::new();
    for turn in 0.. {
        let open: Vec<(String, u32)> = in_flight(&world.state)
            .map(|(task, attempt)| (task.to_owned(), attempt))
            .collect();
        if open.is_empty() {
            break;
        }
        assert!(turn < FACTS_MAX, "no end");
        let (task, attempt) = &open[picks[turn % picks.len()].index(open.len())];
        let fact = finished(&world, pipeline, task, *attempt);
        let before: BTreeSet<(String, u32)> = world.started.iter().cloned().collect();
        world.tell(&fact).unwrap();
        model.finish(task);
        needs_are_met(&world, pipeline, &before);
        check(&world, &model);
        told.push(fact);
        if let Some(index) = repeat.get(turn) {
            let again = told[index.index(told.len())].clone();
            assert!(
                world.tell(&again).unwrap().is_empty(),
                "told twice: {}",
                again.summary()
            );
        }
    }
    assert!(world.state.is_over());
    world
}

fn without_failures(mut pipeline: Pipeline) -> Pipeline {
    for shape in pipeline.tasks.iter_mut().chain(&mut pipeline.finally) {
        shape.ends = vec![Ends::WithResult];
    }
    pipeline
}

/// Every task that was started in this turn has all its parents behind it.
fn needs_are_met(world: &World, pipeline: &Pipeline, before: &BTreeSet<(String, u32)>) {
    let running: BTreeSet<&str> = in_flight(&world.state).map(|(task, _)| task).collect();
    for (task, _) in world
        .started
        .iter()
        .filter(|start| !before.contains(*start) && start.0.starts_with('t'))
    {
        for parent in pipeline.shape(task).parents() {
            assert!(
                !running.contains(format!("t{parent}").as_str()),
                "{task} started before t{parent} was over"
            );
        }
    }
}

/// The engine and the model agree.
fn check(world: &World, model: &Model<'_>) {
    let RunStatus::PipelineRun(status) = project_run(&world.state).status else {
        panic!("not a PipelineRun")
    };
    let skipped: BTreeSet<(String, String)> = status
        .skipped_tasks
        .iter()
        .map(|task| (task.name.clone(), task.reason.unwrap().to_string()))
        .collect();
    let expected = model.tasks.iter().filter_map(|(key, is)| match is {
        Is::Skipped(reason) => Some((key.clone(), (*reason).to_owned())),
        _ => None,
    });
    assert_eq!(skipped, expected.collect(), "skipped");
    let running: BTreeSet<(String, u32)> = in_flight(&world.state)
        .map(|(task, attempt)| (task.to_owned(), attempt))
        .collect();
    let expected = model.tasks.iter().filter_map(|(key, is)| match is {
        Is::Running(attempt) => Some((key.clone(), *attempt)),
        _ => None,
    });
    assert_eq!(running, expected.collect(), "running");
    let condition = status.condition().unwrap();
    let end = format!("{} {}", condition.status, condition.reason);
    match model.end() {
        Some(expected) => assert_eq!(end, expected),
        None => assert!(end.starts_with("Unknown"), "{end}"),
    }
}

fn names_are_fit(world: &World) {
    let objects: Vec<_> = task_keys(&world.state)
        .map(|key| project_task_run(&world.state, key).unwrap())
        .collect();
    let names: BTreeSet<&str> = objects
        .iter()
        .filter_map(|object| object.metadata.name.as_deref())
        .collect();
    let uids: BTreeSet<&str> = objects
        .iter()
        .filter_map(|object| object.metadata.uid.as_deref())
        .collect();
    assert_eq!((names.len(), uids.len()), (objects.len(), objects.len()));
    assert!(names.iter().all(|name| name.len() <= 63), "{names:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_does_what_the_slow_scheduler_does(
        pipeline in pipelines(9),
        picks in prop::collection::vec(any::<Index>(), 1..12),
        repeat in prop::collection::vec(any::<Index>(), 0..30),
    ) {
        let world = play(&pipeline, &picks, &repeat, Limits::default());
        world.check_replay();
        names_are_fit(&world);
    }

    #[test]
    fn facts_told_again_change_nothing(
        pipeline in pipelines(9),
        picks in prop::collection::vec(any::<Index>(), 1..12),
        repeat in prop::collection::vec(any::<Index>(), 30),
    ) {
        let once = play(&pipeline, &picks, &[], Limits::default());
        let often = play(&pipeline, &picks, &repeat, Limits::default());
        prop_assert_eq!(serde_json::to_value(&once.state).unwrap(), serde_json::to_value(&often.state).unwrap());
    }

    #[test]
    fn without_failures_the_order_of_ends_does_not_matter(
        pipeline in pipelines(9).prop_map(without_failures),
        one in prop::collection::vec(any::<Index>(), 1..12),
        other in prop::collection::vec(any::<Index>(), 1..12),
    ) {
        let shown = |picks: &[Index]| {
            let world = play(&pipeline, picks, &[], Limits::default());
            let RunStatus::PipelineRun(mut status) = project_run(&world.state).status else { panic!("not a PipelineRun") };
            status.child_references.sort_by(|left, right| left.name.cmp(&right.name));
            status
        };
        prop_assert_eq!(shown(&one), shown(&other));
    }

    #[test]
    fn late_facts_of_any_kind_leave_an_ended_run_alone(
        pipeline in pipelines(5),
        picks in prop::collection::vec(any::<Index>(), 1..12),
    ) {
        let mut world = play(&pipeline, &picks, &[], Limits::default());
        let shown = serde_json::to_value(&world.state).unwrap();
        let at = world.now;
        let mut late = vec![
            Fact::Due { at },
            Fact::RunObserved { at, run: world.run.clone(), deleting: false },
        ];
        for (task, attempt) in world.started.clone() {
            late.push(Fact::AttemptReturned { at, task: task.clone(), attempt, claim: 9, message: String::new() });
            late.push(finished(&world, &pipeline, &task, attempt));
        }
        for fact in late {
            prop_assert!(world.tell(&fact).unwrap().is_empty(), "{}", fact.summary());
        }
        prop_assert_eq!(serde_json::to_value(&world.state).unwrap(), shown);
    }

    #[test]
    fn a_run_ends_wherever_it_is_cancelled(
        pipeline in pipelines(9),
        picks in prop::collection::vec(any::<Index>(), 1..12),
        moment in 0..12_usize,
        wish in prop::sample::select(vec!["Cancelled", "CancelledRunFinally", "StoppedRunFinally"]),
        room in 1..4_u32,
    ) {
        let limits = Limits { started_tasks_max: room, ..Limits::default() };
        let mut world = World::new(pipeline.run(), Shelf::default(), limits);
        world.observe();
        let mut turn = 0;
        while let Some(open) = Some(in_flight(&world.state).map(|(task, attempt)| (task.to_owned(), attempt)).collect::<Vec<_>>()).filter(|open| !open.is_empty()) {
            prop_assert!(open.len() <= room as usize);
            if turn == moment {
                let tidemill_engine::RunObject::PipelineRun(run) = &mut world.run else { unreachable!("made so") };
                run.spec.status = serde_json::from_value(wish.into()).unwrap();
                let fact = Fact::RunObserved { at: world.now, run: world.run.clone(), deleting: false };
                let decision = world.tell(&fact).unwrap();
                let told = decision.effects.iter().filter(|effect| matches!(effect, Effect::CancelTask { .. })).count();
                prop_assert!(told <= open.len());
            }
            turn += 1;
            let open: Vec<(String, u32)> = in_flight(&world.state).map(|(task, attempt)| (task.to_owned(), attempt)).collect();
            if open.is_empty() {
                break;
            }
            let (task, attempt) = &open[picks[turn % picks.len()].index(open.len())];
            let fact = finished(&world, &pipeline, task, *attempt);
            world.tell(&fact).unwrap();
        }
        prop_assert!(world.state.is_over());
        world.check_replay();
    }
}
