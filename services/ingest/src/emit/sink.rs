//! Telling services of others over HTTP, each from a durable consumer of its own: one that hangs
//! keeps only itself waiting.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tidemill_bus::{ConsumerSpec, Delivery};
use tidemill_messages::stream::{CLOUD_EVENTS, RELEASES};
use tidemill_messages::{envelope, subject};
use tokio::task::JoinSet;

use super::{decided, read};
use crate::Error;
use crate::app::App;
use crate::client::Post;
use crate::retry::until_done;

/// How long a sink may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Its largest answer, which nobody reads.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Events under way to one sink at once, those that are to be sent again included.
const AT_ONCE: u64 = 8;
/// An event that nobody works on for so long comes again.
const ACK_WAIT: Duration = Duration::from_secs(60);
/// Pauses before an event is sent again: the first, doubled each time, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// Kinds of runs.
const RUNS: [&str; 3] = ["pipelinerun", "taskrun", "customrun"];

/// Somebody who wants to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sink {
    pub(crate) url: String,
    pub(crate) stream: &'static str,
    /// Name of its durable consumer.
    pub(crate) consumer: String,
    filters: Vec<String>,
}

/// The sinks of the settings: each is told of runs and of releases.
pub(crate) fn of_settings(urls: &[String]) -> Vec<Sink> {
    let both = |url: &String| {
        let digest = hex::encode(&Sha256::digest(url.as_bytes())[..12]);
        let runs = RUNS.iter().map(|kind| subject::cloud_events_of_kind(kind)).collect();
        let sink = |stream, filters| Sink {
            url: url.clone(),
            stream,
            consumer: format!("sink-{digest}"),
            filters,
        };
        [sink(CLOUD_EVENTS, runs), sink(RELEASES, vec!["release.>".to_owned()])]
    };
    urls.iter().flat_map(both).collect()
}

/// The `cloudEventURI` of a listener: it is told what became of the listener's events.
pub(crate) fn of_listener(url: &str, namespace: &str, uid: &str) -> Sink {
    Sink {
        url: url.to_owned(),
        stream: CLOUD_EVENTS,
        consumer: format!("listener-{uid}"),
        filters: vec![subject::cloud_events_of(namespace, decided::KIND, uid)],
    }
}

/// Tells a sink until ingest stops.
///
/// # Errors
/// [`Error::Stopping`]; a consumer that was deleted.
pub(crate) async fn deliver(app: &Arc<App>, sink: &Sink) -> Result<(), Error> {
    let spec = ConsumerSpec {
        stream: sink.stream.to_owned(),
        name: sink.consumer.clone(),
        filters: sink.filters.clone(),
        ack_wait: ACK_WAIT,
        max_ack_pending: AT_ONCE,
        pinned: None,
        from_start: false,
    };
    let mut consumer = until_done(&app.stopping, || async { Ok(app.bus.consumer(&spec).await?) }).await?;
    let mut tasks = JoinSet::new();
    loop {
        // The server hands out no more than may be under way.
        for delivery in consumer.next_batch(AT_ONCE as usize).await? {
            let (app, sink) = (app.clone(), sink.clone());
            tasks.spawn(async move { tell(&app, &sink, delivery).await });
        }
        while tasks.try_join_next().is_some() {}
    }
}

async fn tell(app: &App, sink: &Sink, delivery: Delivery) {
    let stored = &delivery.message;
    let event = match until_done(&app.stopping, || read(app, stored)).await {
        Ok(Some(event)) => event,
        Ok(None) => return delivery.terminate().await,
        Err(_) => return delivery.retry_after(PAUSES.0).await,
    };
    let headers = event
        .headers()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    let mut headers: Vec<(String, String)> = headers.collect();
    if let Some(parent) = stored.header(envelope::TRACEPARENT) {
        headers.push((envelope::TRACEPARENT.to_owned(), parent.to_owned()));
    }
    let post = Post {
        url: &sink.url,
        headers: &headers,
        body: Bytes::from(event.data.to_string()),
        ca_bundle: "",
        limit: ANSWER_LIMIT,
        answer_bytes: ANSWER_BYTES_MAX,
    };
    let (why, may_pass) = match app.client.post(&post).await {
        Ok(reply) if (200..300).contains(&reply.status) => return delivery.ack().await,
        Ok(reply) => (format!("it answered {}", reply.status), is_passing(reply.status)),
        Err(failure) => (failure.to_string(), failure.is_transient()),
    };
    let (url, id, tries) = (&sink.url, &event.id, delivery.delivered);
    if may_pass && tries < u64::from(app.settings.sink_tries) {
        tracing::debug!(url, id, why, tries, "A sink is told again.");
        delivery.retry_after(pause(tries)).await;
    } else {
        tracing::warn!(url, id, why, tries, "A sink was not told.");
        delivery.terminate().await;
    }
}

/// Whether the answer may be another one later.
fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..)
}

fn pause(tries: u64) -> Duration {
    let doubled = u32::try_from(tries.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    (PAUSES.0 * 2_u32.pow(doubled)).min(PAUSES.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        assert_eq!(pause(1), PAUSES.0);
        assert_eq!(pause(4), PAUSES.0 * 8);
        assert_eq!(pause(u64::MAX), PAUSES.1);
    }

    #[test]
    fn a_refusal_is_final_and_a_fault_is_not() {
        for (status, expected) in [(400, false), (404, false), (302, false), (429, true), (503, true)] {
            assert_eq!(is_passing(status), expected, "{status}");
        }
    }
}
