//! What survives the death of the server, and of the connection to it.

use std::collections::BTreeMap;
use std::time::Duration;

use tidemill_bus::{Bus, Connect, Consumer, Error, Message, Reader, Retry};
use tidemill_kit::NatsServer;
use tokio::time::Instant;

use super::rig::{PATIENCE, consumer, eventually, next, runs, take, within};

async fn server_with_runs() -> (NatsServer, Bus) {
    let server = NatsServer::start().expect("nats-server");
    let bus = Bus::connect(Connect::new(server.url())).await.expect("connected");
    bus.ensure_stream(&runs()).await.expect("stream");
    (server, bus)
}

/// Publishes once, however often the server dies meanwhile: the rule every caller follows.
async fn publish_once(bus: &Bus, subject: &str, id: &str) -> u64 {
    let message = Message::new(subject, id.to_owned()).header("Id", id).expecting(0);
    let until_stored = async {
        loop {
            let error = match bus.publish(message.clone()).await {
                Ok(sequence) => return sequence,
                Err(error) => error,
            };
            assert!(!matches!(error.retry(), Retry::Never), "{error}");
            match bus.last("runs", subject).await {
                Ok(Some(stored)) => {
                    assert_eq!(stored.header("Id"), Some(id));
                    return stored.sequence;
                }
                Ok(None) => {}
                Err(error) => assert!(!matches!(error.retry(), Retry::Never), "{error}"),
            }
        }
    };
    within("a stored message", until_stored).await
}

async fn read_until(reader: &mut Reader, last: u64) -> Vec<u64> {
    let mut seen = Vec::new();
    while seen.last() != Some(&last) {
        seen.push(
            within("the next message", reader.next())
                .await
                .expect("message")
                .sequence,
        );
    }
    seen
}

async fn handle_until(consumer: &mut Consumer, count: usize) -> BTreeMap<u64, u64> {
    let mut seen = BTreeMap::new();
    while seen.len() < count {
        for delivery in next(consumer, 50).await {
            *seen.entry(delivery.message.sequence).or_default() += 1;
            delivery.ack().await;
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_it_acknowledged() {
    const MESSAGES: usize = 600;
    let (mut server, bus) = server_with_runs().await;
    let mut reader = bus.reader("runs", "run.>", 0, false).await.expect("reader");
    let mut worker = bus.consumer(&consumer("c")).await.expect("consumer");
    let publisher = {
        let bus = bus.clone();
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0..MESSAGES {
                acknowledged.push((publish_once(&bus, &format!("run.1.{n}"), &n.to_string()).await, n));
            }
            acknowledged
        })
    };
    let handled = tokio::spawn(async move { handle_until(&mut worker, MESSAGES).await });
    for round in 1..=2_u64 {
        let witness = Bus::connect(Connect::new(server.url())).await.expect("connected");
        eventually("some progress", async || {
            (witness.last_sequence("runs").await.expect("last sequence") > round * 150).then_some(())
        })
        .await;
        server.kill().expect("killed");
        server.restart().expect("restarted");
    }
    let acknowledged = within("all acknowledged", publisher).await.expect("publisher");
    let last = acknowledged.last().expect("some").0;
    let read = read_until(&mut reader, last).await;
    assert_eq!(
        read,
        (1..=last).collect::<Vec<_>>(),
        "the reader has a gap or a repetition"
    );
    for (sequence, n) in acknowledged {
        let stored = bus
            .get("runs", sequence)
            .await
            .expect("read")
            .expect("acknowledged, so stored");
        assert_eq!(stored.header("Id"), Some(n.to_string().as_str()));
    }
    let handled = within("all handled", handled).await.expect("worker");
    assert_eq!(
        handled.keys().copied().collect::<Vec<_>>(),
        (1..=last).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_goes_on_after_a_restart() {
    let (mut server, bus) = server_with_runs().await;
    let mut reader = bus.reader("runs", "run.>", 0, false).await.expect("reader");
    let mut worker = bus.consumer(&consumer("c")).await.expect("consumer");
    let mut hints = bus.subscribe("hint", None).await.expect("subscription");
    publish_once(&bus, "run.1.0", "before").await;
    assert_eq!(take(&mut worker, 1).await, ["before"]);
    assert_eq!(read_until(&mut reader, 1).await, [1]);
    let waiting = tokio::spawn(async move {
        let read = read_until(&mut reader, 2).await;
        (
            read,
            take(&mut worker, 1).await,
            within("hint", hints.next()).await.expect("hint"),
        )
    });
    let mut connected = bus.connected();
    server.stop().expect("stopped");
    within("the loss", connected.wait_for(|up| !up)).await.expect("state");
    server.restart().expect("restarted");
    within("the return", connected.wait_for(|up| *up)).await.expect("state");
    let returned = Instant::now();
    publish_once(&bus, "run.1.1", "after").await;
    bus.notify(Message::new("hint", "x")).await.expect("sent");
    let (read, taken, hint) = within("those who waited", waiting).await.expect("waiters");
    assert_eq!(
        (read, taken, hint.subject.as_str()),
        (vec![2], vec!["after".to_owned()], "hint")
    );
    assert!(returned.elapsed() < Duration::from_secs(3), "{:?}", returned.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expectation_of_zero_outlives_server_and_acknowledgement() {
    let (mut server, bus) = server_with_runs().await;
    let mut worker = bus.consumer(&consumer("c")).await.expect("consumer");
    bus.publish(Message::new("run.1.task.a", "start").expecting(0))
        .await
        .expect("stored");
    assert_eq!(take(&mut worker, 1).await, ["start"]);
    server.kill().expect("killed");
    server.restart().expect("restarted");
    let again = within("refusal", async {
        loop {
            match bus.publish(Message::new("run.1.task.a", "start").expecting(0)).await {
                Err(Error::Unknown { .. } | Error::Disconnected { .. }) => {}
                outcome => return outcome,
            }
        }
    })
    .await;
    assert!(again.expect_err("already stored").is_conflict());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_server_is_away_calls_wait_and_say_so() {
    let (mut server, patient) = server_with_runs().await;
    let mut options = Connect::new(server.url());
    options.request_timeout = Duration::from_millis(300);
    let hasty = Bus::connect(options).await.expect("connected");
    server.kill().expect("killed");
    for bus in [&patient, &hasty] {
        within("the loss", bus.connected().wait_for(|up| !up))
            .await
            .expect("state");
    }
    let pipelined = hasty.publish_pipelined(Message::new("run.1.a", "x")).await;
    assert!(matches!(pipelined, Err(Error::Disconnected { .. })), "{pipelined:?}");
    let published = within("publish", hasty.publish(Message::new("run.1.a", "x"))).await;
    assert!(
        matches!(published, Err(Error::Disconnected { .. })),
        "never sent: {published:?}"
    );
    let read = within("read", hasty.last("runs", "run.1.a")).await;
    assert!(matches!(read, Err(Error::Disconnected { .. })), "{read:?}");
    let waiting = tokio::spawn(async move { patient.publish(Message::new("run.1.a", "y")).await });
    server.restart().expect("restarted");
    assert_eq!(within("publish", waiting).await.expect("publisher").expect("stored"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_unknown_and_reading_back_decides() {
    let (server, witness) = server_with_runs().await;
    let mut options = Connect::new(server.url());
    options.request_timeout = Duration::from_millis(300);
    let bus = Bus::connect(options).await.expect("connected");
    server.freeze().expect("frozen");
    let silent = bus
        .publish(Message::new("run.1.a", "x").header("Id", "7").expecting(0))
        .await;
    assert!(matches!(silent, Err(Error::Unknown { .. })), "{silent:?}");
    assert_eq!(silent.expect_err("unknown").retry(), Retry::ReadBack);
    server.thaw().expect("thawed");
    let stored = eventually("the late message", async || {
        witness.last("runs", "run.1.a").await.expect("read")
    })
    .await;
    assert_eq!(stored.header("Id"), Some("7"));
    let again = bus
        .publish(Message::new("run.1.a", "x").header("Id", "7").expecting(0))
        .await;
    assert!(again.expect_err("already stored").is_conflict());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_ends_what_was_under_way_at_once() {
    let (mut server, bus) = server_with_runs().await;
    server.freeze().expect("frozen");
    let started = Instant::now();
    let under_way = bus.publish_pipelined(Message::new("run.1.a", "x"));
    server.kill().expect("killed");
    let outcome = within("the outcome", under_way).await;
    assert!(matches!(outcome, Err(Error::Unknown { .. })), "{outcome:?}");
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "waited {:?} for a dead server",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_consumer_finds_an_owner_after_a_crash() {
    let (mut server, bus) = server_with_runs().await;
    let mut spec = consumer("partition");
    spec.pinned = Some(Duration::from_secs(2));
    let mut owner = bus.consumer(&spec).await.expect("consumer");
    publish_once(&bus, "run.1.0", "0").await;
    assert_eq!(take(&mut owner, 1).await, ["0"]);
    server.kill().expect("killed");
    server.restart().expect("restarted");
    publish_once(&bus, "run.1.1", "1").await;
    // The crash may have taken the acknowledgement with it.
    let taken = take(&mut owner, 1).await;
    if taken == ["0"] {
        assert_eq!(take(&mut owner, 1).await, ["1"]);
    } else {
        assert_eq!(taken, ["1"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_survives_a_crash() {
    let (mut server, bus) = server_with_runs().await;
    let mut spec = tidemill_bus::StreamSpec::plain("timers", &["timer.>", "due.>"], 1_000_000);
    spec.schedules = true;
    bus.ensure_stream(&spec).await.expect("stream");
    let at = bus.now() + jiff::SignedDuration::from_millis(800);
    bus.schedule("timer.1", "due.1", at, "look".into())
        .await
        .expect("scheduled");
    let mut due = bus.reader("timers", "due.>", 0, false).await.expect("reader");
    server.kill().expect("killed");
    server.restart().expect("restarted");
    let fired = within("timer", due.next()).await.expect("fired");
    assert_eq!(&fired.payload[..], b"look");
    assert!(bus.now() >= at);
    assert!(
        tokio::time::timeout(Duration::from_millis(600), due.next())
            .await
            .is_err(),
        "fired twice"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_answers_is_said_within_the_first_patience() {
    let mut server = NatsServer::start().expect("nats-server");
    server.kill().expect("killed");
    let mut options = Connect::new(server.url());
    options.first_connection_timeout = Duration::from_millis(200);
    let outcome = within("connect", Bus::connect(options.clone())).await.err();
    assert!(
        matches!(outcome, Some(Error::Disconnected { source: Some(_), .. })),
        "{outcome:?}"
    );
    options.first_connection_timeout = PATIENCE;
    let coming = tokio::spawn(Bus::connect(options));
    server.restart().expect("restarted");
    assert!(
        within("connect", coming).await.expect("connecting").is_ok(),
        "waits for a server that comes up"
    );
}
