//! The whole service, over real connections.

use std::time::Duration;

use tidemill_bus::{Bus, Connect, Memory, layout};
use tidemill_kit::nats_server::NatsServer;
use tidemill_messages::event::Stage;
use tidemill_messages::stream::EVENTS;
use tidemill_messages::{decode, event::Outcome};
use tidemill_objects::{Objects, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{TOKEN, furnish, push, settings};
use crate::Ingest;

async fn post(address: std::net::SocketAddr, token: &str, delivery: &str) -> String {
    let body = push("main").to_string();
    let request = format!(
        "POST /default/git HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Gitlab-Event: Push Hook\r\n\
         X-Gitlab-Token: {token}\r\nIdempotency-Key: {delivery}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Sends a push, its redelivery and a forged one; waits for both outcomes.
async fn story(bus: Bus) {
    layout::ensure(&bus, &layout::Limits::default().fitting(512 << 20))
        .await
        .unwrap();
    let objects = Objects::start(bus.clone(), Options::default()).await.unwrap();
    objects.ready().await.unwrap();
    furnish(&objects).await;
    let ingest = Ingest::bind(settings(), bus.clone(), objects.clone()).await.unwrap();
    let (address, shutdown) = (ingest.local_addr(), CancellationToken::new());
    let serving = tokio::spawn(ingest.serve(shutdown.clone()));
    let first = post(address, TOKEN, "d-1").await;
    assert!(first.starts_with("HTTP/1.1 202"), "{first}");
    assert!(
        post(address, TOKEN, "d-1")
            .await
            .ends_with(first.rsplit("\r\n").next().unwrap())
    );
    assert!(post(address, "guess", "d-1").await.starts_with("HTTP/1.1 202"));
    let mut reader = bus.reader(EVENTS, "outcome.>", 0, false).await.unwrap();
    let mut accepted = Vec::new();
    while accepted.len() < 2 {
        let stored = tokio::time::timeout(Duration::from_secs(20), reader.next()).await;
        let stored = stored.unwrap().unwrap();
        let outcome: Outcome = decode(&stored.subject, &stored.payload).unwrap();
        if outcome.stage == Stage::Done {
            accepted.push(outcome.triggers[0].made.len());
        }
    }
    accepted.sort_unstable();
    assert_eq!(accepted, [0, 2]);
    assert_eq!(
        objects
            .names_of("", "configmaps", "default")
            .iter()
            .filter(|name| name.starts_with("made-"))
            .count(),
        2
    );
    shutdown.cancel();
    serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn pushes_become_objects_in_memory() {
    story(Memory::default().connect()).await;
}

#[tokio::test]
async fn pushes_become_objects_on_a_server() {
    let server = NatsServer::start().unwrap();
    let bus = Bus::connect(Connect::new(server.url())).await.unwrap();
    story(bus.clone()).await;
    bus.close(Duration::from_secs(2)).await;
}
