//! What changes of objects become facts, and what does not.

use serde_json::json;
use tidemill_messages::stream::FACTS;
use tidemill_messages::subject;
use tidemill_objects::{DeleteOptions, Part};

use crate::world::{World, diamond, key, pipeline, task};

async fn facts(world: &World, run_uid: &str) -> Vec<String> {
    let stored = world.stored(FACTS, &subject::facts_of_run(run_uid)).await;
    let ends = stored
        .iter()
        .map(|fact| fact.subject.splitn(4, '.').nth(3).unwrap_or_default().to_owned());
    ends.collect()
}

#[tokio::test(start_paused = true)]
async fn status_and_children_of_a_run_are_no_facts() {
    let world = World::new().await;
    let planner = world.planner();
    let uid = world.start("diamond", diamond()).await;
    world.ended("diamond").await;
    world.audit("diamond", &uid).await;
    let mut facts = facts(&world, &uid).await;
    facts.sort();
    let expected = [
        "=.0.spec.1",
        "first.0.finished",
        "last.0.finished",
        "left.0.finished",
        "right.0.finished",
    ];
    assert_eq!(facts, expected);
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn each_generation_and_the_deletion_are_one_fact_each() {
    let world = World::new().await;
    let uid = world.start("run", pipeline(vec![task("only", &[])])).await;
    let run = key("pipelineruns", "run");
    world
        .objects
        .merge_patch(&run, json!({"metadata": {"labels": {"a": "b"}}}), Part::Main)
        .await
        .unwrap();
    let patch = json!({"spec": {"status": "StoppedRunFinally"}});
    world.objects.merge_patch(&run, patch, Part::Main).await.unwrap();
    world
        .until("the generation is a fact", async || {
            facts(&world, &uid)
                .await
                .iter()
                .any(|fact| fact == "=.0.spec.2")
                .then_some(())
        })
        .await;
    world.objects.delete(&run, &DeleteOptions::default()).await.unwrap();
    world
        .until("the deletion is a fact", async || {
            facts(&world, &uid)
                .await
                .iter()
                .any(|fact| fact == "=.0.spec.deletion")
                .then_some(())
        })
        .await;
    let facts = facts(&world, &uid).await;
    assert!((2..=3).contains(&facts.len()), "{facts:?}");
}
