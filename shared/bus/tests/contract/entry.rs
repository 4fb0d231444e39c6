//! Who is talked to, and who is not.

use std::time::Duration;

use tidemill_bus::{Bus, Connect, Credentials, Error, Tls};
use tidemill_kit::NatsServer;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::rig::within;

/// The pair of the server's documentation.
const NKEY_SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const NKEY_PUBLIC: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

fn connect(server: &NatsServer, credentials: Credentials) -> Connect {
    let mut options = Connect::new(server.url());
    options.credentials = credentials;
    options.first_connection_timeout = Duration::from_secs(1);
    options
}

async fn refused(options: Connect) -> Error {
    within("refusal", Bus::connect(options)).await.err().expect("refused")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_decide() {
    let lines = "jetstream { max_file: 64MB }\nauthorization { user: tidemill, password: \"s3cret\" }";
    let server = NatsServer::start_with(lines).expect("nats-server");
    let password = |password: &str| Credentials::Password {
        user: "tidemill".to_owned(),
        password: password.to_owned(),
    };
    let error = refused(connect(&server, password("wrong"))).await;
    assert!(matches!(error, Error::Disconnected { .. }), "{error}");
    assert!(!format!("{error:?}").contains("wrong"), "a password in an error");
    refused(connect(&server, Credentials::None)).await;
    assert!(Bus::connect(connect(&server, password("s3cret"))).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_decide() {
    let server = NatsServer::start_with("jetstream { max_file: 64MB }\nauthorization { token: \"t0ken\" }")
        .expect("nats-server");
    refused(connect(&server, Credentials::Token("other".to_owned()))).await;
    assert!(
        Bus::connect(connect(&server, Credentials::Token("t0ken".to_owned())))
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nkeys_decide() {
    let lines = format!("jetstream {{ max_file: 64MB }}\nauthorization {{ users: [ {{ nkey: {NKEY_PUBLIC} }} ] }}");
    let server = NatsServer::start_with(&lines).expect("nats-server");
    refused(connect(&server, Credentials::None)).await;
    assert!(
        Bus::connect(connect(&server, Credentials::Nkey(NKEY_SEED.to_owned())))
            .await
            .is_ok()
    );
}

/// Asked for TLS, the client must not talk to a server that offers none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_not_given_up() {
    let server = NatsServer::start().expect("nats-server");
    let mut options = connect(&server, Credentials::None);
    options.tls = Some(Tls::default());
    let error = refused(options).await;
    assert!(matches!(error, Error::Disconnected { source: Some(_), .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_server_is_refused_by_its_version() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("address");
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a client");
            tokio::spawn(answer_as_2_12(stream));
        }
    });
    let error = refused(Connect::new(format!("nats://{address}"))).await;
    server.abort();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "found nats-server 2.12.4, but nats-server 2.14 or later is needed"
    );
}

/// As much of the protocol as the first question needs.
async fn answer_as_2_12(stream: TcpStream) {
    let (reader, mut writer) = stream.into_split();
    let info = r#"{"server_id":"old","version":"2.12.4","proto":1,"max_payload":1048576,"headers":true}"#;
    writer
        .write_all(format!("INFO {info}\r\n").as_bytes())
        .await
        .expect("written");
    let mut lines = BufReader::new(reader).lines();
    let mut inbox = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        let words: Vec<_> = line.split(' ').collect();
        let answer = match words.as_slice() {
            ["PING"] => "PONG\r\n".to_owned(),
            ["SUB", _, sid] => {
                inbox = (*sid).to_owned();
                continue;
            }
            ["PUB", "$JS.API.INFO", reply, _] => {
                let body = r#"{"type":"io.nats.jetstream.api.v1.account_info_response","api":{"level":2}}"#;
                format!("MSG {reply} {inbox} {}\r\n{body}\r\n", body.len())
            }
            _ => continue,
        };
        if writer.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
