//! Reading: last, by sequence, all there is, and on and on.

use tidemill_bus::{Error, Message};

use super::rig::{Rig, SILENCE, within};

on_both!(
    last_is_by_subject_or_filter,
    what_is_not_there_is_none,
    a_stream_that_is_not_there_is_missing,
    read_all_ends_with_what_was_there,
    read_all_misses_nothing_that_was_acknowledged,
    a_reader_starts_where_told_and_goes_on,
    a_reader_may_leave_payloads,
    a_reader_passes_what_was_purged,
    a_reader_keeps_order_over_many,
    a_reader_ends_with_its_stream,
);

async fn last_is_by_subject_or_filter(rig: &Rig) {
    let bus = rig.with_runs().await;
    for n in 0..4 {
        bus.publish(Message::new(format!("run.{}.a", n % 2), n.to_string()))
            .await
            .expect("stored");
    }
    let last = bus.last("runs", "run.0.a").await.expect("read").expect("there");
    assert_eq!((last.sequence, &last.payload[..]), (3, &b"2"[..]));
    let last = bus.last("runs", "run.*.a").await.expect("read").expect("there");
    assert_eq!((last.sequence, last.subject.as_str()), (4, "run.1.a"));
}

async fn what_is_not_there_is_none(rig: &Rig) {
    let bus = rig.with_runs().await;
    bus.publish(Message::new("run.1.a", "x")).await.expect("stored");
    assert_eq!(bus.last("runs", "run.2.a").await.expect("read"), None);
    assert_eq!(bus.get("runs", 2).await.expect("read"), None);
    bus.purge("runs", "run.1.a", None).await.expect("purged");
    assert_eq!(bus.get("runs", 1).await.expect("read"), None);
    assert!(bus.read_all("runs", ">", 0, false).await.expect("read").is_empty());
}

async fn a_stream_that_is_not_there_is_missing(rig: &Rig) {
    let bus = rig.connect().await;
    let missing = |error: Error| assert!(matches!(error, Error::Missing { what: "stream", .. }), "{error}");
    missing(bus.last("runs", "run.1.a").await.expect_err("last"));
    missing(bus.get("runs", 1).await.expect_err("get"));
    missing(bus.last_sequence("runs").await.expect_err("last sequence"));
    missing(bus.read_all("runs", ">", 0, false).await.expect_err("read all"));
    missing(bus.reader("runs", ">", 0, false).await.err().expect("reader"));
    missing(bus.consumer(&super::rig::consumer("c")).await.err().expect("consumer"));
}

async fn read_all_ends_with_what_was_there(rig: &Rig) {
    let bus = rig.with_runs().await;
    for n in 0..300 {
        drop(bus.publish_pipelined(Message::new(format!("run.{}.a", n % 3), vec![b'x'; 100])));
    }
    bus.publish(Message::new("run.other", "x").header("Kind", "Mark"))
        .await
        .expect("stored");
    let all = within("read", bus.read_all("runs", "run.1.a", 0, false))
        .await
        .expect("read");
    assert_eq!(all.len(), 100);
    assert!(
        all.iter()
            .all(|stored| stored.subject == "run.1.a" && stored.payload.len() == 100)
    );
    let later = bus.read_all("runs", "run.*.a", 151, true).await.expect("read");
    assert_eq!(
        later.iter().map(|stored| stored.sequence).collect::<Vec<_>>(),
        (151..=300).collect::<Vec<_>>()
    );
    assert!(later.iter().all(|stored| stored.payload.is_empty()));
    let mark = bus.read_all("runs", "run.other", 0, true).await.expect("read");
    assert_eq!(mark[0].header("Kind"), Some("Mark"));
    assert!(bus.read_all("runs", ">", 302, false).await.expect("read").is_empty());
}

/// A fetch right after an acknowledgement may find nothing on the server; `read_all` must not.
async fn read_all_misses_nothing_that_was_acknowledged(rig: &Rig) {
    let bus = rig.with_runs().await;
    for n in 1..=100 {
        bus.publish(Message::new("run.1.a", "x")).await.expect("stored");
        assert_eq!(
            bus.read_all("runs", "run.1.a", n, false).await.expect("read").len(),
            1,
            "message {n}"
        );
    }
}

async fn a_reader_starts_where_told_and_goes_on(rig: &Rig) {
    let bus = rig.with_runs().await;
    for n in 1..=4 {
        bus.publish(Message::new("run.1.a", n.to_string()))
            .await
            .expect("stored");
    }
    let mut from_three = bus.reader("runs", "run.1.>", 3, false).await.expect("reader");
    let mut from_start = bus.reader("runs", "run.1.>", 0, false).await.expect("reader");
    bus.publish(Message::new("run.2.a", "other")).await.expect("stored");
    bus.publish(Message::new("run.1.a", "6")).await.expect("stored");
    for expected in [3, 4, 6] {
        assert_eq!(
            within("message", from_three.next()).await.expect("message").sequence,
            expected
        );
    }
    for expected in [1, 2, 3, 4, 6] {
        assert_eq!(
            within("message", from_start.next()).await.expect("message").sequence,
            expected
        );
    }
    assert!(
        tokio::time::timeout(SILENCE, from_three.next()).await.is_err(),
        "nothing more"
    );
    bus.publish(Message::new("run.1.a", "7")).await.expect("stored");
    assert_eq!(within("message", from_three.next()).await.expect("message").sequence, 7);
}

async fn a_reader_may_leave_payloads(rig: &Rig) {
    let bus = rig.with_runs().await;
    bus.publish(Message::new("run.1.a", "large").header("Kind", "Run"))
        .await
        .expect("stored");
    let mut reader = bus.reader("runs", ">", 0, true).await.expect("reader");
    let stored = within("message", reader.next()).await.expect("message");
    assert_eq!((stored.header("Kind"), stored.payload.len()), (Some("Run"), 0));
}

async fn a_reader_passes_what_was_purged(rig: &Rig) {
    let bus = rig.with_runs().await;
    for n in 1..=6 {
        bus.publish(Message::new(format!("run.{}.a", n % 2), "x"))
            .await
            .expect("stored");
    }
    bus.purge("runs", "run.0.a", None).await.expect("purged");
    let mut reader = bus.reader("runs", "run.>", 0, false).await.expect("reader");
    for expected in [1, 3, 5] {
        assert_eq!(
            within("message", reader.next()).await.expect("message").sequence,
            expected
        );
    }
}

async fn a_reader_keeps_order_over_many(rig: &Rig) {
    let bus = rig.with_runs().await;
    let mut reader = bus.reader("runs", ">", 0, false).await.expect("reader");
    let writer = bus.clone();
    let written = tokio::spawn(async move {
        for n in 0..3_000 {
            drop(writer.publish_pipelined(Message::new(format!("run.{}.a", n % 7), vec![b'x'; 200])));
        }
    });
    for expected in 1..=3_000 {
        assert_eq!(
            within("message", reader.next()).await.expect("message").sequence,
            expected
        );
    }
    written.await.expect("writer");
}

async fn a_reader_ends_with_its_stream(rig: &Rig) {
    let bus = rig.with_runs().await;
    let mut reader = bus.reader("runs", ">", 0, false).await.expect("reader");
    bus.delete_stream("runs").await.expect("deleted");
    let outcome = within("the end", reader.next()).await;
    assert!(
        matches!(outcome, Err(Error::Missing { what: "stream", .. })),
        "{outcome:?}"
    );
}
