//! What a nats-server says first on every connection.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpStream;

use super::{OLDEST, PINNED};
use crate::error::Error;

/// Longest first line that is read, in bytes.
const MAX_LINE_BYTES: u64 = 64 * 1024;
/// How long a server may take to say it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The parts of it that matter here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Info {
    /// Its version, such as `2.15.2`.
    pub(crate) version: String,
    /// Its name.
    #[serde(default)]
    pub(crate) server_name: String,
    /// Whether JetStream is there, which it is after the store was read.
    #[serde(default)]
    pub(crate) jetstream: bool,
}

/// Connects, reads the first line, hangs up. No credentials are needed for that.
///
/// # Errors
/// When nothing listens, or it is no nats-server.
pub(crate) async fn ask(address: SocketAddr) -> std::io::Result<Info> {
    let line = async {
        let stream = TcpStream::connect(address).await?;
        let mut line = String::new();
        BufReader::new(stream.take(MAX_LINE_BYTES)).read_line(&mut line).await?;
        Ok::<_, std::io::Error>(line)
    };
    let line = tokio::time::timeout(PATIENCE, line)
        .await
        .map_err(std::io::Error::from)??;
    let json = line.strip_prefix("INFO ").unwrap_or_default();
    serde_json::from_str(json).map_err(|_| std::io::Error::other(format!("{address} is no nats-server")))
}

impl Info {
    /// Refuses what is too old.
    ///
    /// # Errors
    /// [`Error::NatsServer`].
    pub(crate) fn check(&self, what: &str) -> Result<(), Error> {
        if version(&self.version).is_some_and(|version| version >= OLDEST) {
            return Ok(());
        }
        Err(Error::NatsServer {
            message: format!(
                "{what} is nats-server {}; {}.{} or later is needed",
                self.version, OLDEST.0, OLDEST.1
            ),
            hint: format!("{PINNED} is known to work; name one with --nats-server"),
        })
    }
}

/// Major and minor number.
fn version(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.trim_start_matches('v').split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Info, version};

    #[test]
    fn old_versions_are_refused() {
        assert_eq!(version("2.15.2"), Some((2, 15)));
        assert_eq!(version("v3.0.0-RC.1"), Some((3, 0)));
        for (text, good) in [
            ("2.14.0", true),
            ("2.15.2", true),
            ("3.0.0", true),
            ("2.13.9", false),
            ("?", false),
        ] {
            let info = Info {
                version: text.to_owned(),
                ..Info::default()
            };
            assert_eq!(info.check("/usr/bin/nats-server").is_ok(), good, "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_no_nats_server_is_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt as _;
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.0 400\r\n").await.unwrap();
        });
        let error = super::ask(address).await.unwrap_err();
        assert!(error.to_string().contains("is no nats-server"), "{error}");
        serve.await.unwrap();
    }
}
