//! Compare-and-set.

use tidemill_bus::{Error, Message, Retry};

use super::rig::Rig;

on_both!(
    a_moved_subject_is_a_conflict,
    the_expectation_is_about_the_literal_subject_only,
    a_hundred_racers_have_one_winner,
    pipelined_expectations_hold,
    a_lost_answer_is_found_by_reading_back,
    a_purged_subject_is_empty_again,
);

async fn a_moved_subject_is_a_conflict(rig: &Rig) {
    let bus = rig.with_runs().await;
    let first = bus
        .publish(Message::new("run.1.a", "1").expecting(0))
        .await
        .expect("empty subject");
    let second = bus
        .publish(Message::new("run.1.a", "2").expecting(first))
        .await
        .expect("last known");
    for stale in [0, first, second + 1] {
        let outcome = bus.publish(Message::new("run.1.a", "3").expecting(stale)).await;
        let error = outcome.expect_err("stale");
        assert!(error.is_conflict(), "{error}");
        assert_eq!(error.retry(), Retry::Reload);
        assert!(matches!(error, Error::Conflict { subject, expected } if subject == "run.1.a" && expected == stale));
    }
    assert_eq!(bus.last_sequence("runs").await.expect("last sequence"), second);
}

async fn the_expectation_is_about_the_literal_subject_only(rig: &Rig) {
    let bus = rig.with_runs().await;
    let first = bus.publish(Message::new("run.1.a", "1")).await.expect("stored");
    bus.publish(Message::new("run.1.b", "other")).await.expect("stored");
    bus.publish(Message::new("run.2.a", "other").expecting(0))
        .await
        .expect("its own subject is empty");
    bus.publish(Message::new("run.1.a", "2").expecting(first))
        .await
        .expect("others do not matter");
}

async fn a_hundred_racers_have_one_winner(rig: &Rig) {
    let buses = [rig.with_runs().await, rig.connect().await, rig.connect().await];
    let racers: Vec<_> = (0..100)
        .map(|racer| {
            let bus = buses[racer % buses.len()].clone();
            tokio::spawn(async move {
                bus.publish(Message::new("run.1.claim", racer.to_string()).expecting(0))
                    .await
            })
        })
        .collect();
    let mut winners = Vec::new();
    for (racer, outcome) in racers.into_iter().enumerate() {
        match outcome.await.expect("racer") {
            Ok(_) => winners.push(racer.to_string()),
            Err(error) => assert!(error.is_conflict(), "{error}"),
        }
    }
    let stored = buses[0].read_all("runs", "run.1.claim", 0, false).await.expect("read");
    let payloads: Vec<_> = stored
        .iter()
        .map(|one| String::from_utf8_lossy(&one.payload).into_owned())
        .collect();
    assert_eq!(payloads, winners);
    assert_eq!(winners.len(), 1);
}

async fn pipelined_expectations_hold(rig: &Rig) {
    let bus = rig.with_runs().await;
    let once: Vec<_> = (0..50).map(|n| bus.publish_pipelined(task(n))).collect();
    let again: Vec<_> = (0..50).map(|n| bus.publish_pipelined(task(n))).collect();
    for answer in once {
        answer.await.expect("first time");
    }
    for answer in again {
        assert!(answer.await.expect_err("second time").is_conflict());
    }
    assert_eq!(bus.last_sequence("runs").await.expect("last sequence"), 50);
}

fn task(n: usize) -> Message {
    Message::new(format!("run.1.task.{n}"), "start").expecting(0)
}

/// The caller whose answer was lost sends again, meets its own message and finds its id in it.
async fn a_lost_answer_is_found_by_reading_back(rig: &Rig) {
    let bus = rig.with_runs().await;
    let decision = Message::new("run.1.decision", "d")
        .header("Decision", "d-1")
        .expecting(0);
    drop(bus.publish_pipelined(decision.clone()));
    let stored = super::rig::eventually("the first try", async || {
        bus.last("runs", "run.1.decision").await.expect("read")
    })
    .await;
    let retried = bus.publish(decision).await;
    assert!(retried.expect_err("already there").is_conflict());
    assert_eq!(stored.header("Decision"), Some("d-1"));
    assert_eq!(bus.last_sequence("runs").await.expect("last sequence"), 1);
}

async fn a_purged_subject_is_empty_again(rig: &Rig) {
    let bus = rig.with_runs().await;
    bus.publish(Message::new("run.1.a", "1").expecting(0))
        .await
        .expect("stored");
    assert_eq!(bus.purge("runs", "run.1.>", None).await.expect("purged"), 1);
    bus.publish(Message::new("run.1.a", "2").expecting(0))
        .await
        .expect("empty again");
}
