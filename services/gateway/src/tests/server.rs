//! Listening, over real connections.

use std::net::SocketAddr;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{World, settings};
use crate::{Error, Gateway, Settings};
use tidemill_settings::Secret;

pub(super) fn local() -> Settings {
    Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..settings()
    }
}

async fn ask(stream: &mut TcpStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn it_answers_until_it_is_told_to_stop() {
    let world = World::new().await;
    let gateway = Gateway::bind(local(), None, world.bus.clone(), world.objects.clone())
        .await
        .unwrap();
    let address = gateway.local_addr();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(gateway.serve(shutdown.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let answer = ask(&mut stream, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut stream, "/api/v1/namespaces").await.starts_with("HTTP/1.1 401"));
    shutdown.cancel();
    serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn connections_have_a_limit() {
    let world = World::new().await;
    let settings = Settings {
        connections: 1,
        ..local()
    };
    let gateway = Gateway::bind(settings, None, world.bus.clone(), world.objects.clone())
        .await
        .unwrap();
    let address = gateway.local_addr();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(gateway.serve(shutdown.clone()));
    let mut first = TcpStream::connect(address).await.unwrap();
    first
        .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut start = [0; 12];
    first.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    let waiting = tokio::spawn(async move {
        let mut second = TcpStream::connect(address).await.unwrap();
        ask(&mut second, "/livez").await
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(first);
    assert!(waiting.await.unwrap().starts_with("HTTP/1.1 200"));
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn it_does_not_start_where_it_should_not() {
    let world = World::new().await;
    let bind = async |settings| Gateway::bind(settings, None, world.bus.clone(), world.objects.clone()).await;
    let remote = SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = bind(Settings {
        listen: remote,
        ..local()
    })
    .await
    .err()
    .unwrap();
    assert!(matches!(refused, Error::Setting { key: "listen", .. }), "{refused}");
    let refused = bind(Settings {
        token: Secret::default(),
        ..local()
    })
    .await
    .err()
    .unwrap();
    assert!(matches!(refused, Error::Setting { key: "token", .. }), "{refused}");
    let first = bind(local()).await.unwrap();
    let taken = bind(Settings {
        listen: first.local_addr(),
        ..local()
    })
    .await
    .err()
    .unwrap();
    assert!(matches!(taken, Error::Listen { .. }), "{taken}");
    bind(Settings {
        listen: remote,
        allow_remote: true,
        ..local()
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn bytes_that_are_no_request_harm_nobody() {
    let world = World::new().await;
    let gateway = Gateway::bind(local(), None, world.bus.clone(), world.objects.clone())
        .await
        .unwrap();
    let address = gateway.local_addr();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(gateway.serve(shutdown.clone()));
    let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
    for round in 0..200 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut bytes = b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n{}".to_vec();
        if round % 2 == 0 {
            bytes = (0..random.random_range(1..2_000)).map(|_| random.random()).collect();
        } else {
            let place = random.random_range(0..bytes.len());
            bytes[place] = random.random();
            bytes.truncate(random.random_range(1..=bytes.len()));
        }
        // The other end may have hung up already.
        let _sent = stream.write_all(&bytes).await;
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut stream, "/readyz").await.starts_with("HTTP/1.1 200"));
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}
