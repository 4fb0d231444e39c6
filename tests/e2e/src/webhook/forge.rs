//! What a forge does: sign, send, read the answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha1::Sha1;
use sha2::Sha256;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// What a sender is answered.
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) code: u16,
    /// The JSON of the answer.
    pub(crate) body: Value,
}

impl Answer {
    /// The id of the event.
    pub(crate) fn id(&self) -> Result<String> {
        let id = self.body["eventID"].as_str().context("the answer names no event")?;
        Ok(id.to_owned())
    }
}

/// Posts `body` to `address` (`http://host:port`), with these headers.
pub(crate) fn post(address: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer> {
    let host = address.strip_prefix("http://").context("an http address")?;
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let mut request = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer with a body")?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(Answer {
        code: code.with_context(|| head.to_owned())?,
        body: serde_json::from_str(body).unwrap_or_default(),
    })
}

/// `sha256=<hex>`.
pub(crate) fn sha256(key: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map(|mac| mac.chain_update(body).finalize().into_bytes());
    format!("sha256={}", mac.map(hex::encode).unwrap_or_default())
}

/// `sha1=<hex>`.
pub(crate) fn sha1(key: &str, body: &str) -> String {
    let mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).map(|mac| mac.chain_update(body).finalize().into_bytes());
    format!("sha1={}", mac.map(hex::encode).unwrap_or_default())
}
