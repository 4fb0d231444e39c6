//! Core messages and the end of a connection.

use std::time::Duration;

use tidemill_bus::{Error, Message};

use super::rig::{Rig, within};

on_both!(
    hints_reach_every_subscriber,
    a_queue_group_shares,
    stored_messages_are_heard_too,
    a_closed_bus_is_disconnected,
);

async fn hints_reach_every_subscriber(rig: &Rig) {
    let (one, other) = (rig.connect().await, rig.connect().await);
    let mut all = one.subscribe("hint.>", None).await.expect("subscription");
    let mut some = other.subscribe("hint.*.x", None).await.expect("subscription");
    one.notify(Message::new("hint.1.y", "1")).await.expect("sent");
    one.notify(Message::new("hint.1.x", "2").header("Kind", "Hint"))
        .await
        .expect("sent");
    let heard = within("hint", some.next()).await.expect("hint");
    assert_eq!(
        (heard.sequence, heard.header("Kind"), &heard.payload[..]),
        (0, Some("Hint"), &b"2"[..])
    );
    for expected in ["hint.1.y", "hint.1.x"] {
        assert_eq!(within("hint", all.next()).await.expect("hint").subject, expected);
    }
}

async fn a_queue_group_shares(rig: &Rig) {
    let bus = rig.connect().await;
    let mut members = Vec::new();
    for _ in 0..2 {
        members.push(bus.subscribe("work", Some("group")).await.expect("subscription"));
    }
    let mut audit = bus.subscribe("work", None).await.expect("subscription");
    for n in 0..20 {
        bus.notify(Message::new("work", n.to_string())).await.expect("sent");
    }
    for _ in 0..20 {
        within("audit", audit.next()).await.expect("hint");
    }
    let mut heard = 0;
    for member in &mut members {
        while tokio::time::timeout(Duration::from_millis(200), member.next())
            .await
            .is_ok()
        {
            heard += 1;
        }
    }
    assert_eq!(heard, 20);
}

async fn stored_messages_are_heard_too(rig: &Rig) {
    let bus = rig.with_runs().await;
    let mut hints = bus.subscribe("run.1.*", None).await.expect("subscription");
    bus.publish(Message::new("run.1.a", "stored")).await.expect("stored");
    assert_eq!(within("hint", hints.next()).await.expect("hint").subject, "run.1.a");
    bus.notify(Message::new("run.1.b", "stored too")).await.expect("sent");
    super::rig::eventually("the stream listens", async || {
        bus.last("runs", "run.1.b").await.expect("read")
    })
    .await;
}

async fn a_closed_bus_is_disconnected(rig: &Rig) {
    let (bus, witness) = (rig.with_runs().await, rig.connect().await);
    let mut connected = bus.connected();
    assert!(*connected.borrow_and_update());
    let mut hints = bus.subscribe("hint", None).await.expect("subscription");
    let mut reader = bus.reader("runs", ">", 0, false).await.expect("reader");
    let sent: Vec<_> = (0..50)
        .map(|_| bus.publish_pipelined(Message::new("run.1.a", "x")))
        .collect();
    bus.close(Duration::from_secs(5)).await;
    drop(sent);
    assert_eq!(
        witness.last_sequence("runs").await.expect("last sequence"),
        50,
        "close flushes"
    );
    within("state", connected.wait_for(|up| !up)).await.expect("state");
    let gone = |outcome: Result<(), Error>| assert!(matches!(outcome, Err(Error::Disconnected { .. })), "{outcome:?}");
    gone(
        within("publish", bus.publish(Message::new("run.1.a", "x")))
            .await
            .map(drop),
    );
    gone(
        within("pipelined", bus.publish_pipelined(Message::new("run.1.a", "x")))
            .await
            .map(drop),
    );
    gone(within("last", bus.last("runs", "run.1.a")).await.map(drop));
    gone(within("notify", bus.notify(Message::new("hint", "x"))).await);
    gone(within("hints", hints.next()).await.map(drop));
    let end = async {
        loop {
            if let Err(error) = reader.next().await {
                return error;
            }
        }
    };
    gone(Err(within("reader", end).await));
}
