//! What we know of the real server and rely on: each has bitten somebody.

use std::time::Duration;

use async_nats::HeaderMap;
use tidemill_bus::{Bus, Connect, Error, Message, Persistence, StreamSpec};
use tidemill_kit::NatsServer;

use super::rig::{consumer, eventually, next, runs, take, within};

async fn server_with_runs() -> (NatsServer, Bus) {
    let server = NatsServer::start().expect("nats-server");
    let bus = Bus::connect(Connect::new(server.url())).await.expect("connected");
    bus.ensure_stream(&runs()).await.expect("stream");
    (server, bus)
}

/// Whoever may publish into a plain stream can neither wipe it nor forge other subjects.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_stream_refuses_steering_headers() {
    let (server, bus) = server_with_runs().await;
    bus.publish(Message::new("run.2.a", "precious")).await.expect("stored");
    let raw = async_nats::connect(server.url()).await.expect("raw client");
    for (name, value) in [
        ("Nats-Rollup", "all"),
        ("Nats-Rollup", "sub"),
        ("Nats-Schedule", "@at 2020-01-01T00:00:00Z"),
        ("Nats-TTL", "1s"),
        ("Nats-Batch-Id", "b"),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        headers.insert("Nats-Schedule-Target", "run.2.forged");
        headers.insert("Nats-Batch-Sequence", "1");
        headers.insert("Nats-Batch-Commit", "1");
        let answer = raw
            .request_with_headers("run.1.a", headers, "x".into())
            .await
            .expect("answer");
        let answer = String::from_utf8_lossy(&answer.payload).into_owned();
        assert!(answer.contains("err_code"), "{name}: {answer}");
    }
    assert_eq!(bus.state("runs").await.expect("state").messages, 1);
}

/// The server stores its own acknowledgement where a publisher's reply subject points: whoever
/// reads must expect anything on a subject.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_inject_is_read_like_any_message() {
    let (server, bus) = server_with_runs().await;
    let raw = async_nats::connect(server.url()).await.expect("raw client");
    raw.publish_with_reply("run.1.a", "run.2.injected", "x".into())
        .await
        .expect("sent");
    let injected = eventually("the injected message", async || {
        bus.last("runs", "run.2.injected").await.expect("read")
    })
    .await;
    assert!(String::from_utf8_lossy(&injected.payload).contains("\"stream\""));
    let mut worker = bus.consumer(&consumer("c")).await.expect("consumer");
    assert_eq!(take(&mut worker, 2).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_servers_full_store_is_full_not_silent() {
    let server = NatsServer::start_with("jetstream { max_file: 8MB, max_mem: 1MB }").expect("nats-server");
    let bus = Bus::connect(Connect::new(server.url())).await.expect("connected");
    let too_much = bus.ensure_stream(&runs()).await;
    assert!(
        matches!(too_much, Err(Error::Refused { code: 10047, .. })),
        "more than the server has: {too_much:?}"
    );
    bus.ensure_stream(&StreamSpec::plain("runs", &["run.>"], 4_000_000))
        .await
        .expect("stream");
    let error = loop {
        let stored = within("answer", bus.publish(Message::new("run.1.a", vec![1; 256 * 1024]))).await;
        if let Err(error) = stored {
            break error;
        }
    };
    assert!(matches!(error, Error::Full { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_jetstream_is_refused() {
    let config = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(
        config.path(),
        "accounts { plain { users: [{user: a, password: b}] } }\nno_auth_user: a\n\
         jetstream { store_dir: $TIDEMILL_NATS_STORE }\n",
    )
    .expect("written");
    let server = NatsServer::start_config(config.path(), &[]).expect("nats-server");
    let refused = within("refusal", Bus::connect(Connect::new(server.url()))).await.err();
    assert!(
        matches!(refused, Some(Error::Refused { .. } | Error::Unknown { .. })),
        "{refused:?}"
    );
}

/// More than one request may bring, so the readers must ask again in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_come_whole() {
    let (_server, bus) = server_with_runs().await;
    let sent: Vec<_> = (0..50_u8)
        .map(|n| bus.publish_pipelined(Message::new("run.1.a", vec![n; 500 * 1024])))
        .collect();
    for answer in sent {
        within("ack", answer).await.expect("stored");
    }
    let whole = |n: u8, payload: &[u8]| payload.len() == 500 * 1024 && payload.iter().all(|&byte| byte == n);
    let all = within("read", bus.read_all("runs", "run.>", 0, false))
        .await
        .expect("read");
    assert_eq!(all.len(), 50);
    assert!(all.iter().zip(0..).all(|(stored, n)| whole(n, &stored.payload)));
    let mut reader = bus.reader("runs", "run.>", 0, false).await.expect("reader");
    let mut worker = bus.consumer(&consumer("c")).await.expect("consumer");
    for n in 0..50 {
        assert!(
            whole(n, &within("message", reader.next()).await.expect("message").payload),
            "{n}"
        );
    }
    let mut handled = 0;
    while handled < 50 {
        for delivery in next(&mut worker, 8).await {
            delivery.ack().await;
            handled += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_leave_no_consumers_behind() {
    let (server, bus) = server_with_runs().await;
    bus.publish(Message::new("run.1.a", "x")).await.expect("stored");
    for _ in 0..20 {
        let mut reader = bus.reader("runs", "run.>", 0, true).await.expect("reader");
        within("message", reader.next()).await.expect("message");
        assert_eq!(bus.read_all("runs", "run.>", 0, true).await.expect("read").len(), 1);
    }
    let raw = async_nats::connect(server.url()).await.expect("raw client");
    eventually("no consumers", async || {
        let answer = raw
            .request("$JS.API.STREAM.INFO.runs", "".into())
            .await
            .expect("answer");
        let info: serde_json::Value = serde_json::from_slice(&answer.payload).expect("JSON");
        (info["state"]["consumer_count"] == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asynchronous_stream_takes_messages() {
    let (server, bus) = server_with_runs().await;
    let logs = StreamSpec {
        persistence: Persistence::Asynchronous,
        discard: tidemill_bus::Discard::Old,
        max_age: Some(Duration::from_secs(7 * 24 * 3600)),
        ..StreamSpec::plain("logs", &["log.>"], 10_000_000)
    };
    bus.ensure_stream(&logs).await.expect("stream");
    bus.ensure_stream(&logs).await.expect("the same again");
    bus.publish(Message::new("log.1", "line")).await.expect("stored");
    let raw = async_nats::connect(server.url()).await.expect("raw client");
    let answer = raw
        .request("$JS.API.STREAM.INFO.logs", "".into())
        .await
        .expect("answer");
    let info: serde_json::Value = serde_json::from_slice(&answer.payload).expect("JSON");
    assert_eq!(info["config"]["persist_mode"], "async", "{info}");
}
