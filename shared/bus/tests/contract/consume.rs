//! Durable consumers: acknowledgement, redelivery, sharing.

use std::time::Duration;

use tidemill_bus::{Bus, ConsumerSpec, Error, Message};

use super::rig::{Rig, consumer, is_silent, next, take, text, within};

on_both!(
    acknowledged_messages_do_not_come_again,
    unacknowledged_messages_come_again,
    deliveries_are_not_limited,
    progress_puts_redelivery_off,
    a_delay_is_kept_and_poison_does_not_return,
    a_batch_waits_for_the_first_and_takes_what_is_there,
    nobody_is_given_more_than_asked_for,
    a_cancelled_wait_loses_nothing,
    unacknowledged_messages_are_bounded,
    filters_choose,
    a_consumer_may_start_with_what_comes,
    reset_brings_everything_unacknowledged_back,
    a_deleted_consumer_is_missing,
    a_consumer_is_joined_and_changed,
);

async fn publish(bus: &Bus, payloads: &[&'static str]) {
    for &payload in payloads {
        bus.publish(Message::new("run.1.a", payload)).await.expect("stored");
    }
}

fn impatient(name: &str) -> ConsumerSpec {
    ConsumerSpec {
        ack_wait: Duration::from_millis(400),
        ..consumer(name)
    }
}

async fn acknowledged_messages_do_not_come_again(rig: &Rig) {
    let bus = rig.with_runs().await;
    publish(&bus, &["1", "2"]).await;
    let mut first = bus.consumer(&impatient("c")).await.expect("consumer");
    assert_eq!(take(&mut first, 2).await, ["1", "2"]);
    drop(first);
    let mut second = bus.consumer(&impatient("c")).await.expect("consumer");
    assert!(
        tokio::time::timeout(Duration::from_millis(900), second.next_batch(1))
            .await
            .is_err()
    );
    publish(&bus, &["3"]).await;
    assert_eq!(take(&mut second, 1).await, ["3"]);
}

async fn unacknowledged_messages_come_again(rig: &Rig) {
    let bus = rig.with_runs().await;
    publish(&bus, &["1", "2"]).await;
    let mut consumer = bus.consumer(&impatient("c")).await.expect("consumer");
    let mut batch = next(&mut consumer, 2).await;
    if batch.len() < 2 {
        batch.extend(next(&mut consumer, 1).await);
    }
    assert!(batch.iter().all(|delivery| delivery.delivered == 1));
    batch[0].ack().await;
    let again = next(&mut consumer, 2).await;
    assert_eq!(again.iter().map(text).collect::<Vec<_>>(), ["2"]);
    assert_eq!((again[0].delivered, again[0].message.sequence), (2, 2));
}

async fn deliveries_are_not_limited(rig: &Rig) {
    let bus = rig.with_runs().await;
    publish(&bus, &["1"]).await;
    let mut consumer = bus.consumer(&consumer("c")).await.expect("consumer");
    for expected in 1..=20 {
        let batch = next(&mut consumer, 1).await;
        assert_eq!(batch[0].delivered, expected);
        batch[0].retry_after(Duration::ZERO).await;
    }
}

async fn progress_puts_redelivery_off(rig: &Rig) {
    let bus = rig.with_runs().await;
    publish(&bus, &["1"]).await;
    let mut consumer = bus.consumer(&impatient("c")).await.expect("consumer");
    let batch = next(&mut consumer, 1).await;
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..12 {
        beat.tick().await;
        batch[0].in_progress().await;
    }
    assert!(
        is_silent(&mut consumer).await,
        "kept for 1.4 s with an ack_wait of 0.4 s"
    );
    assert_eq!(next(&mut consumer, 1).await[0].delivered, 2);
}

async fn a_delay_is_kept_and_poison_does_not_return(rig: &Rig) {
    let bus = rig.with_runs().await;
    publish(&bus, &["1"]).await;
    let mut consumer = bus.consumer(&impatient("c")).await.expect("consumer");
    let started = tokio::time::Instant::now();
    next(&mut consumer, 1).await[0]
        .retry_after(Duration::from_millis(700))
        .await;
    let again = next(&mut consumer, 1).await;
    assert!(
        started.elapsed() >= Duration::from_millis(650),
        "{:?}",
        started.elapsed()
    );
    again[0].terminate().await;
    assert!(
        tokio::time::timeout(Duration::from_millis(900), consumer.next_batch(1))
            .await
            .is_err()
    );
    publish(&bus, &["2"]).await;
    assert_eq!(take(&mut consumer, 1).await, ["2"]);
}

async fn a_batch_waits_for_the_first_and_takes_what_is_there(rig: &Rig) {
    let bus = rig.with_runs().await;
    let mut consumer = bus.consumer(&consumer("c")).await.expect("consumer");
    let waiting = tokio::spawn(async move {
        let first = next(&mut consumer, 100).await;
        (consumer, first.len())
    });
    let sent: Vec<_> = (0..300)
        .map(|_| bus.publish_pipelined(Message::new("run.1.a", "x")))
        .collect();
    for answer in sent {
        answer.await.expect("stored");
    }
    let (mut consumer, first) = within("first batch", waiting).await.expect("waiter");
    let (mut seen, mut batches) = (first, 1);
    while seen < 300 {
        seen += next(&mut consumer, 100).await.len();
        batches += 1;
    }
    assert_eq!(seen, 300);
    assert!(batches < 150, "{batches} batches for 300 waiting messages");
}

/// Work must not pile up at a runner with one free slot while another is idle.
async fn nobody_is_given_more_than_asked_for(rig: &Rig) {
    let (one, other) = (rig.with_runs().await, rig.connect().await);
    publish(&one, &["1", "2", "3"]).await;
    let mut greedy = one.consumer(&consumer("c")).await.expect("consumer");
    let mut idle = other.consumer(&consumer("c")).await.expect("consumer");
    let taken = next(&mut greedy, 1).await;
    assert_eq!(taken.len(), 1);
    assert_eq!(take(&mut idle, 2).await, ["2", "3"]);
}

async fn a_cancelled_wait_loses_nothing(rig: &Rig) {
    let bus = rig.with_runs().await;
    let mut consumer = bus.consumer(&consumer("c")).await.expect("consumer");
    assert!(is_silent(&mut consumer).await);
    publish(&bus, &["1", "2", "3"]).await;
    for _ in 0..50 {
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            batch = consumer.next_batch(1) => batch.expect("batch")[0].retry_after(Duration::ZERO).await,
        }
    }
    let mut taken = take(&mut consumer, 3).await;
    taken.sort();
    assert_eq!(taken, ["1", "2", "3"]);
}

async fn unacknowledged_messages_are_bounded(rig: &Rig) {
    let bus = rig.with_runs().await;
    publish(&bus, &["1", "2", "3"]).await;
    let spec = ConsumerSpec {
        max_ack_pending: 2,
        ..consumer("c")
    };
    let mut consumer = bus.consumer(&spec).await.expect("consumer");
    let mut held = next(&mut consumer, 3).await;
    while held.len() < 2 {
        held.extend(next(&mut consumer, 3).await);
    }
    assert_eq!(held.len(), 2);
    assert!(is_silent(&mut consumer).await);
    held[0].ack().await;
    assert_eq!(take(&mut consumer, 1).await, ["3"]);
}

async fn filters_choose(rig: &Rig) {
    let bus = rig.with_runs().await;
    for subject in ["run.1.a", "run.2.a", "run.3.b", "run.4.c"] {
        bus.publish(Message::new(subject, subject)).await.expect("stored");
    }
    let spec = ConsumerSpec {
        filters: vec!["run.*.a".to_owned(), "run.3.>".to_owned()],
        ..consumer("c")
    };
    let mut consumer = bus.consumer(&spec).await.expect("consumer");
    assert_eq!(take(&mut consumer, 3).await, ["run.1.a", "run.2.a", "run.3.b"]);
    assert!(is_silent(&mut consumer).await);
}

async fn a_consumer_may_start_with_what_comes(rig: &Rig) {
    let bus = rig.with_runs().await;
    publish(&bus, &["1"]).await;
    let spec = ConsumerSpec {
        from_start: false,
        ..consumer("c")
    };
    let mut consumer = bus.consumer(&spec).await.expect("consumer");
    publish(&bus, &["2"]).await;
    assert_eq!(take(&mut consumer, 1).await, ["2"]);
}

async fn reset_brings_everything_unacknowledged_back(rig: &Rig) {
    let (dead, heir) = (rig.with_runs().await, rig.connect().await);
    publish(&dead, &["1", "2", "3"]).await;
    let mut lost = dead.consumer(&consumer("c")).await.expect("consumer");
    let mut held = next(&mut lost, 3).await;
    while held.len() < 3 {
        held.extend(next(&mut lost, 3 - held.len()).await);
    }
    // Else its standing request would be served again.
    drop(lost);
    held[0].ack().await;
    let mut consumer = heir.consumer(&consumer("c")).await.expect("consumer");
    assert!(is_silent(&mut consumer).await, "ack_wait is a minute");
    heir.reset_consumer("runs", "c").await.expect("reset");
    assert_eq!(take(&mut consumer, 2).await, ["2", "3"]);
    let missing = heir.reset_consumer("runs", "other").await;
    assert!(matches!(missing, Err(Error::Missing { .. })), "{missing:?}");
}

async fn a_deleted_consumer_is_missing(rig: &Rig) {
    let bus = rig.with_runs().await;
    let mut waiting = bus.consumer(&consumer("c")).await.expect("consumer");
    assert!(is_silent(&mut waiting).await);
    let waiter = tokio::spawn(async move { waiting.next_batch(1).await.err() });
    bus.delete_consumer("runs", "c").await.expect("deleted");
    bus.delete_consumer("runs", "c").await.expect("already deleted");
    let error = within("the end", waiter).await.expect("waiter");
    assert!(
        matches!(error, Some(Error::Missing { what: "consumer", .. })),
        "{error:?}"
    );
}

async fn a_consumer_is_joined_and_changed(rig: &Rig) {
    let bus = rig.with_runs().await;
    publish(&bus, &["1", "2"]).await;
    let mut first = bus.consumer(&consumer("c")).await.expect("made");
    assert_eq!(take(&mut first, 1).await, ["1"]);
    let changed = ConsumerSpec {
        max_ack_pending: 7,
        ..impatient("c")
    };
    let mut second = bus.consumer(&changed).await.expect("changed");
    assert_eq!(take(&mut second, 1).await, ["2"]);
}
