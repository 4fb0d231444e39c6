//! Runs from their creation to their end, without faults.

use std::time::Duration;

use serde_json::json;
use tidemill_bus::Message;
use tidemill_messages::envelope::DISPATCH;
use tidemill_messages::stream::{FACTS, OBJECTS, RUNS};
use tidemill_messages::{AttemptKey, Fact, FactBody, encode, subject};

use crate::fake::Play;
use crate::world::{World, diamond, pipeline, task};

#[tokio::test(start_paused = true)]
async fn a_run_goes_from_creation_to_its_end() {
    let world = World::new().await;
    let planner = world.planner();
    let uid = world.start("diamond", diamond()).await;
    assert_eq!(
        world.ended("diamond").await,
        ("True".to_owned(), "Succeeded".to_owned())
    );
    world.audit("diamond", &uid).await;
    let executed = world.fake.executed();
    assert_eq!(
        executed.keys().collect::<Vec<_>>(),
        ["first/0", "last/0", "left/0", "right/0"]
    );
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_task_fails_its_run() {
    let world = World::new().await;
    let planner = world.planner();
    world.fake.play("left", Play::Fail);
    let uid = world.start("failing", diamond()).await;
    assert_eq!(world.ended("failing").await, ("False".to_owned(), "Failed".to_owned()));
    world.audit("failing", &uid).await;
    assert!(!world.fake.executed().contains_key("last/0"));
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_run_refers_to_is_found() {
    let world = World::new().await;
    let planner = world.planner();
    let spec = json!({"steps": [{"name": "one", "image": "none", "script": "true"}]});
    world
        .create(json!({
            "apiVersion": "tekton.dev/v1", "kind": "Task",
            "metadata": {"name": "build", "namespace": "mill"}, "spec": spec,
        }))
        .await;
    world
        .create(json!({
            "apiVersion": "tekton.dev/v1", "kind": "Pipeline",
            "metadata": {"name": "all", "namespace": "mill"},
            "spec": {"tasks": [{"name": "build", "taskRef": {"name": "build"}}]},
        }))
        .await;
    let uid = world
        .start_with("by-name", json!({"pipelineRef": {"name": "all"}}))
        .await;
    assert_eq!(world.ended("by-name").await.0, "True");
    world.audit("by-name", &uid).await;
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_fails_the_run_with_its_name() {
    let world = World::new().await;
    let planner = world.planner();
    let missing = pipeline(vec![json!({"name": "build", "taskRef": {"name": "bulid"}})]);
    world.start("missing", missing).await;
    let (status, reason) = world.ended("missing").await;
    assert_eq!((status.as_str(), reason.as_str()), ("False", "CouldntGetTask"));
    let run = world.run("missing").await.unwrap();
    let message = run.rest["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("bulid"), "{message}");
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_run_of_its_own_is_a_run() {
    let world = World::new().await;
    let planner = world.planner();
    let run = world
        .create(json!({
            "apiVersion": "tekton.dev/v1", "kind": "TaskRun",
            "metadata": {"name": "alone", "namespace": "mill"},
            "spec": {"taskSpec": {"steps": [{"name": "one", "image": "none", "script": "true"}]}},
        }))
        .await;
    world
        .until("it is over", async || {
            let run = world.task_run("alone").await?;
            let condition = run.rest.get("status")?.get("conditions")?.get(0)?.get("status")?;
            (condition == "True").then_some(())
        })
        .await;
    let executed = world.fake.executed();
    assert_eq!(executed.values().collect::<Vec<_>>(), [&1], "{executed:?}");
    assert!(world.replay(&run.metadata.uid.unwrap()).await.is_over());
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn stored_messages_grow_with_the_tasks_and_no_faster() {
    let mut counts = Vec::new();
    for size in [10, 20, 40] {
        let world = World::new().await;
        let planner = world.planner();
        let names: Vec<String> = (0..size).map(|number| format!("task-{number}")).collect();
        let tasks = names.iter().enumerate().map(|(number, name)| match number {
            0 => task(name, &[]),
            _ => task(name, &[&names[number - 1]]),
        });
        let uid = world.start("chain", pipeline(tasks.collect())).await;
        world.ended("chain").await;
        world.audit("chain", &uid).await;
        let mut count = 0;
        for stream in [FACTS, RUNS, OBJECTS] {
            count += world.bus.last_sequence(stream).await.unwrap();
        }
        counts.push(count);
        planner.stop().await;
    }
    // A task costs a fact, a decision, a command, an object (and a claim beside): the paused clock
    // coalesces all else.
    let per_task = (counts[2] - counts[1]) as f64 / 20.0;
    assert!(per_task <= 5.0, "{per_task} messages a task: {counts:?}");
    assert_eq!((counts[1] - counts[0]) * 2, counts[2] - counts[1], "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn facts_that_wait_together_are_one_decision() {
    let world = World::new().await;
    let names: Vec<String> = (0..50).map(|number| format!("task-{number}")).collect();
    for name in &names {
        world.fake.play(name, Play::After(Duration::from_secs(60)));
    }
    let tasks = names.iter().map(|name| task(name, &[])).collect();
    let uid = world.start("wide", pipeline(tasks)).await;
    let first = world.planner();
    world
        .until("all tasks are dispatched", async || {
            let tasks = world.stored(RUNS, &subject::tasks_of_run(&uid)).await;
            (tasks.len() == 50).then_some(())
        })
        .await;
    first.crash().await;
    world
        .until("all tasks are finished", async || {
            let facts = world.stored(FACTS, &subject::facts_of_run(&uid)).await;
            let finished = facts.iter().filter(|fact| fact.subject.ends_with(".finished"));
            (finished.count() == 50).then_some(())
        })
        .await;
    let before = world.records(&uid).await.len();
    let second = world.planner();
    assert_eq!(world.ended("wide").await.0, "True");
    world.audit("wide", &uid).await;
    let decisions = world.records(&uid).await.len() - before;
    assert!(decisions <= 3, "{decisions} decisions for facts that waited together");
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_came_back_is_dispatched_again() {
    let world = World::new().await.without_sweep();
    world.fake.stop();
    let planner = world.planner();
    let uid = world.start("back", pipeline(vec![task("only", &[])])).await;
    let tasks = subject::tasks_of_run(&uid);
    world
        .until("it is dispatched", async || {
            (world.stored(RUNS, &tasks).await.len() == 1).then_some(())
        })
        .await;
    let key = AttemptKey::new(uid.clone(), "only", 0);
    // Twice by the same claim: it came back once.
    for what in ["returned.7", "returned.7", "returned.9"] {
        let subject = subject::attempt_fact(&key, what);
        let fact = Fact {
            version: 1,
            at: world.now(),
            body: FactBody::AttemptReturned {
                task: "only".to_owned(),
                attempt: 0,
                message: "its runner died".to_owned(),
            },
        };
        let payload = encode(&subject, &fact).unwrap();
        world.bus.publish(Message::new(subject, payload)).await.unwrap();
    }
    let dispatches = world
        .until("it is dispatched twice again", async || {
            let stored = world.stored(RUNS, &tasks).await;
            (stored.len() == 3).then_some(stored)
        })
        .await;
    let numbers: Vec<_> = dispatches.iter().map(|task| task.header(DISPATCH)).collect();
    assert_eq!(numbers, [None, Some("1"), Some("2")]);
    world.fake.resume();
    assert_eq!(world.ended("back").await.1, "Succeeded");
    world.audit("back", &uid).await;
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn claims_from_templates_are_made_for_the_run() {
    let world = World::new().await;
    let planner = world.planner();
    let mut pipeline = pipeline(vec![task("only", &[])]);
    pipeline["workspaces"] = json!([{"name": "source"}]);
    let claim = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let spec = json!({
        "pipelineSpec": pipeline,
        "workspaces": [{"name": "source", "volumeClaimTemplate": claim}],
    });
    let uid = world.start_with("claiming", spec).await;
    assert_eq!(world.ended("claiming").await.1, "Succeeded");
    world.audit("claiming", &uid).await;
    let names = world.objects.names_of("", "persistentvolumeclaims", "mill");
    assert_eq!(names.len(), 1, "{names:?}");
    planner.stop().await;
}
