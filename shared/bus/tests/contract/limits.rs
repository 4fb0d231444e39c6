//! What streams refuse, drop and let expire.

use std::time::Duration;

use tidemill_bus::{Discard, Error, Message, Retry, StreamSpec};

use super::rig::{Rig, eventually};

on_both!(
    a_full_stream_says_so_and_keeps_what_it_has,
    discard_old_drops_the_oldest,
    one_message_a_subject_keeps_the_last,
    messages_expire_by_their_own_limit,
    messages_expire_by_the_streams_limit,
    purge_is_by_filter_and_sequence,
    a_stream_can_be_changed_and_deleted,
    subjects_belong_to_one_stream,
);

const KILOBYTE: usize = 1024;

fn small(discard: Discard) -> StreamSpec {
    StreamSpec {
        discard,
        ..StreamSpec::plain("small", &["small.>"], 64 * KILOBYTE as u64)
    }
}

/// A kilobyte that cannot be compressed.
fn noise() -> Vec<u8> {
    std::iter::repeat_with(rand::random).take(KILOBYTE).collect()
}

async fn a_full_stream_says_so_and_keeps_what_it_has(rig: &Rig) {
    let bus = rig.connect().await;
    bus.ensure_stream(&small(Discard::New)).await.expect("stream");
    let mut stored = 0;
    let error = loop {
        match bus.publish(Message::new("small.a", noise())).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 70, "never full");
    };
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(matches!(error.retry(), Retry::After(_)));
    assert!(stored > 50, "{stored}");
    let state = bus.state("small").await.expect("state");
    assert_eq!(
        (state.messages, state.first_sequence, state.last_sequence),
        (stored, 1, stored)
    );

    bus.purge("small", "small.>", Some(10)).await.expect("purged");
    bus.publish(Message::new("small.a", "x")).await.expect("room again");
}

async fn discard_old_drops_the_oldest(rig: &Rig) {
    let bus = rig.connect().await;
    bus.ensure_stream(&small(Discard::Old)).await.expect("stream");
    for _ in 0..100 {
        bus.publish(Message::new("small.a", noise())).await.expect("stored");
    }
    let state = bus.state("small").await.expect("state");
    assert_eq!(state.last_sequence, 100);
    assert!(state.first_sequence > 30, "{state:?}");
    assert!(state.bytes <= 64 * KILOBYTE as u64, "{state:?}");
    assert!(bus.get("small", 1).await.expect("read").is_none());
}

async fn one_message_a_subject_keeps_the_last(rig: &Rig) {
    let bus = rig.connect().await;
    let spec = StreamSpec {
        max_messages_per_subject: 1,
        ..small(Discard::New)
    };
    bus.ensure_stream(&spec).await.expect("stream");
    for n in 0..3 {
        bus.publish(Message::new("small.a", n.to_string()))
            .await
            .expect("stored");
        bus.publish(Message::new("small.b", n.to_string()))
            .await
            .expect("stored");
    }
    let all = bus.read_all("small", ">", 0, false).await.expect("read");
    let seen: Vec<_> = all
        .iter()
        .map(|stored| (stored.subject.as_str(), &stored.payload[..]))
        .collect();
    assert_eq!(seen, [("small.a", &b"2"[..]), ("small.b", b"2")]);
}

async fn messages_expire_by_their_own_limit(rig: &Rig) {
    let bus = rig.connect().await;
    let spec = StreamSpec {
        message_ttl: true,
        ..small(Discard::New)
    };
    bus.ensure_stream(&spec).await.expect("stream");
    bus.publish(Message::new("small.kept", "x")).await.expect("stored");
    bus.publish(Message::new("small.gone", "x").expiring(Duration::from_millis(1)))
        .await
        .expect("stored");
    assert!(
        bus.last("small", "small.gone").await.expect("read").is_some(),
        "at least one second"
    );
    eventually("expiry", async || {
        bus.last("small", "small.gone")
            .await
            .expect("read")
            .is_none()
            .then_some(())
    })
    .await;
    assert!(bus.last("small", "small.kept").await.expect("read").is_some());
}

async fn messages_expire_by_the_streams_limit(rig: &Rig) {
    let bus = rig.connect().await;
    let spec = StreamSpec {
        max_age: Some(Duration::from_secs(1)),
        ..small(Discard::New)
    };
    bus.ensure_stream(&spec).await.expect("stream");
    bus.publish(Message::new("small.a", "x")).await.expect("stored");
    eventually("expiry", async || {
        bus.last("small", "small.a")
            .await
            .expect("read")
            .is_none()
            .then_some(())
    })
    .await;
    assert_eq!(bus.last_sequence("small").await.expect("last sequence"), 1);
    let refused = bus
        .publish(Message::new("small.a", "x").expiring(Duration::from_secs(1)))
        .await;
    assert!(
        matches!(refused, Err(Error::Refused { code: 10166, .. })),
        "{refused:?}"
    );
}

async fn purge_is_by_filter_and_sequence(rig: &Rig) {
    let bus = rig.with_runs().await;
    for n in 0..10 {
        bus.publish(Message::new(format!("run.{}.a", n % 2), n.to_string()))
            .await
            .expect("stored");
    }
    assert_eq!(bus.purge("runs", "run.0.>", Some(6)).await.expect("purged"), 3);
    assert_eq!(bus.purge("runs", "run.0.>", None).await.expect("purged"), 2);
    assert_eq!(bus.purge("runs", "run.0.>", None).await.expect("purged"), 0);
    assert_eq!(bus.read_all("runs", "run.>", 0, false).await.expect("read").len(), 5);
    assert_eq!(bus.purge("runs", ">", None).await.expect("purged"), 5);
    let state = bus.state("runs").await.expect("state");
    assert_eq!((state.messages, state.first_sequence, state.last_sequence), (0, 11, 10));
    let missing = bus.purge("nothing", ">", None).await;
    assert!(
        matches!(missing, Err(Error::Missing { what: "stream", .. })),
        "{missing:?}"
    );
}

async fn a_stream_can_be_changed_and_deleted(rig: &Rig) {
    let bus = rig.connect().await;
    bus.ensure_stream(&small(Discard::New)).await.expect("made");
    bus.publish(Message::new("small.a", "x")).await.expect("stored");
    let wider = StreamSpec {
        max_bytes: 1024 * KILOBYTE as u64,
        subjects: vec!["small.>".to_owned(), "tiny.>".to_owned()],
        ..small(Discard::New)
    };
    let created = bus.state("small").await.expect("state").created;
    bus.ensure_stream(&wider).await.expect("changed");
    bus.ensure_stream(&wider).await.expect("the same again");
    assert_eq!(bus.publish(Message::new("tiny.a", "x")).await.expect("stored"), 2);
    assert_eq!(bus.state("small").await.expect("state").created, created);
    bus.delete_stream("small").await.expect("deleted");
    bus.delete_stream("small").await.expect("already deleted");
    let gone = bus.state("small").await;
    assert!(matches!(gone, Err(Error::Missing { what: "stream", .. })), "{gone:?}");
}

async fn subjects_belong_to_one_stream(rig: &Rig) {
    let bus = rig.with_runs().await;
    let outcome = bus
        .ensure_stream(&StreamSpec::plain("other", &["run.1.>"], 1_000))
        .await;
    assert!(
        matches!(outcome, Err(Error::Refused { code: 10065, .. })),
        "{outcome:?}"
    );
    let unlimited = bus.ensure_stream(&StreamSpec::plain("other", &["other.>"], 0)).await;
    assert!(matches!(unlimited, Err(Error::Invalid { .. })), "{unlimited:?}");
}
