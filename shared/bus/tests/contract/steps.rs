//! What the credentials of a step are good for on the real server, and what for not.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, HeaderMap};
use tidemill_bus::server_config::{MIN_FILE_BYTES, PrivateServer, Sync};
use tidemill_bus::steps::Issuer;
use tidemill_bus::{Bus, Message, lean};
use tidemill_messages::{AttemptKey, subject};
use tokio::sync::mpsc;

use super::rig::{PATIENCE, eventually, runs, within};

/// A private server with a stream, its door kept.
struct House {
    bus: Bus,
    issuer: Arc<Issuer>,
    url: String,
    address: SocketAddr,
    /// Whether attempts run.
    runs: Arc<AtomicBool>,
    _folder: tempfile::TempDir,
    _server: Server,
}

struct Server(std::process::Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn house() -> House {
    let folder = tempfile::tempdir().expect("folder");
    let private = PrivateServer {
        folder: folder.path().join("nats"),
        port: None,
        max_file_bytes: MIN_FILE_BYTES,
        sync: Sync::Always,
    };
    let prepared = private.prepare().expect("prepared");
    let binary = tidemill_kit::nats_server::find_nats_server().expect("nats-server");
    let mut command = Command::new(binary);
    let server = command.args(prepared.arguments()).stdin(Stdio::null()).spawn();
    let server = Server(server.expect("started"));
    let port = eventually("the port", async || prepared.port(server.0.id())).await;
    let bus = within("connect", Bus::connect(prepared.connect(port)))
        .await
        .expect("connected");
    bus.ensure_stream(&runs()).await.expect("stream");
    bus.publish(Message::new("run.1.a", "precious")).await.expect("stored");
    let issuer = Arc::new(Issuer::from_seed(prepared.steps_seed()).expect("issuer"));
    let runs = Arc::new(AtomicBool::new(true));
    let (keeper, its_issuer, its_runs) = (bus.clone(), issuer.clone(), runs.clone());
    tokio::spawn(async move {
        let open = |_| std::future::ready(its_runs.load(Ordering::Relaxed));
        drop(keeper.keep_door(&its_issuer, open).await);
    });
    House {
        bus,
        issuer,
        url: format!("nats://127.0.0.1:{port}"),
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        runs,
        _folder: folder,
        _server: server,
    }
}

fn attempt(task: &str) -> AttemptKey {
    AttemptKey::new("run-uid", task, 0)
}

impl House {
    /// A client with all a client can do, as the steps of `attempt`; what the server objects to comes
    /// over the channel.
    async fn enter(&self, attempt: &AttemptKey) -> (Client, mpsc::UnboundedReceiver<String>) {
        let (sender, objections) = mpsc::unbounded_channel();
        let options = ConnectOptions::with_token(self.issuer.token(attempt))
            .custom_inbox_prefix(subject::step_inbox(attempt))
            .event_callback(move |event| {
                if let Event::ServerError(error) = event {
                    drop(sender.send(error.to_string()));
                }
                std::future::ready(())
            });
        let client = eventually("to be let in", async || options.clone().connect(&self.url).await.ok()).await;
        (client, objections)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_reports_to_its_owner_and_hears_it() {
    let house = house().await;
    let own = attempt("a");
    let mut reports = house
        .bus
        .subscribe(&subject::step_report(&own), None)
        .await
        .expect("subscribed");
    let (address, token) = (house.address, house.issuer.token(&own));
    let (inbox, told) = (format!("{}.0", subject::step_inbox(&own)), subject::step_tell(&own));
    let report = subject::step_report(&own);
    let (listened, has_listened) = tokio::sync::oneshot::channel();
    let step = tokio::task::spawn_blocking(move || {
        let mut client = lean::Client::connect(address, &token, "a step", PATIENCE).expect("let in");
        client.subscribe(&inbox, 1);
        client.subscribe(&told, 2);
        client.request(&report, &inbox, &[("Sequence", "7".to_owned())], b"said");
        client.flush().expect("sent");
        let mut heard = Vec::new();
        let mut listened = Some(listened);
        let until = std::time::Instant::now() + PATIENCE;
        while heard.len() < 2 && std::time::Instant::now() < until {
            heard.extend(client.receive().expect("received"));
            client.flush().expect("sent");
            if let (1, Some(listened)) = (heard.len(), listened.take_if(|_| heard.len() == 1)) {
                listened.send(()).expect("waits");
            }
            std::thread::yield_now();
        }
        heard
    });
    let said = within("the report", reports.next()).await.expect("a report");
    assert_eq!((&said.payload[..], said.header("Sequence")), (&b"said"[..], Some("7")));
    house
        .bus
        .answer(said.reply.expect("a reply"), "stored".into())
        .await
        .expect("answered");
    within("the answer", has_listened).await.expect("heard");
    house
        .bus
        .notify(Message::new(subject::step_tell(&own), "end"))
        .await
        .expect("told");
    let heard = within("both words", step).await.expect("ended");
    let payloads: Vec<&[u8]> = heard.iter().map(|message| &message.payload[..]).collect();
    assert_eq!(payloads, [b"stored".as_slice(), b"end".as_slice()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_credentials_can_do_nothing_else() {
    let house = house().await;
    let (own, other) = (attempt("a"), attempt("b"));
    let (client, mut objections) = house.enter(&own).await;
    let mut overheard = house.bus.subscribe(">", None).await.expect("subscribed");

    // Publishing: another attempt's reports, what only owners say, facts, streams, the server.
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Rollup", "all");
    for forbidden in [
        subject::step_report(&other),
        format!("{}.more", subject::step_report(&own)),
        subject::step_tell(&own),
        subject::step_tell(&other),
        format!("{}.0", subject::step_inbox(&other)),
        subject::attempt_fact(&own, "finished"),
        "run.1.a".to_owned(),
        subject::claim(&own),
        "$JS.API.STREAM.PURGE.runs".to_owned(),
        "$JS.API.STREAM.LIST".to_owned(),
        "$SYS.REQ.USER.AUTH".to_owned(),
        "$SYS.REQ.SERVER.PING".to_owned(),
    ] {
        client
            .publish_with_headers(forbidden.clone(), headers.clone(), "x".into())
            .await
            .expect("sent");
        let objection = within(&forbidden, objections.recv()).await.expect("an objection");
        assert!(
            objection.to_lowercase().contains("permissions violation for publish"),
            "{forbidden}: {objection}"
        );
    }
    // Hearing: others, everything, the streams of the house.
    for forbidden in [
        ">".to_owned(),
        "step.>".to_owned(),
        subject::step_report(&own),
        subject::step_tell(&other),
        format!("{}.*", subject::step_inbox(&other)),
        "run.>".to_owned(),
        "_INBOX.>".to_owned(),
    ] {
        let subscribed = client.subscribe(forbidden.clone()).await;
        client.flush().await.expect("flushed");
        let objection = within(&forbidden, objections.recv()).await.expect("an objection");
        assert!(
            objection
                .to_lowercase()
                .contains("permissions violation for subscription"),
            "{forbidden}: {objection}"
        );
        drop(subscribed);
    }
    // Nothing of it arrived, and the stream is whole.
    house.bus.notify(Message::new("end.of.test", "")).await.expect("sent");
    loop {
        let heard = within("the last message", overheard.next()).await.expect("heard");
        if heard.subject == "end.of.test" {
            break;
        }
        assert_ne!(&heard.payload[..], b"x", "{} arrived", heard.subject);
    }
    assert_eq!(house.bus.state("runs").await.expect("state").messages, 1);
}

/// A reply subject of somebody else's choosing stays in the steps' account: no stream stores it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_cannot_be_led_into_a_stream() {
    let house = house().await;
    let own = attempt("a");
    let (client, _objections) = house.enter(&own).await;
    let mut reports = house
        .bus
        .subscribe(&subject::step_report(&own), None)
        .await
        .expect("subscribed");
    let request = client.publish_with_reply(subject::step_report(&own), "run.2.injected", "x".into());
    request.await.expect("sent");
    client.flush().await.expect("flushed");
    let said = within("the report", reports.next()).await.expect("a report");
    house
        .bus
        .answer(said.reply.expect("a reply"), "stored".into())
        .await
        .expect("answered");
    house
        .bus
        .publish(Message::new("run.1.b", "after it"))
        .await
        .expect("stored");
    assert_eq!(house.bus.last("runs", "run.2.injected").await.expect("read"), None);
    assert_eq!(house.bus.state("runs").await.expect("state").messages, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_credentials_end_with_the_attempt() {
    let house = house().await;
    let own = attempt("a");
    let (client, _objections) = house.enter(&own).await;
    let mut reports = house
        .bus
        .subscribe(&subject::step_report(&own), None)
        .await
        .expect("subscribed");
    client
        .publish(subject::step_report(&own), "x".into())
        .await
        .expect("sent");
    within("the report", reports.next()).await.expect("a report");
    house.runs.store(false, Ordering::Relaxed);
    let token = house.issuer.token(&own);
    for (token, what) in [
        (token.as_str(), "of an attempt that is over"),
        ("forged", "forged"),
        ("", "none"),
    ] {
        let address = house.address;
        let token = token.to_owned();
        let tried = tokio::task::spawn_blocking(move || {
            lean::Client::connect(address, &token, "a step", Duration::from_secs(20)).err()
        });
        let refused = within("an answer", tried).await.expect("ended");
        assert!(matches!(refused, Some(lean::Error::Refused(_))), "{what}: {refused:?}");
    }
}
