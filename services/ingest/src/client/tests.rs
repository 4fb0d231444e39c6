//! Services that answer, hang, answer too much, or are not there.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Client, Failure, Post};

/// A certificate for `localhost` that nobody else trusts, for these tests only.
const CERTIFICATE: &[u8] = include_bytes!("localhost.pem");
const KEY: &[u8] = include_bytes!("localhost.key");
const LIMIT: usize = 1_000;

async fn service() -> String {
    let echo = |headers: HeaderMap, body: Bytes| async move {
        let names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
        (StatusCode::CREATED, [("X-Seen", names.join(","))], body)
    };
    let router = Router::new()
        .route("/echo", routing::post(echo))
        .route("/hang", routing::post(std::future::pending::<()>))
        .route("/huge", routing::post(|| async { Body::from(vec![b'x'; LIMIT + 1]) }))
        .route(
            "/moved",
            routing::post(|| async { (StatusCode::FOUND, [("Location", "/echo")]) }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn post(url: &str, headers: &[(&str, &str)], ca_bundle: &str) -> Result<tidemill_triggers::Reply, Failure> {
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let post = Post {
        url,
        headers: &headers,
        body: Bytes::from("hello"),
        ca_bundle,
        limit: Duration::from_millis(500),
        answer_bytes: LIMIT,
    };
    Client::default().post(&post).await
}

#[tokio::test]
async fn answers_come_back_and_headers_of_the_connection_stay_ours() {
    let url = format!("{}/echo", service().await);
    let headers = [
        ("X-A", "1"),
        ("Host", "elsewhere"),
        ("Content-Length", "1"),
        ("Accept-Encoding", "gzip"),
    ];
    let reply = post(&url, &headers, "").await.unwrap();
    assert_eq!((reply.status, &reply.body[..]), (201, &b"hello"[..]));
    let seen = reply.headers.first("X-Seen").unwrap();
    assert!(seen.contains("x-a") && !seen.contains("accept-encoding"), "{seen}");
}

#[tokio::test]
async fn a_service_that_hangs_or_answers_too_much_is_left() {
    let base = service().await;
    let late = post(&format!("{base}/hang"), &[], "").await.unwrap_err();
    assert!(matches!(late, Failure::Late(500)) && late.is_transient(), "{late}");
    let huge = post(&format!("{base}/huge"), &[], "").await.unwrap_err();
    assert!(
        matches!(huge, Failure::TooLarge(LIMIT)) && !huge.is_transient(),
        "{huge}"
    );
    let moved = post(&format!("{base}/moved"), &[], "").await.unwrap();
    assert_eq!(moved.status, 302, "redirects are not followed");
}

#[tokio::test]
async fn what_cannot_be_asked_says_why() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let gone = post(&format!("http://127.0.0.1:{port}/"), &[], "").await.unwrap_err();
    assert!(gone.is_transient(), "{gone}");
    for url in [
        "",
        "ftp://x/",
        "/path",
        "http://169.254.169.254/latest",
        "http://[fe80::1]/",
    ] {
        let wrong = post(url, &[], "").await.unwrap_err();
        assert!(
            matches!(wrong, Failure::Wrong(_)) && !wrong.is_transient(),
            "{url}: {wrong}"
        );
    }
    let split = post("http://localhost/", &[("X-A", "1\r\nX-B: 2")], "")
        .await
        .unwrap_err();
    assert!(matches!(split, Failure::Wrong(_)), "{split}");
    let bundle = post("https://localhost/", &[], "***").await.unwrap_err();
    assert_eq!(bundle.to_string(), "its caBundle is not base64");
}

/// Answers one request over TLS.
async fn secure_service() -> u16 {
    let chain = CertificateDer::pem_slice_iter(CERTIFICATE)
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (stream, _) = listener.accept().await?;
        let mut stream = acceptor.accept(stream).await?;
        let mut request = [0; 4096];
        let _count = stream.read(&mut request).await?;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .await?;
        stream.flush().await
    });
    port
}

#[tokio::test]
async fn only_the_given_certificates_are_trusted() {
    let url = format!("https://localhost:{}/", secure_service().await);
    let bundle = BASE64_STANDARD.encode(CERTIFICATE);
    let reply = post(&url, &[], &bundle).await.unwrap();
    assert_eq!((reply.status, &reply.body[..]), (200, &b"ok"[..]));
    let url = format!("https://localhost:{}/", secure_service().await);
    let foreign = post(&url, &[], "").await.unwrap_err();
    assert!(foreign.to_string().contains("certificate"), "{foreign}");
}
