//! Encrypted connections, and users who show a certificate.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tidemill_settings::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::server::local;
use super::{World, config};
use crate::{Gateway, Tls};

type Issuer = CertifiedIssuer<'static, KeyPair>;
type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn issuer() -> Issuer {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn server(issuer: &Issuer) -> Tls {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = parameters.signed_by(&key, issuer).unwrap();
    Tls {
        certificates: pem("CERTIFICATE", certificate.der()),
        key: Secret::new(pem("PRIVATE KEY", key.serialized_der())),
        client_authorities: pem("CERTIFICATE", issuer.der()),
        proxy_authorities: String::new(),
        authority: String::new(),
    }
}

fn client(issuer: &Issuer, name: &str, group: &str) -> Shown {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.distinguished_name.push(DnType::OrganizationName, group);
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.signed_by(&key, issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (vec![certificate.der().clone()], key)
}

/// The first line of the answer; `None` when the two do not agree.
async fn ask(address: std::net::SocketAddr, trusted: &Issuer, shown: Option<Shown>) -> Option<String> {
    ask_with(address, trusted, shown, "").await
}

/// The same with headers of its own.
async fn ask_with(
    address: std::net::SocketAddr,
    trusted: &Issuer,
    shown: Option<Shown>,
    headers: &str,
) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shown {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    let line = "GET /api/v1/namespaces/default/configmaps/a HTTP/1.1";
    let request = format!("{line}\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.lines().next().map(str::to_owned)
}

#[tokio::test]
async fn a_certificate_says_who_asks() {
    let world = World::new().await;
    assert_eq!(world.post(super::CONFIGS, config("a", "1")).await.code, 201);
    let (known, stranger) = (issuer(), issuer());
    let tls = server(&known);
    let gateway = Gateway::bind(local(), Some(&tls), world.bus.clone(), world.objects.clone());
    let gateway = gateway.await.unwrap();
    let address = gateway.local_addr();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(gateway.serve(shutdown.clone()));
    let answer = async |issuer: &Issuer, group: &str| ask(address, &known, Some(client(issuer, "jane", group))).await;
    assert_eq!(answer(&known, "system:masters").await.unwrap(), "HTTP/1.1 200 OK");
    assert_eq!(answer(&known, "developers").await.unwrap(), "HTTP/1.1 403 Forbidden");
    assert_eq!(answer(&stranger, "system:masters").await, None, "nobody vouches for it");
    assert_eq!(ask(address, &known, None).await.unwrap(), "HTTP/1.1 401 Unauthorized");
    assert_eq!(
        ask(address, &stranger, None).await,
        None,
        "the client does not know the server"
    );
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain
        .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut told = String::new();
    plain.read_to_string(&mut told).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 400") && told.contains("HTTPS"), "{told}");
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_only_connects_keeps_nobody_waiting() {
    let world = World::new().await;
    let known = issuer();
    let tls = server(&known);
    let gateway = Gateway::bind(local(), Some(&tls), world.bus.clone(), world.objects.clone());
    let gateway = gateway.await.unwrap();
    let address = gateway.local_addr();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(gateway.serve(shutdown.clone()));
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(ask(address, &known, None).await.unwrap(), "HTTP/1.1 401 Unauthorized");
    drop(silent);
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_proxy_is_believed_by_its_own_authority_only() {
    let world = World::new().await;
    assert_eq!(world.post(super::CONFIGS, config("a", "1")).await.code, 201);
    let (known, proxies) = (issuer(), issuer());
    let tls = Tls {
        proxy_authorities: pem("CERTIFICATE", proxies.der()),
        ..server(&known)
    };
    let gateway = Gateway::bind(local(), Some(&tls), world.bus.clone(), world.objects.clone());
    let gateway = gateway.await.unwrap();
    let address = gateway.local_addr();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(gateway.serve(shutdown.clone()));
    let said = "X-Remote-User: jane\r\nX-Remote-Group: system:masters\r\n";
    let ask = async |issuer: &Issuer, name: &str, headers: &str| {
        let shown = client(issuer, name, "system:masters");
        ask_with(address, &known, Some(shown), headers).await.unwrap()
    };
    assert_eq!(ask(&proxies, "front-proxy-client", said).await, "HTTP/1.1 200 OK");
    let weak = "X-Remote-User: jane\r\nX-Remote-Group: system:authenticated\r\n";
    assert_eq!(
        ask(&proxies, "front-proxy-client", weak).await,
        "HTTP/1.1 403 Forbidden"
    );
    assert_eq!(
        ask(&proxies, "front-proxy-client", "").await,
        "HTTP/1.1 401 Unauthorized"
    );
    assert_eq!(ask(&proxies, "somebody", said).await, "HTTP/1.1 401 Unauthorized");
    // A client's certificate says who it is itself: what it claims beside is not heard.
    let claimed = "X-Remote-User: root\r\nX-Remote-Group: system:masters\r\n";
    let shown = client(&known, "joe", "developers");
    let answer = ask_with(address, &known, Some(shown), claimed).await.unwrap();
    assert_eq!(answer, "HTTP/1.1 403 Forbidden");
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}
