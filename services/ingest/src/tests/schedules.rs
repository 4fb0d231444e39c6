//! Listeners that fire by themselves, on the in-memory bus and its clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidemill_messages::event::Event;
use tidemill_messages::schedule::Fired;
use tidemill_messages::stream::SCHEDULES;
use tidemill_messages::{decode, subject};
use tidemill_objects::{DeleteOptions, Key, Part, Patch};
use tidemill_resources::Kind;
use tokio::task::JoinHandle;

use super::World;
use crate::schedule::attend;
use crate::{Error, listeners, schedule};

fn key() -> Key {
    let kind = Kind::by_resource("triggers.tekton.dev", "eventlisteners").unwrap();
    Key::new(kind, "default", "nightly")
}

/// A listener with these annotations.
async fn listener(world: &World, annotations: Value) {
    let made = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"}});
    let object = json!({
        "apiVersion": "triggers.tekton.dev/v1beta1", "kind": "EventListener",
        "metadata": {"name": "nightly", "annotations": annotations},
        "spec": {"triggers": [{"name": "t", "template": {"spec": {"resourcetemplates": [made]}}}]},
    });
    world.objects.create_with(object, Default::default()).await.unwrap();
}

async fn times(world: &World) -> Vec<String> {
    let read = |stored: tidemill_bus::Stored| {
        let event: Event = decode(&stored.subject, &stored.payload).unwrap();
        event.headers["Ce-Id"][0].clone()
    };
    let mut times: Vec<String> = world.events().await.into_iter().map(read).collect();
    times.sort_unstable();
    times
}

/// The time the bus is to say when to look again.
async fn next(world: &World) -> Option<String> {
    let stored = world
        .bus
        .last(SCHEDULES, &subject::schedule("default", "nightly"))
        .await
        .unwrap()?;
    Some(String::from_utf8(stored.payload.to_vec()).unwrap())
}

/// Lets the schedule stand as if it had last been attended to so long ago.
async fn last_attended(world: &World, ago: SignedDuration) {
    let subject = subject::fired("default", "nightly");
    let stored = world.bus.last(SCHEDULES, &subject).await.unwrap().unwrap();
    let mut fired: Fired = decode(&stored.subject, &stored.payload).unwrap();
    fired.since = world.bus.now() - ago;
    let payload = serde_json::to_vec(&fired).unwrap();
    world
        .bus
        .publish(tidemill_bus::Message::new(subject, payload))
        .await
        .unwrap();
}

fn every_minute(missed: &str) -> Value {
    json!({"tidemill.dev/schedule": "* * * * *", "tidemill.dev/missed": missed})
}

#[tokio::test(start_paused = true)]
async fn a_listener_fires_at_its_times_and_once_each() {
    let world = World::new().await;
    let working: Vec<JoinHandle<Result<(), Error>>> = vec![
        tokio::spawn(listeners::run(world.app.clone())),
        tokio::spawn(schedule::run(world.app.clone())),
        // Another ingest beside it: neither fires twice.
        tokio::spawn(listeners::run(world.app.clone())),
    ];
    listener(&world, every_minute("latest")).await;
    let begin = world.bus.now();
    while times(&world).await.len() < 3 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(
            world.bus.now().duration_since(begin) < SignedDuration::from_secs(300),
            "{:?}",
            times(&world).await
        );
    }
    let found = times(&world).await;
    let parsed: Vec<Timestamp> = found.iter().map(|time| time.parse().unwrap()).collect();
    for pair in parsed.windows(2) {
        assert_eq!(
            pair[1].duration_since(pair[0]),
            SignedDuration::from_mins(1),
            "{found:?}"
        );
    }
    world.app.stopping.cancel();
    for working in working {
        working.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn missed_times_are_made_up_for_as_the_policy_says() {
    for (missed, expected) in [("skip", 0..=1), ("latest", 1..=1), ("all", 59..=61)] {
        let world = World::new().await;
        listener(&world, every_minute(missed)).await;
        attend(&world.app, "default", "nightly").await.unwrap();
        assert!(
            times(&world).await.is_empty(),
            "nothing was missed before the schedule began"
        );
        last_attended(&world, SignedDuration::from_hours(1)).await;
        for _ in 0..2 {
            attend(&world.app, "default", "nightly").await.unwrap();
            let count = times(&world).await.len();
            assert!(expected.contains(&count), "{missed}: {count}");
        }
        let next: Timestamp = next(&world).await.unwrap().parse().unwrap();
        assert!(next > world.bus.now());
    }
}

#[tokio::test(start_paused = true)]
async fn firing_again_after_a_crash_in_between_is_the_same_event() {
    let world = World::new().await;
    listener(&world, every_minute("all")).await;
    attend(&world.app, "default", "nightly").await.unwrap();
    last_attended(&world, SignedDuration::from_secs(600)).await;
    attend(&world.app, "default", "nightly").await.unwrap();
    let first = times(&world).await;
    // Fired, but that was not noted.
    last_attended(&world, SignedDuration::from_secs(600)).await;
    attend(&world.app, "default", "nightly").await.unwrap();
    assert_eq!(times(&world).await, first);
}

#[tokio::test(start_paused = true)]
async fn a_changed_schedule_begins_anew_and_a_removed_one_ends() {
    let world = World::new().await;
    listener(&world, every_minute("all")).await;
    attend(&world.app, "default", "nightly").await.unwrap();
    last_attended(&world, SignedDuration::from_hours(1)).await;
    let change = |annotations: Value| {
        let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        let objects = world.objects.clone();
        async move {
            objects
                .patch(&key(), &patch, Part::Main, Default::default())
                .await
                .unwrap()
        }
    };
    change(json!({"tidemill.dev/schedule": "30 4 * * *", "tidemill.dev/time-zone": "Europe/Berlin"})).await;
    attend(&world.app, "default", "nightly").await.unwrap();
    assert!(
        times(&world).await.is_empty(),
        "what another schedule missed is not made up for"
    );
    assert!(next(&world).await.unwrap().contains(":30:00Z"));
    change(json!({"tidemill.dev/schedule": null, "tidemill.dev/time-zone": null, "tidemill.dev/missed": null})).await;
    attend(&world.app, "default", "nightly").await.unwrap();
    assert_eq!(next(&world).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_listener_fires_no_more() {
    let world = World::new().await;
    listener(&world, every_minute("latest")).await;
    attend(&world.app, "default", "nightly").await.unwrap();
    assert!(next(&world).await.is_some());
    world.objects.delete(&key(), &DeleteOptions::default()).await.unwrap();
    attend(&world.app, "default", "nightly").await.unwrap();
    assert_eq!(next(&world).await, None);
    assert!(world.bus.last(SCHEDULES, "fired.>").await.unwrap().is_none());
}
