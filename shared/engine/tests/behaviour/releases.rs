//! What holds for every pipeline of which some tasks deploy: the run waits, and starts nothing it
//! should not.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tidemill_engine::{Effect, Fact, Limits, RunObject, in_flight};
use tidemill_messages::DeployStage;
use tidemill_resources::{Duration, PipelineRun};

use crate::shape::{Ends, Guard, Pipeline, pipelines};
use crate::words::{outcome, release};
use crate::world::{Shelf, World};

/// Facts a run may take before it counts as endless.
const FACTS_MAX: usize = 400;

/// Makes tasks that others ask for into tasks that deploy, and their guards ask for the status.
fn deploying(pipeline: &Pipeline) -> RunObject {
    let RunObject::PipelineRun(run) = pipeline.run() else {
        unreachable!("made so")
    };
    let mut run = serde_json::to_value(&run).unwrap();
    let tasks = run["spec"]["pipelineSpec"]["tasks"].as_array_mut().unwrap();
    for (task, shape) in tasks.iter_mut().zip(&pipeline.tasks) {
        let spec = &mut task["taskSpec"];
        spec["results"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "helm-status"}));
        let name = json!({"name": "release_name", "default": "demo"});
        spec["params"].as_array_mut().unwrap().push(name);
        if let Some(Guard::Result(asked, _)) = &shape.guard {
            task["when"][0]["input"] = Value::from(format!("$(tasks.t{asked}.results.helm-status)"));
            task["when"][0]["values"] = json!(["failed"]);
        }
    }
    let run: PipelineRun = serde_json::from_value(run).unwrap();
    RunObject::PipelineRun(Box::new(run))
}

fn words(end: Ends) -> &'static str {
    match end {
        Ends::WithResult => "succeeds r=yes helm-status=deployed",
        Ends::WithoutResult => "succeeds",
        Ends::Badly => "fails r=yes",
        Ends::Lost => "lost",
    }
}

/// Reports that are due, as `(task, attempt, stage)`.
fn asked(decision: &tidemill_engine::Decision) -> Vec<(String, u32, DeployStage)> {
    let effects = decision.effects.iter().filter_map(|effect| match effect {
        Effect::ReportDeploy { task, attempt, stage } if *stage != DeployStage::Started => {
            Some((task.clone(), *attempt, *stage))
        }
        _ => None,
    });
    effects.collect()
}

fn failed(world: &World, task: &str) -> bool {
    let object = tidemill_engine::project_task_run(&world.state, task).unwrap();
    let object = serde_json::to_value(object).unwrap();
    object["status"]["conditions"][0]["status"] == "False"
}

/// After the run stopped only those start whose guard asks for a release that failed. What had
/// started before may be retried: that is the task's own affair, as with Tekton.
fn only_who_asks_starts(world: &World, pipeline: &Pipeline, stopped_at: usize) {
    let newer: BTreeSet<&str> = world.started[stopped_at..]
        .iter()
        .filter(|(task, attempt)| *attempt == 0 && task.starts_with('t'))
        .map(|(task, _)| task.as_str())
        .collect();
    for task in &newer {
        let Some(Guard::Result(asked, _)) = &pipeline.shape(task).guard else {
            panic!("{task} started although the run stopped");
        };
        assert!(
            failed(world, &format!("t{asked}")),
            "{task} started though t{asked} did not fail"
        );
        let before = pipeline.shape(task).parents();
        for parent in before.iter().map(|parent| format!("t{parent}")) {
            assert!(
                !newer.contains(parent.as_str()),
                "{task} depends on {parent}, which started while the run stopped"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_run_whose_releases_fail_ends_and_starts_only_who_asks(
        pipeline in pipelines(7),
        picks in prop::collection::vec(any::<Index>(), 1..12),
        says in prop::collection::vec(0..4_usize, 1..8),
        own_words in any::<bool>(),
    ) {
        let limits = Limits { release_wait: Duration::from_secs(30), ..Limits::default() };
        let mut world = World::new(deploying(&pipeline), Shelf::default(), limits);
        world.observe();
        let mut stopped_at = None;
        let mut open: Vec<(String, u32, DeployStage)> = Vec::new();
        for turn in 0.. {
            assert!(turn < FACTS_MAX, "no end");
            let attempts: Vec<(String, u32)> = in_flight(&world.state).map(|(task, attempt)| (task.to_owned(), attempt)).collect();
            let choices = attempts.len() + open.len();
            if world.state.is_over() {
                break;
            }
            prop_assert!(choices > 0 || world.wake.is_some(), "stuck");
            let pick = if choices == 0 { 0 } else { picks[turn % picks.len()].index(choices) };
            let fact = if let Some((task, attempt)) = attempts.get(pick) {
                let end = pipeline.shape(task).end(*attempt);
                let mut text = words(end).to_owned();
                if own_words && end == Ends::Badly {
                    text.push_str(" helm-status=failed");
                }
                Fact::AttemptFinished { at: world.now, task: task.clone(), attempt: *attempt, outcome: outcome(&text, world.now) }
            } else if choices > 0 {
                let (task, attempt, _) = open.remove(pick - attempts.len());
                match says[turn % says.len()] {
                    0 => release(&format!("{task} failed 5"), attempt, world.now),
                    1 => release(&format!("{task} failed 5 done 4"), attempt, world.now),
                    2 => release(&format!("{task} none 0"), attempt, world.now),
                    _ => {
                        world.wait(31);
                        Fact::Due { at: world.now }
                    }
                }
            } else {
                world.wait(31);
                Fact::Due { at: world.now }
            };
            let before = world.started.len();
            let decision = world.tell(&fact).unwrap();
            open.extend(asked(&decision));
            prop_assert!(world.tell(&fact).unwrap().is_empty(), "told twice: {}", fact.summary());
            let stops = |change: &tidemill_engine::Change| matches!(change, tidemill_engine::Change::Stopped { .. });
            if decision.changes.iter().any(stops) {
                stopped_at.get_or_insert(before);
            }
            if let Some(stopped_at) = stopped_at {
                only_who_asks_starts(&world, &pipeline, stopped_at);
            }
        }
        world.check_replay();
    }
}
