//! What senders are answered by the whole service on a nats-server that cannot take an event, and
//! at the limits.

use std::time::Duration;

use tidemill_bus::{Bus, Connect, layout};
use tidemill_kit::{Answer, NatsServer, Poster};
use tidemill_messages::stream::EVENTS;
use tidemill_messages::subject;
use tidemill_objects::{Objects, Options};
use tidemill_settings::{Size, Span};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{TOKEN, furnish, push, settings};
use crate::{Error, Ingest, Settings};

struct Service {
    server: NatsServer,
    bus: Bus,
    address: std::net::SocketAddr,
    shutdown: CancellationToken,
    serving: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Service {
    async fn start(settings: Settings) -> Self {
        let server = NatsServer::start().unwrap();
        let bus = Bus::connect(Connect::new(server.url())).await.unwrap();
        layout::ensure(&bus, &limits()).await.unwrap();
        let objects = Objects::start(bus.clone(), Options::default()).await.unwrap();
        objects.ready().await.unwrap();
        furnish(&objects).await;
        let ingest = Ingest::bind(settings, bus.clone(), objects).await.unwrap();
        let (address, shutdown) = (ingest.local_addr(), CancellationToken::new());
        let serving = tokio::spawn(ingest.serve(shutdown.clone()));
        Self {
            server,
            bus,
            address,
            shutdown,
            serving,
        }
    }

    async fn push(&self, delivery: &str) -> Answer {
        self.post(&[("Idempotency-Key", delivery)], push("main").to_string().as_bytes())
            .await
    }

    async fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut all = vec![("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", TOKEN)];
        all.extend_from_slice(headers);
        Poster::new(self.address)
            .post("/default/git", &all, body)
            .await
            .unwrap()
    }

    async fn events(&self) -> usize {
        self.bus
            .read_all(EVENTS, subject::ALL_EVENTS, 0, true)
            .await
            .unwrap()
            .len()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap().unwrap();
        self.bus.close(Duration::from_secs(2)).await;
    }
}

fn limits() -> layout::Limits {
    layout::Limits::default().fitting(512 << 20)
}

#[tokio::test]
async fn a_full_stream_is_answered_503_until_there_is_room() {
    let service = Service::start(settings()).await;
    assert_eq!(service.push("d-1").await.code, 202);
    let stored = service.events().await;
    let full = layout::Limits {
        events_bytes: 1,
        ..limits()
    };
    layout::ensure(&service.bus, &full).await.unwrap();
    for _ in 0..2 {
        let answer = service.push("d-2").await;
        assert_eq!(answer.code, 503, "{answer:?}");
        assert!(answer.retry_after_s.is_some_and(|seconds| seconds > 0), "{answer:?}");
    }
    assert_eq!(service.events().await, stored, "what was not accepted is not stored");
    layout::ensure(&service.bus, &limits()).await.unwrap();
    assert_eq!(service.push("d-2").await.code, 202);
    service.stop().await;
}

#[tokio::test]
async fn a_server_that_is_gone_or_hangs_is_answered_503() {
    let mut service = Service::start(settings()).await;
    service.server.freeze().unwrap();
    let frozen = service.push("d-1").await;
    service.server.thaw().unwrap();
    assert_eq!(frozen.code, 503, "{frozen:?}");
    assert!(frozen.retry_after_s.is_some());
    service.server.kill().unwrap();
    let gone = service.push("d-2").await;
    assert_eq!(gone.code, 503, "{gone:?}");
    service.server.restart().unwrap();
    for delivery in ["d-1", "d-2"] {
        let mut answer = service.push(delivery).await;
        while answer.code == 503 {
            answer = service.push(delivery).await;
        }
        assert_eq!(answer.code, 202, "{answer:?}");
    }
    assert_eq!(service.events().await, 2, "each once, however often it was sent");
    service.stop().await;
}

#[tokio::test]
async fn limits_are_answered_by_their_names() {
    let service = Service::start(Settings {
        body: Size::new(2_000),
        headers: Size::new(1_000),
        body_timeout: Span::seconds(1),
        rate: 6,
        ..settings()
    })
    .await;
    let said = |answer: &Answer| String::from_utf8_lossy(&answer.body).into_owned();
    let large = service
        .post(&[], format!("{{\"a\": \"{}\"}}", "x".repeat(2_000)).as_bytes())
        .await;
    assert_eq!(large.code, 413);
    assert!(said(&large).contains("ingest.body"), "{}", said(&large));
    let long = "x".repeat(1_000);
    let headers = service.post(&[("X-Long", &long)], b"{}").await;
    assert_eq!(headers.code, 431);
    assert!(said(&headers).contains("ingest.headers"), "{}", said(&headers));
    assert_eq!(slow(service.address).await, "HTTP/1.1 408 Request Timeout");
    let mut answers = Vec::new();
    for number in 0..20 {
        answers.push(service.push(&format!("d-{number}")).await);
    }
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.code == 429).collect();
    assert!(!refused.is_empty(), "twenty at once at six a second");
    assert!(refused.iter().all(|answer| answer.retry_after_s.is_some()));
    assert_eq!(service.events().await, answers.len() - refused.len());
    service.stop().await;
}

/// The first line that is answered to a body that never ends.
async fn slow(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /default/git HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}
