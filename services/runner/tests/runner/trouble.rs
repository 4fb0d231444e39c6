//! Places that fail before a step has started.

use tidemill_messages::envelope::DISPATCH;
use tidemill_messages::{Ending, Fact, FactBody, decode, stream, subject};

use crate::place::Script;
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_fails_is_made_anew() {
    for script in [Script::NoSandbox(2), Script::Vanish(2)] {
        let world = World::new().await;
        world.place.script("build", script);
        let _runner = world.runner("a");
        let key = world.dispatch("build").await;
        assert_eq!(world.ending(&key).await, Ending::Succeeded, "{script:?}");
        assert_eq!(world.place.look(|state| state.prepared.len()), 3);
        assert_eq!(world.all(stream::FACTS, "fact.>").await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_cannot_be_started_is_given_back_and_dispatched_again() {
    let world = World::new().await;
    world.place.script("build", Script::NoSandbox(3));
    let _runner = world.runner("a");
    let (key, sequence) = world.dispatch_with("build", 5).await;
    let filter = format!("{}.*", subject::attempt_fact(&key, "returned"));
    let returned = world.first(stream::FACTS, &filter).await;
    let fact: Fact = decode(&returned.subject, &returned.payload).unwrap();
    assert!(
        matches!(&fact.body, FactBody::AttemptReturned { message, .. } if message.contains("no space left")),
        "{fact:?}"
    );
    assert!(world.place.look(|state| state.started.is_empty()));

    let (_, message) = world.command("build", 5);
    let again = message.header(DISPATCH, "1").expecting(sequence);
    world.bus.publish(again).await.unwrap();
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    assert_eq!(world.place.look(|state| state.started.len()), 1);
}
