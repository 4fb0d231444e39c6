//! The faults of the in-memory bus, and its clock.

use std::time::Duration;

use jiff::SignedDuration;
use tidemill_bus::{Bus, Error, Faults, Memory, Message, StreamSpec};
use tokio::time::Instant;

use super::rig::{consumer, next, runs, take};

async fn world(faults: Faults) -> (Memory, Bus) {
    let memory = Memory::default();
    let bus = memory.connect();
    bus.ensure_stream(&runs()).await.expect("stream");
    memory.set_faults(faults);
    (memory, bus)
}

/// Which of 200 publishes met which outcome.
async fn outcomes(seed: u64) -> Vec<&'static str> {
    let faults = Faults {
        seed,
        unknown_stored: 100,
        unknown_lost: 100,
        disconnected: 50,
        busy: 100,
        ..Faults::default()
    };
    let (memory, bus) = world(faults).await;
    let mut seen = Vec::new();
    for n in 0..200 {
        let subject = format!("run.1.{n}");
        let outcome = bus.publish(Message::new(subject.clone(), "x").expecting(0)).await;
        let there = memory.connect().last("runs", &subject).await.expect("read").is_some();
        seen.push(match (outcome, there) {
            (Ok(_), true) => "stored",
            (Err(Error::Unknown { .. }), true) => "unknown, stored",
            (Err(Error::Unknown { .. }), false) => "unknown, lost",
            (other, there) => panic!("{other:?}, there: {there}"),
        });
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn a_seed_gives_the_same_faults_again() {
    let (first, again, other) = (outcomes(7).await, outcomes(7).await, outcomes(8).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    for kind in ["stored", "unknown, stored", "unknown, lost"] {
        assert!(first.contains(&kind), "{kind} never happened");
    }
}

#[tokio::test(start_paused = true)]
async fn deliveries_come_twice_and_out_of_order() {
    let faults = Faults {
        seed: 3,
        redelivered: 200,
        duplicated: 200,
        reordered: 500,
        acks_lost: 200,
        ..Faults::default()
    };
    let (_memory, bus) = world(faults).await;
    let mut worker = bus.consumer(&consumer("c")).await.expect("consumer");
    for n in 0..100 {
        bus.publish(Message::new("run.1.a", n.to_string()))
            .await
            .expect("stored");
    }
    let (mut seen, mut distinct) = (Vec::new(), std::collections::BTreeSet::new());
    while distinct.len() < 100 || seen.len() < 110 {
        for delivery in next(&mut worker, 10).await {
            seen.push(delivery.message.sequence);
            distinct.insert(delivery.message.sequence);
            delivery.ack().await;
        }
    }
    assert_eq!(distinct, (1..=100).collect());
    assert!(!seen.is_sorted(), "never out of order");
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_server_is_waited_for() {
    let (memory, bus) = world(Faults::default()).await;
    let mut reader = bus.reader("runs", ">", 0, false).await.expect("reader");
    memory.set_reachable(false);
    assert!(!*bus.connected().borrow());
    let lost = bus.publish(Message::new("run.1.a", "x")).await;
    assert!(matches!(lost, Err(Error::Disconnected { .. })), "{lost:?}");
    let (writer, waiting) = (bus.clone(), Instant::now());
    let publish = tokio::spawn(async move { writer.publish(Message::new("run.1.a", "y")).await });
    tokio::time::advance(Duration::from_secs(2)).await;
    memory.set_reachable(true);
    assert_eq!(publish.await.expect("publisher").expect("stored"), 1);
    assert!(waiting.elapsed() >= Duration::from_secs(2));
    assert_eq!(&reader.next().await.expect("message").payload[..], b"y");
}

/// An hour passes in no time, and timers, redelivery and age follow.
#[tokio::test(start_paused = true)]
async fn time_is_tokios() {
    let bus = Bus::memory();
    let timers = StreamSpec {
        schedules: true,
        max_age: Some(Duration::from_secs(7_200)),
        ..StreamSpec::plain("timers", &["timer.>", "due.>"], 1_000_000)
    };
    bus.ensure_stream(&timers).await.expect("stream");
    let (started, at) = (Instant::now(), bus.now() + SignedDuration::from_hours(1));
    bus.schedule("timer.1", "due.1", at, "look".into())
        .await
        .expect("scheduled");
    let mut due = bus.reader("timers", "due.>", 0, false).await.expect("reader");
    due.next().await.expect("fired");
    assert_eq!(started.elapsed().as_secs(), 3_600);
    assert!(bus.now() >= at);

    bus.ensure_stream(&runs()).await.expect("stream");
    let mut worker = bus.consumer(&consumer("c")).await.expect("consumer");
    bus.publish(Message::new("run.1.a", "x")).await.expect("stored");
    assert_eq!(next(&mut worker, 1).await[0].delivered, 1);
    let held = Instant::now();
    assert_eq!(worker.next_batch(1).await.expect("again")[0].delivered, 2);
    assert_eq!(held.elapsed().as_secs(), 60, "ack_wait");
    assert_eq!(take(&mut worker_after_reset(&bus).await, 1).await, ["x"]);

    tokio::time::advance(Duration::from_secs(7_201)).await;
    assert_eq!(bus.last("timers", "due.1").await.expect("read"), None);
}

async fn worker_after_reset(bus: &Bus) -> tidemill_bus::Consumer {
    bus.reset_consumer("runs", "c").await.expect("reset");
    bus.consumer(&consumer("c")).await.expect("consumer")
}
