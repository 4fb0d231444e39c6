//! Ending runs early: before anybody has started a task, while it runs, and by its own TaskRun.

use serde_json::json;
use tidemill_messages::claim::Claim;
use tidemill_messages::stream::{CLAIMS, RUNS};
use tidemill_messages::{AttemptKey, decode, subject};
use tidemill_objects::Part;

use crate::fake::Play;
use crate::world::{World, diamond, key, pipeline, task};

async fn cancel(world: &World, name: &str, status: &str) {
    let patch = json!({"spec": {"status": status}});
    let patched = world
        .objects
        .merge_patch(&key("pipelineruns", name), patch, Part::Main)
        .await;
    patched.expect("patched");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_started_is_ended_by_its_claim() {
    let world = World::new().await;
    world.fake.stop();
    let planner = world.planner();
    let uid = world.start("early", pipeline(vec![task("only", &[])])).await;
    world
        .until("the task is dispatched", async || {
            let tasks = world.stored(RUNS, &subject::tasks_of_run(&uid)).await;
            (tasks.len() == 1).then_some(())
        })
        .await;
    cancel(&world, "early", "Cancelled").await;
    assert_eq!(world.ended("early").await.1, "Cancelled");
    world.audit("early", &uid).await;
    // The message of the task is still there for whoever comes: nobody starts it any more.
    world.fake.resume();
    world
        .until("the runner has refused it", async || {
            (world.fake.refused() > 0).then_some(())
        })
        .await;
    assert!(world.fake.executed().is_empty());
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_told_to_end() {
    let world = World::new().await;
    let planner = world.planner();
    world.fake.play("first", Play::Hold);
    let uid = world.start("running", diamond()).await;
    world.until_executed("first/0").await;
    let attempt = AttemptKey::new(uid.clone(), "first", 0);
    let claim = world
        .bus
        .last(CLAIMS, &subject::claim(&attempt))
        .await
        .unwrap()
        .unwrap();
    let claim: Claim = decode("claim", &claim.payload).unwrap();
    assert_eq!(claim.runner, "fake");
    cancel(&world, "running", "Cancelled").await;
    assert_eq!(world.ended("running").await.1, "Cancelled");
    world.audit("running", &uid).await;
    assert_eq!(world.stored(RUNS, &subject::cancel(&attempt)).await.len(), 1);
    assert_eq!(world.fake.executed().len(), 1);
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_races_with_the_runner_and_one_of_them_wins() {
    for delay_ms in 0..30 {
        let world = World::new().await;
        let planner = world.planner();
        world
            .fake
            .play("first", Play::After(std::time::Duration::from_millis(15)));
        let uid = world.start("race", diamond()).await;
        tokio::time::sleep(std::time::Duration::from_millis(delay_ms)).await;
        cancel(&world, "race", "Cancelled").await;
        let reason = world.ended("race").await.1;
        assert!(
            ["Cancelled", "Succeeded"].contains(&reason.as_str()),
            "{reason} after {delay_ms} ms"
        );
        world.audit("race", &uid).await;
        planner.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_run_of_a_pipeline_can_be_cancelled_alone() {
    let world = World::new().await;
    let planner = world.planner();
    world.fake.play("first", Play::Hold);
    let uid = world.start("child", diamond()).await;
    let child = world
        .until("the TaskRun is shown", async || {
            let run = world.run("child").await?;
            let child = run.rest.get("status")?.get("childReferences")?.get(0)?.get("name")?;
            let child = child.as_str()?.to_owned();
            world.task_run(&child).await.map(|_| child)
        })
        .await;
    let patch = json!({"spec": {"status": "TaskRunCancelled"}});
    world
        .objects
        .merge_patch(&key("taskruns", &child), patch, Part::Main)
        .await
        .unwrap();
    assert_eq!(world.ended("child").await.0, "False");
    world.audit("child", &uid).await;
    let shown = world.task_run(&child).await.unwrap();
    assert_eq!(shown.rest["status"]["conditions"][0]["reason"], "TaskRunCancelled");
    planner.stop().await;
}
