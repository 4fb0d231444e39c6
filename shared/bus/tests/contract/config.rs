//! The configurations we ship, on the real server.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tidemill_bus::server_config::{MIN_FILE_BYTES, PrivateServer, Sync};
use tidemill_bus::steps::Issuer;
use tidemill_bus::{Bus, Connect, Credentials, Message, lean};
use tidemill_kit::NatsServer;
use tidemill_kit::nats_server::find_nats_server;
use tidemill_messages::AttemptKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::rig::{eventually, runs, within};

/// Ends with the test, and with it its server.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start(arguments: &[String]) -> Ended {
    let mut command = Command::new(find_nats_server().expect("nats-server"));
    Ended(command.args(arguments).stdin(Stdio::null()).spawn().expect("started"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_server_is_private_and_keeps_its_store() {
    let folder = tempfile::tempdir().expect("folder");
    let private = PrivateServer {
        folder: folder.path().join("nats"),
        port: None,
        max_file_bytes: MIN_FILE_BYTES,
        sync: Sync::Always,
    };
    for round in 1..=2 {
        let prepared = private.prepare().expect("prepared");
        let server = start(&prepared.arguments());
        let port = eventually("the port", async || prepared.port(server.0.id())).await;
        let nobody = Bus::connect(Connect::new(format!("nats://127.0.0.1:{port}"))).await;
        assert!(nobody.is_err(), "a private server let somebody in without a password");
        let bus = within("connect", Bus::connect(prepared.connect(port)))
            .await
            .expect("connected");
        bus.ensure_stream(&runs()).await.expect("stream");
        let sequence = bus
            .publish(Message::new("run.1.a", "a plain secret"))
            .await
            .expect("stored");
        assert_eq!(sequence, round, "the store was kept");
    }
    let stored = files_below(&private.folder.join("store"));
    assert!(!stored.is_empty());
    let plain = |file: &Vec<u8>| file.windows(14).any(|window| window == b"a plain secret");
    assert!(!stored.iter().any(plain), "the store is not encrypted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_configuration_is_as_strict_as_it_says() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nats/tidemill.conf");
    let password = "p0123456789";
    let environment = [
        ("TIDEMILL_NATS_PASSWORD", password),
        ("TIDEMILL_NATS_KEY", "k0123456789"),
        ("TIDEMILL_NATS_MAX_FILE", "300MB"),
    ];
    let server = NatsServer::start_config(&config, &environment).expect("nats-server");
    assert!(
        Bus::connect(Connect::new(server.url())).await.is_err(),
        "nobody is let in without a password"
    );
    let mut options = Connect::new(server.url());
    options.credentials = Credentials::Password {
        user: "tidemill".to_owned(),
        password: password.to_owned(),
    };
    let bus = Bus::connect(options).await.expect("connected");
    bus.ensure_stream(&runs()).await.expect("stream");
    bus.publish(Message::new("run.1.a", "x")).await.expect("stored");
    bus.close(Duration::from_secs(5)).await;

    let told = get(&server.monitoring().expect("monitoring address"), "/varz").await;
    assert_eq!(told["max_payload"], 1_048_576);
    let store = &told["jetstream"]["config"];
    assert_eq!(store["max_storage"], 300 * 1_048_576, "{store}");
    assert_eq!(store["sync_always"], true, "{store}");
    let health = get(&server.monitoring().expect("monitoring address"), "/healthz").await;
    assert_eq!(health["status"], "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_for_pods_lets_in_us_and_steps_alone() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nats/kubernetes.conf");
    let issuer = Arc::new(Issuer::from_seed(&Issuer::new_seed()).expect("issuer"));
    let environment = [
        ("TIDEMILL_NATS_PASSWORD", "p0123456789"),
        ("TIDEMILL_NATS_KEY", "k0123456789"),
        ("TIDEMILL_NATS_MAX_FILE", "300MB"),
        ("TIDEMILL_NATS_STEPS_ISSUER", &issuer.public_key()),
    ];
    let server = NatsServer::start_config(&config, &environment).expect("nats-server");
    let mut options = Connect::new(server.url());
    options.credentials = Credentials::Password {
        user: "tidemill".to_owned(),
        password: "p0123456789".to_owned(),
    };
    let bus = Bus::connect(options).await.expect("connected");
    bus.ensure_stream(&runs()).await.expect("stream");
    let (keeper, its) = (bus.clone(), issuer.clone());
    tokio::spawn(async move { drop(keeper.keep_door(&its, |_| std::future::ready(true)).await) });
    let token = issuer.token(&AttemptKey::new("run", "task", 0));
    let address = server.url().trim_start_matches("nats://").parse().expect("address");
    let enter = async |token: String| {
        let entered = tokio::task::spawn_blocking(move || {
            lean::Client::connect(address, &token, "a step", Duration::from_secs(20)).is_ok()
        });
        entered.await.expect("ended")
    };
    let let_in = eventually("a step to be let in", async || {
        enter(token.clone()).await.then_some(true)
    })
    .await;
    assert!(let_in && !enter("forged".to_owned()).await);
    assert!(Bus::connect(Connect::new(server.url())).await.is_err());
}

async fn get(address: &str, path: &str) -> serde_json::Value {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("monitoring");
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("asked");
    let mut answer = String::new();
    within("answer", stream.read_to_string(&mut answer))
        .await
        .expect("read");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    serde_json::from_str(body).expect("JSON")
}

fn files_below(folder: &Path) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(std::fs::read(&path).expect("file"));
        }
    }
    files
}
