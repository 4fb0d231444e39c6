//! Publishing: order, headers, limits of a message.

use tidemill_bus::{Error, MAX_MESSAGE_BYTES, Message};

use super::rig::{Rig, within};

on_both!(
    sequences_count_up,
    pipelined_publishes_keep_their_order,
    headers_and_payload_come_back,
    steering_headers_are_refused,
    the_largest_message_is_stored_and_a_larger_one_refused,
    malformed_subjects_are_refused,
    a_subject_without_a_stream_is_missing,
);

async fn sequences_count_up(rig: &Rig) {
    let bus = rig.with_runs().await;
    for expected in 1..=3 {
        let sequence = bus.publish(Message::new("run.1.a", "x")).await.expect("stored");
        assert_eq!(sequence, expected);
    }
    assert_eq!(bus.last_sequence("runs").await.expect("last sequence"), 3);
}

async fn pipelined_publishes_keep_their_order(rig: &Rig) {
    let bus = rig.with_runs().await;
    let sent: Vec<_> = (0..1_000)
        .map(|n| bus.publish_pipelined(Message::new("run.1.a", n.to_string())))
        .collect();
    for (answer, expected) in sent.into_iter().zip(1..) {
        assert_eq!(within("ack", answer).await.expect("stored"), expected);
    }
    let all = bus.read_all("runs", "run.>", 0, false).await.expect("read");
    let payloads: Vec<_> = all
        .iter()
        .map(|stored| String::from_utf8_lossy(&stored.payload).into_owned())
        .collect();
    assert_eq!(payloads, (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>());
}

async fn headers_and_payload_come_back(rig: &Rig) {
    let bus = rig.with_runs().await;
    let message = Message::new("run.1.a", "hello")
        .header("Kind", "Task")
        .header("traceparent", "00-ab-cd-01");
    let sequence = bus.publish(message).await.expect("stored");
    let stored = bus.get("runs", sequence).await.expect("read").expect("there");
    assert_eq!(stored.subject, "run.1.a");
    assert_eq!(&stored.payload[..], b"hello");
    assert_eq!(stored.header("Kind"), Some("Task"));
    assert_eq!(stored.header("traceparent"), Some("00-ab-cd-01"));
    bus.publish(
        Message::new("run.1.b", "x")
            .header("b", "2")
            .header("a", "1")
            .expecting(0),
    )
    .await
    .expect("stored");
    let read = bus.read_all("runs", "run.1.b", 0, false).await.expect("read");
    let names: Vec<_> = read[0].headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b"], "by name, and nothing of the server's");
    assert!(
        (bus.now().as_second() - stored.time.as_second()).abs() < 60,
        "{}",
        stored.time
    );
}

async fn steering_headers_are_refused(rig: &Rig) {
    let bus = rig.with_runs().await;
    for name in [
        "Nats-Rollup",
        "nats-schedule",
        "Nats-Expected-Last-Sequence",
        "bad name",
        "",
    ] {
        let outcome = bus.publish(Message::new("run.1.a", "x").header(name, "all")).await;
        assert!(
            matches!(outcome, Err(Error::Invalid { what: "header", .. })),
            "{name}: {outcome:?}"
        );
    }
    let two_lines = bus
        .publish(Message::new("run.1.a", "x").header("Kind", "a\r\nNats-Rollup: all"))
        .await;
    assert!(matches!(two_lines, Err(Error::Invalid { .. })), "{two_lines:?}");
    assert_eq!(bus.last_sequence("runs").await.expect("last sequence"), 0);
}

async fn the_largest_message_is_stored_and_a_larger_one_refused(rig: &Rig) {
    let bus = rig.with_runs().await;
    bus.publish(Message::new("run.1.a", vec![7; MAX_MESSAGE_BYTES]))
        .await
        .expect("stored");
    let outcome = bus
        .publish(Message::new("run.1.a", vec![7; MAX_MESSAGE_BYTES + 1]))
        .await;
    assert!(matches!(outcome, Err(Error::TooLarge { .. })), "{outcome:?}");
    let outcome = bus
        .publish_pipelined(Message::new("run.1.a", vec![7; MAX_MESSAGE_BYTES + 1]))
        .await;
    assert!(matches!(outcome, Err(Error::TooLarge { .. })), "{outcome:?}");
    assert_eq!(bus.last_sequence("runs").await.expect("last sequence"), 1);
}

async fn malformed_subjects_are_refused(rig: &Rig) {
    let bus = rig.with_runs().await;
    for subject in ["", "run.*.a", "run.>", "run..a", "run. a", "$JS.API.INFO"] {
        let outcome = bus.publish(Message::new(subject, "x")).await;
        assert!(matches!(outcome, Err(Error::Invalid { .. })), "{subject}: {outcome:?}");
    }
}

async fn a_subject_without_a_stream_is_missing(rig: &Rig) {
    let bus = rig.connect().await;
    let outcome = within("refusal", bus.publish(Message::new("nowhere.1", "x"))).await;
    assert!(
        matches!(outcome, Err(Error::Missing { what: "stream", .. })),
        "{outcome:?}"
    );
}
