//! Finite reads: up to the last message that the leader knew at the call.

use std::time::Duration;

use async_nats::Message;
use futures::StreamExt as _;
use serde::Serialize;
use tokio::time::Instant;

use super::convert;
use super::reader::Ordered;
use super::session::Session;
use super::transport::Nats;
use crate::{Error, Stored};

/// Messages a batch; the server sends a batch without being asked again.
const BATCH: usize = 1_000;
/// Bytes a batch.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// A replica that lags behind the leader is asked again after this long; a reader that hears nothing
/// for as long looks whether its goal was purged.
const LAG_PAUSE: Duration = Duration::from_millis(100);

#[derive(Serialize)]
struct LastRequest<'a> {
    last_by_subj: &'a str,
}

#[derive(Serialize)]
struct BatchRequest<'a> {
    seq: u64,
    next_by_subj: &'a str,
    batch: usize,
    max_bytes: usize,
}

/// How one batch ended.
enum BatchEnd {
    /// The server has, or may have, more.
    More,
    /// The server has no more.
    NoMore,
    /// No answer.
    Lost,
}

impl Session {
    /// The last message under `filter`, from the leader.
    pub(super) async fn last(&self, stream: &str, filter: &str) -> Result<Option<Stored>, Error> {
        self.get_message(stream, &LastRequest { last_by_subj: filter }).await
    }
}

impl Nats {
    pub(super) async fn read_to_end(&self, stream: &str, filter: &str, from: u64) -> Result<Vec<Stored>, Error> {
        let mut all = Vec::new();
        let mut position = from.max(1);
        let mut heard_at = Instant::now();
        let Some(mut goal) = self.goal(stream, filter, position).await? else {
            return Ok(all);
        };
        if goal.sequence == position {
            return Ok(vec![goal]);
        }
        loop {
            self.session.reach_by(heard_at + self.session.timeout).await?;
            let before = all.len();
            let end = self
                .read_batch(stream, filter, position, goal.sequence, &mut all)
                .await?;
            if let Some(last) = all.last() {
                position = last.sequence + 1;
            }
            if position > goal.sequence {
                return Ok(all);
            }
            if all.len() > before {
                heard_at = Instant::now();
            } else if heard_at.elapsed() > self.session.timeout {
                return Err(self.session.unknown(filter));
            }
            match end {
                BatchEnd::More => {}
                BatchEnd::Lost => tokio::time::sleep(LAG_PAUSE).await,
                BatchEnd::NoMore => match self.goal(stream, filter, position).await? {
                    // Purged meanwhile.
                    None => return Ok(all),
                    Some(later) if later.sequence > goal.sequence => {
                        // The old goal is gone, and what is there now came after the call.
                        if self
                            .session
                            .get_message(stream, &SequenceRequest { seq: goal.sequence })
                            .await?
                            .is_none()
                        {
                            goal = later;
                        }
                        tokio::time::sleep(LAG_PAUSE).await;
                    }
                    Some(_) => tokio::time::sleep(LAG_PAUSE).await,
                },
            }
        }
    }

    /// As [`Nats::read_to_end`], without payloads; for long reads, as a consumer has to be made.
    pub(super) async fn read_headers(&self, stream: &str, filter: &str, from: u64) -> Result<Vec<Stored>, Error> {
        let mut all = Vec::new();
        let Some(goal) = self.goal(stream, filter, from).await? else {
            return Ok(all);
        };
        let session = self.session.clone();
        let mut reader = Ordered::open(session, stream.to_owned(), filter.to_owned(), from, true).await?;
        let mut heard_at = Instant::now();
        while reader.position() <= goal.sequence {
            match tokio::time::timeout(LAG_PAUSE, reader.read()).await {
                Ok(stored) => {
                    let stored = stored?;
                    if stored.sequence <= goal.sequence {
                        all.push(stored);
                    }
                    heard_at = Instant::now();
                }
                Err(_) if self.goal(stream, filter, reader.position()).await?.is_none() => break,
                Err(_) if heard_at.elapsed() > self.session.timeout => return Err(self.session.unknown(filter)),
                Err(_) => {}
            }
        }
        Ok(all)
    }

    /// The last message under `filter`, if it is not before `from`.
    async fn goal(&self, stream: &str, filter: &str, from: u64) -> Result<Option<Stored>, Error> {
        let last = self.session.last(stream, filter).await?;
        Ok(last.filter(|stored| stored.sequence >= from))
    }

    /// One batch of direct gets, up to `goal`.
    async fn read_batch(
        &self,
        stream: &str,
        filter: &str,
        from: u64,
        goal: u64,
        all: &mut Vec<Stored>,
    ) -> Result<BatchEnd, Error> {
        let client = &self.session.client;
        let mut losses = self.session.losses.subscribe();
        let inbox = client.new_inbox();
        let request = convert::json(&BatchRequest {
            seq: from,
            next_by_subj: filter,
            batch: BATCH,
            max_bytes: MAX_BATCH_BYTES,
        });
        let Ok(mut answers) = client.subscribe(inbox.clone()).await else {
            return Ok(BatchEnd::Lost);
        };
        if client
            .publish_with_reply(format!("$JS.API.DIRECT.GET.{stream}"), inbox, request)
            .await
            .is_err()
        {
            return Ok(BatchEnd::Lost);
        }
        loop {
            let answer = tokio::select! {
                biased;
                answer = answers.next() => answer,
                _ = losses.changed() => None,
                () = tokio::time::sleep(self.session.timeout) => None,
            };
            let Some(answer) = answer else {
                return Ok(BatchEnd::Lost);
            };
            if let Some(end) = batch_end(&answer) {
                return Ok(end);
            }
            let Some(stored) = convert::direct(&answer) else {
                return Ok(BatchEnd::Lost);
            };
            if stored.sequence <= goal {
                all.push(stored);
            }
            if all.last().is_some_and(|last| last.sequence >= goal) {
                return Ok(BatchEnd::More);
            }
        }
    }
}

#[derive(Serialize)]
pub(super) struct SequenceRequest {
    pub(super) seq: u64,
}

/// What a status says; `None` for a message.
fn batch_end(answer: &Message) -> Option<BatchEnd> {
    let status = answer.status?;
    let left = answer.headers.as_ref().and_then(|map| map.get_last("Nats-Num-Pending"));
    match status.as_u16() {
        204 if left.is_none_or(|left| left.as_str() != "0") => Some(BatchEnd::More),
        204 | 404 => Some(BatchEnd::NoMore),
        _ => Some(BatchEnd::Lost),
    }
}
