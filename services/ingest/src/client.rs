//! Requests to services of others: interceptors, sinks. Each is bounded in time, its answer in size.
//!
//! Redirects are not followed. Addresses by which machines give out credentials are never asked.

mod connect;
mod guard;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tidemill_triggers::{Headers, Reply};
use tokio::time::timeout;

use connect::Connection;

/// Clients for certificates of their own that are kept; more than these are made anew each time.
const BUNDLES_MAX: usize = 64;
/// Headers that belong to one connection, or that we write ourselves.
const OURS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A POST.
#[derive(Clone, Debug)]
pub(crate) struct Post<'a> {
    pub(crate) url: &'a str,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: Bytes,
    /// Certificates to trust, PEM in base64; empty for the usual ones.
    pub(crate) ca_bundle: &'a str,
    /// Time for all of it.
    pub(crate) limit: Duration,
    /// Largest answer.
    pub(crate) answer_bytes: usize,
}

/// Why there is no answer. In words for whoever wrote the address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It can never be asked.
    #[error("{0}")]
    Wrong(String),
    /// It could not be reached, or the connection broke.
    #[error("{0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("it did not answer within {0} ms")]
    Late(u128),
    /// It answered too much.
    #[error("it answered more than {0} bytes")]
    TooLarge(usize),
}

impl Failure {
    /// Whether it may answer when it is asked again.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Late(_))
    }
}

/// Keeps connections; cheap to share.
#[derive(Default)]
pub(crate) struct Client {
    /// By the certificates that are trusted.
    connections: Mutex<HashMap<String, Arc<Connection>>>,
}

impl Client {
    /// Asks once.
    pub(crate) async fn post(&self, post: &Post<'_>) -> Result<Reply, Failure> {
        let request = request(post)?;
        let connection = self.connection(post)?;
        let asked = async {
            let response = connection
                .request(request)
                .await
                .map_err(|error| Failure::Unreachable(tidemill_telemetry::Chain(&error).to_string()))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, post.answer_bytes)
                .collect()
                .await
                .map_err(|error| match error.downcast_ref::<LengthLimitError>() {
                    Some(_) => Failure::TooLarge(post.answer_bytes),
                    None => Failure::Unreachable(format!("its answer ended early: {error}")),
                })?;
            let pairs = parts.headers.iter();
            let pairs = pairs.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
            Ok(Reply {
                status: parts.status.as_u16(),
                headers: Headers::from_iter(pairs),
                body: body.to_bytes().to_vec(),
            })
        };
        timeout(post.limit, asked)
            .await
            .unwrap_or(Err(Failure::Late(post.limit.as_millis())))
    }

    fn connection(&self, post: &Post<'_>) -> Result<Arc<Connection>, Failure> {
        // Without TLS certificates mean nothing, and reading those of the machine takes long.
        let is_secure = post.url.starts_with("https:");
        let key = if is_secure {
            format!("https {}", post.ca_bundle)
        } else {
            String::new()
        };
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = connections.get(&key) {
            return Ok(found.clone());
        }
        let made = match is_secure {
            true => connect::secure(post.ca_bundle).map_err(Failure::Wrong)?,
            false => connect::plain(),
        };
        let made = Arc::new(made);
        if connections.len() >= BUNDLES_MAX {
            connections.clear();
        }
        connections.insert(key, made.clone());
        Ok(made)
    }
}

fn request(post: &Post<'_>) -> Result<Request<Full<Bytes>>, Failure> {
    let wrong = |why: String| Failure::Wrong(format!("{:?} cannot be asked: {why}", post.url));
    let uri: Uri = post
        .url
        .parse()
        .map_err(|error| wrong(format!("it is no address: {error}")))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("expected http:// or https://".to_owned()));
    }
    let host = uri.host().ok_or_else(|| wrong("it names no host".to_owned()))?;
    if let Ok(address) = host.trim_matches(['[', ']']).parse()
        && guard::is_forbidden(address)
    {
        return Err(wrong(guard::FORBIDDEN.to_owned()));
    }
    let mut request = Request::post(uri);
    for (name, value) in post.headers {
        if OURS.contains(&name.to_ascii_lowercase().as_str()) {
            continue;
        }
        let name = HeaderName::try_from(name).map_err(|_| wrong(format!("{name:?} is no name of a header")))?;
        // A line break would begin another header.
        let value = HeaderValue::try_from(value).map_err(|_| wrong(format!("the value of {name} is none")))?;
        request = request.header(name, value);
    }
    request
        .body(Full::new(post.body.clone()))
        .map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests;
