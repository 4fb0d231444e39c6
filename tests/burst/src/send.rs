//! Sending, as forges do that mean it: until each request is answered 202.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tidemill_kit::Poster;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::deliveries::Request;

/// Where all requests go.
const PATH: &str = "/default/burst";
/// Pause after a connection that broke.
const BROKEN_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause that is kept when told to come later.
const LATER_MAX: Duration = Duration::from_secs(1);
/// How long one request may take, with all its tries.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);

/// How fast.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many a second, whether or not the ones before were answered.
    Rate(u32),
    /// Each connection sends its next request when it has the answer.
    Fast,
}

/// A request that was answered 202.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) request: Request,
    /// The id it was told.
    pub(crate) event: String,
    /// From the begin of the try that was answered to the answer.
    pub(crate) answer: Duration,
    /// From the time it was due to the answer, with all tries.
    pub(crate) whole: Duration,
    /// Tries that were not answered, or told to come later.
    pub(crate) again: usize,
}

/// Requests on their way.
pub(crate) struct Sending {
    workers: JoinSet<Result<Vec<Sent>>>,
    done: Arc<AtomicUsize>,
    moved: Arc<Notify>,
}

/// Starts sending over so many connections.
pub(crate) fn start(address: SocketAddr, requests: Arc<[Request]>, pace: Pace, connections: usize) -> Sending {
    let (next, done, moved) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Notify::new()),
    );
    let begin = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let (next, done, moved, requests) = (next.clone(), done.clone(), moved.clone(), requests.clone());
        workers.spawn(async move {
            let mut poster = Poster::new(address);
            let mut sent = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(number) else {
                    return Ok(sent);
                };
                let due = match pace {
                    Pace::Rate(rate) => begin + Duration::from_secs_f64(number as f64 / f64::from(rate)),
                    Pace::Fast => Instant::now(),
                };
                sleep_until(due).await;
                sent.push(one(&mut poster, request, due).await?);
                done.fetch_add(1, Ordering::Relaxed);
                moved.notify_one();
            }
        });
    }
    Sending { workers, done, moved }
}

impl Sending {
    /// Waits until so many were answered.
    pub(crate) async fn reached(&self, count: usize) {
        while self.done.load(Ordering::Relaxed) < count {
            self.moved.notified().await;
        }
    }

    /// Waits for all.
    pub(crate) async fn finish(mut self) -> Result<Vec<Sent>> {
        let mut all = Vec::new();
        while let Some(sent) = self.workers.join_next().await {
            all.extend(sent??);
        }
        Ok(all)
    }
}

async fn one(poster: &mut Poster, request: &Request, due: Instant) -> Result<Sent> {
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Gitlab-Event", "Push Hook"),
        ("X-Gitlab-Token", request.token),
        ("Idempotency-Key", request.delivery.as_str()),
    ];
    let mut again = 0;
    loop {
        let begin = Instant::now();
        ensure!(
            begin - due < REQUEST_LIMIT,
            "{} was not answered 202 in {REQUEST_LIMIT:?}",
            request.delivery
        );
        let pause = match poster.post(PATH, &headers, request.body.as_bytes()).await {
            Err(_) => BROKEN_PAUSE,
            Ok(answer) if answer.code == 202 => {
                let receipt: Value = serde_json::from_slice(&answer.body)?;
                let event = receipt["eventID"].as_str().context("no eventID")?;
                return Ok(Sent {
                    request: request.clone(),
                    event: event.to_owned(),
                    answer: begin.elapsed(),
                    whole: due.elapsed(),
                    again,
                });
            }
            Ok(answer) if matches!(answer.code, 429 | 503) => {
                let later = answer.retry_after_s.context("told to come later, but not when")?;
                Duration::from_secs(later).min(LATER_MAX)
            }
            Ok(answer) => bail!(
                "{} was answered {}: {}",
                request.delivery,
                answer.code,
                String::from_utf8_lossy(&answer.body)
            ),
        };
        again += 1;
        sleep(pause).await;
    }
}
