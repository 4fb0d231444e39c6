//! One reader at a time: an optimisation that must hand over quickly.

use std::time::Duration;

use tidemill_bus::{ConsumerSpec, Message};

use super::rig::{Rig, consumer, is_silent, next, take, within};

on_both!(
    only_the_pinned_reader_is_served,
    a_dropped_reader_hands_over_at_once,
    a_silent_reader_loses_its_pin,
    reset_lets_go_of_the_pin,
);

fn pinned(timeout_ms: u64) -> ConsumerSpec {
    ConsumerSpec {
        pinned: Some(Duration::from_millis(timeout_ms)),
        ..consumer("partition")
    }
}

async fn only_the_pinned_reader_is_served(rig: &Rig) {
    let (one, other) = (rig.with_runs().await, rig.connect().await);
    let mut owner = one.consumer(&pinned(3_000)).await.expect("consumer");
    let mut standby = other.consumer(&pinned(3_000)).await.expect("consumer");
    one.publish(Message::new("run.1.a", "0")).await.expect("stored");
    assert_eq!(take(&mut owner, 1).await, ["0"]);
    let waiting = tokio::spawn(async move {
        let idle = tokio::time::timeout(Duration::from_secs(2), standby.next_batch(10))
            .await
            .is_err();
        (standby, idle)
    });
    for n in 1..40 {
        one.publish(Message::new("run.1.a", n.to_string()))
            .await
            .expect("stored");
        assert_eq!(take(&mut owner, 1).await, [n.to_string()]);
    }
    let (_standby, idle) = within("standby", waiting).await.expect("standby");
    assert!(idle, "the standby was given something");
}

async fn a_dropped_reader_hands_over_at_once(rig: &Rig) {
    let (one, other) = (rig.with_runs().await, rig.connect().await);
    let mut owner = one.consumer(&pinned(15_000)).await.expect("consumer");
    let mut standby = other.consumer(&pinned(15_000)).await.expect("consumer");
    one.publish(Message::new("run.1.a", "0")).await.expect("stored");
    assert_eq!(take(&mut owner, 1).await, ["0"]);
    assert!(is_silent(&mut standby).await);
    drop(owner);
    let left = tokio::time::Instant::now();
    one.publish(Message::new("run.1.a", "1")).await.expect("stored");
    assert_eq!(take(&mut standby, 1).await, ["1"]);
    assert!(left.elapsed() < Duration::from_secs(5), "{:?}", left.elapsed());
}

async fn a_silent_reader_loses_its_pin(rig: &Rig) {
    let (one, other) = (rig.with_runs().await, rig.connect().await);
    let mut owner = one.consumer(&pinned(1_500)).await.expect("consumer");
    one.publish(Message::new("run.1.a", "0")).await.expect("stored");
    assert_eq!(take(&mut owner, 1).await, ["0"]);
    let mut standby = other.consumer(&pinned(1_500)).await.expect("consumer");
    one.publish(Message::new("run.1.a", "1")).await.expect("stored");
    assert_eq!(take(&mut standby, 1).await, ["1"], "the owner does not pull any more");
    // The former owner waits its turn instead of failing.
    assert!(is_silent(&mut owner).await);
    drop(standby);
    one.publish(Message::new("run.1.a", "2")).await.expect("stored");
    assert_eq!(take(&mut owner, 1).await, ["2"]);
}

async fn reset_lets_go_of_the_pin(rig: &Rig) {
    let (one, other) = (rig.with_runs().await, rig.connect().await);
    let mut dead = one.consumer(&pinned(15_000)).await.expect("consumer");
    one.publish(Message::new("run.1.a", "1")).await.expect("stored");
    assert_eq!(next(&mut dead, 1).await.len(), 1);
    let mut heir = other.consumer(&pinned(15_000)).await.expect("consumer");
    assert!(is_silent(&mut heir).await);
    other.reset_consumer("runs", "partition").await.expect("reset");
    assert_eq!(take(&mut heir, 1).await, ["1"]);
}
