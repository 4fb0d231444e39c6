//! A sender of webhooks: one connection that is kept, one request at a time.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Largest answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Sends requests over one connection; a broken one is made anew by the next request.
pub struct Poster {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Status.
    pub code: u16,
    /// Seconds of `Retry-After`, where it was given.
    pub retry_after_s: Option<u64>,
    /// The body.
    pub body: Vec<u8>,
}

impl Poster {
    /// Connects with the first request.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Posts `body`; headers are sent as given, beside host and length.
    ///
    /// # Errors
    /// When the connection breaks, or the answer is none within 30 s.
    pub async fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let request = [head.as_bytes(), body].concat();
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address).await.context("connect")?;
                stream.set_nodelay(true).context("connect")?;
                BufReader::new(stream)
            }
        };
        let answer = timeout(ANSWER_LIMIT, async {
            stream.write_all(&request).await.context("send")?;
            read(&mut stream).await
        });
        let (answer, is_last) = answer.await.context("no answer in time")??;
        if !is_last {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

/// The answer, and whether the connection ends with it.
async fn read(stream: &mut BufReader<TcpStream>) -> Result<(Answer, bool)> {
    let mut line = String::new();
    ensure!(stream.read_line(&mut line).await? > 0, "the connection was closed");
    let code = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut answer = Answer {
        code: code.with_context(|| format!("no status in {line:?}"))?,
        ..Answer::default()
    };
    let (mut length, mut is_last) = (0, false);
    loop {
        line.clear();
        ensure!(stream.read_line(&mut line).await? > 0, "the connection was closed");
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().context("Content-Length")?,
            "retry-after" => answer.retry_after_s = value.parse().ok(),
            "connection" => is_last = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    ensure!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes");
    answer.body.resize(length, 0);
    stream.read_exact(&mut answer.body).await?;
    Ok((answer, is_last))
}
