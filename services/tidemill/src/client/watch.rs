//! Watching a collection without a gap.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use super::lines::{Line, Lines};
use super::{Address, Client};
use crate::error::Error;

/// Longest line of a watch, in bytes: an object is at most 3 MiB.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
/// How often in a row a watch is begun anew before giving up; the waits sum up to about a minute.
const MAX_ATTEMPTS: u32 = 16;
/// Longest wait before the next attempt.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// What became of an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// It is there, new or changed.
    Present(Value),
    /// It was deleted; as it was last.
    Deleted(Value),
}

/// Every object of a collection, first as it is, then each change. A connection that ends is opened
/// again where it stopped; a version that is too old makes it list again, so that a deletion in
/// between may go unseen.
pub(crate) struct Watch {
    client: Client,
    address: Address,
    query: String,
    version: Option<String>,
    pending: VecDeque<Change>,
    lines: Option<Lines>,
    failures: u32,
}

impl Client {
    /// Watches what matches `query` (encoded, may be empty).
    pub(crate) fn watch(&self, address: &Address, query: &str) -> Watch {
        Watch {
            client: self.clone(),
            address: address.clone(),
            query: query.to_owned(),
            version: None,
            pending: VecDeque::new(),
            lines: None,
            failures: 0,
        }
    }
}

impl Watch {
    /// Begins after an object that was just created, without listing first.
    pub(crate) fn from(mut self, version: &str) -> Self {
        self.version = Some(version.to_owned()).filter(|version| !version.is_empty());
        self
    }

    /// The next change. Waits for a server that is away, up to a limit.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when the server stays away, [`Error::Refused`] when it says no.
    pub(crate) async fn next(&mut self) -> Result<Change, Error> {
        loop {
            if let Some(change) = self.pending.pop_front() {
                return Ok(change);
            }
            match self.advance().await {
                Ok(()) => self.failures = 0,
                Err(error) if error.is_gone() => {
                    self.version = None;
                    self.lines = None;
                }
                Err(error) if error.is_passing() && self.failures < MAX_ATTEMPTS => {
                    self.lines = None;
                    let wait = Duration::from_millis(50 << self.failures.min(7)).min(MAX_WAIT);
                    self.failures += 1;
                    tokio::time::sleep(wait).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Lists, opens the stream or reads one line of it.
    async fn advance(&mut self) -> Result<(), Error> {
        let Some(version) = self.version.clone() else {
            let list = self.client.list(&self.address, &self.query).await?;
            let version = list.pointer("/metadata/resourceVersion").and_then(Value::as_str);
            self.version = Some(version.unwrap_or("0").to_owned());
            if let Some(Value::Array(items)) = list.get("items") {
                self.pending.extend(items.iter().cloned().map(Change::Present));
            }
            return Ok(());
        };
        let Some(lines) = &mut self.lines else {
            self.lines = Some(self.open(&version).await?);
            return Ok(());
        };
        match lines.next().await {
            Some(Line::Whole(line)) => self.read(&line),
            // The server ended the stream, or was stopped: go on where it ended.
            Some(Line::Cut(_)) | None => Err(Error::Unreachable {
                address: self.client.address.clone(),
                source: "the watch ended".into(),
            }),
        }
    }

    async fn open(&self, version: &str) -> Result<Lines, Error> {
        let mut path = format!(
            "{}?watch=true&allowWatchBookmarks=true&resourceVersion={version}",
            self.address.collection()
        );
        if !self.query.is_empty() {
            path.push('&');
            path.push_str(&self.query);
        }
        let response = self.client.send("GET", &path, "application/json", None).await?;
        Ok(Lines::new(response.into_body(), MAX_LINE_BYTES))
    }

    fn read(&mut self, line: &str) -> Result<(), Error> {
        let mut event: Value =
            serde_json::from_str(line).map_err(|source| Error::internal("read a watch event", source))?;
        let object = event.get_mut("object").map(Value::take).unwrap_or_default();
        if let Some(version) = object.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
            self.version = Some(version.to_owned());
        }
        match event.get("type").and_then(Value::as_str) {
            Some("ADDED" | "MODIFIED") => self.pending.push_back(Change::Present(object)),
            Some("DELETED") => self.pending.push_back(Change::Deleted(object)),
            Some("ERROR") => {
                let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                let code = object.get("code").and_then(Value::as_u64).unwrap_or(500);
                return Err(Error::Refused {
                    message: text("message"),
                    reason: text("reason"),
                    code: u16::try_from(code).unwrap_or(500),
                });
            }
            _ => {}
        }
        Ok(())
    }
}
