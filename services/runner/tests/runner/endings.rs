//! Outcomes that are large, lost, or faults of the task.

use tidemill_messages::{Ending, stream, subject};
use tidemill_resources::ParamValue;
use tidemill_resources::task_run::TaskRunResult;

use crate::place::{Script, outcome};
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_large_outcome_goes_through_a_blob() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    let mut large = outcome(Ending::Succeeded);
    large.results = vec![TaskRunResult {
        name: "big".to_owned(),
        kind: None,
        value: ParamValue::from("x".repeat(1_000_000)),
    }];
    world.place.end(&key, large.clone()).await;
    assert_eq!(world.finished(&key).await, large);
    let stored = world
        .first(stream::FACTS, &subject::attempt_fact(&key, "finished"))
        .await;
    assert!(stored.payload.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_gone_for_good_ends_the_attempt_as_lost() {
    let world = World::new().await;
    world.place.script("build", Script::Lose);
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    let outcome = world.finished(&key).await;
    assert!(matches!(&outcome.ending, Ending::Lost { message } if message == "the node is gone"));
    assert_eq!(outcome.steps.len(), 1);
    assert_eq!(world.place.look(|state| state.started.len()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_the_backend_refuses_fails_with_its_reason() {
    let world = World::new().await;
    world.place.script("build", Script::Refuse);
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    let Ending::Failed { reason, message } = world.ending(&key).await else {
        panic!("it did not fail")
    };
    assert_eq!(reason, "CreateContainerConfigError");
    assert_eq!(message, "Secret `keys` is missing");
    assert_eq!(world.place.look(|state| state.prepared.len()), 1, "not tried again");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_no_pod_fails_with_its_reason() {
    let world = World::new().await;
    let _runner = world.runner("a");
    let (key, mut message) = world.command("build", 5);
    let text = String::from_utf8(message.payload.to_vec()).unwrap();
    message.payload = text
        .replace(r#""steps":["#, r#""workspaces":[{"name":"source"}],"steps":["#)
        .into();
    world.bus.publish(message).await.unwrap();
    let Ending::Failed { reason, message } = world.ending(&key).await else {
        panic!("it did not fail")
    };
    assert_eq!(reason, "TaskRunValidationFailed");
    assert!(message.contains("`source` is required"), "{message}");
    assert!(world.place.look(|state| state.prepared.is_empty()));
}
