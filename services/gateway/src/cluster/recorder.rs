//! Events about runs, written into the cluster, whose kind they are: `kubectl describe` looks for them there.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::PostParams;
use serde_json::Value;
use tidemill_bus::{Bus, Consumer, ConsumerSpec, Delivery, blob};
use tidemill_messages::stream::OBJECTS;
use tidemill_messages::subject;
use tidemill_objects::Head;
use tidemill_resources::Object;
use tokio_util::sync::CancellationToken;

use super::Cluster;
use crate::object_events;

/// Whoever of all gateways takes a change tells of it.
const CONSUMER: &str = "cluster-events";
/// How long a change may be under way before it comes again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Changes taken at once.
const BATCH_MAX: usize = 32;
/// Changes under way at once, at all gateways.
const PENDING_MAX: u64 = 256;
/// When something is tried again that the cluster or the store did not take.
const AGAIN: Duration = Duration::from_secs(2);
/// Tries for one event. They are for people: a cluster that takes none keeps nobody waiting.
const MAX_TRIES: u64 = 5;
/// Events this process remembers to have written: each change of a status would name them again.
const REMEMBERED: usize = 8_192;
/// Longest message of an event, in bytes, as Kubernetes has it.
const MAX_MESSAGE_BYTES: usize = 1_024;

/// Events that were written, the oldest first.
#[derive(Default)]
struct Written {
    names: HashSet<String>,
    order: VecDeque<String>,
}

/// Writes the start and the end of each run into the cluster, until `shutdown`. An event has a name of its own for
/// ever: told twice it is written once.
pub(crate) async fn record(cluster: &Cluster, bus: Bus, shutdown: CancellationToken) {
    let mut written = Written::default();
    let work = async {
        loop {
            if let Err(error) = follow(cluster, &bus, &mut written).await {
                tracing::warn!(%error, "Changes of runs cannot be followed, so no events are written; it is tried again.");
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = shutdown.cancelled() => {}
    }
}

async fn follow(cluster: &Cluster, bus: &Bus, written: &mut Written) -> Result<(), tidemill_bus::Error> {
    let mut consumer = join(bus).await?;
    loop {
        let batch = consumer.next_batch(BATCH_MAX).await?;
        let told = batch
            .iter()
            .map(|delivery| tell(cluster, bus, delivery, &written.names));
        for name in join_all(told).await.into_iter().flatten() {
            written.remember(name);
        }
    }
}

async fn join(bus: &Bus) -> Result<Consumer, tidemill_bus::Error> {
    let filter = |resource| subject::objects_of("tekton.dev", resource);
    bus.consumer(&ConsumerSpec {
        stream: OBJECTS.to_owned(),
        name: CONSUMER.to_owned(),
        filters: vec![filter("pipelineruns"), filter("taskruns")],
        ack_wait: ACK_WAIT,
        max_ack_pending: PENDING_MAX,
        pinned: None,
        from_start: false,
    })
    .await
}

/// Writes what is new in one change; gives the names of the events that need not be written again.
async fn tell(cluster: &Cluster, bus: &Bus, delivery: &Delivery, known: &HashSet<String>) -> Vec<String> {
    let stored = &delivery.message;
    let is_there = Head::read(stored).is_some_and(|head| head.deleted.is_none());
    let body = match blob::payload(bus, stored).await {
        Ok(body) => body,
        Err(error) => {
            tracing::debug!(%error, subject = stored.subject, "A changed run cannot be read yet.");
            delivery.retry_after(AGAIN).await;
            return Vec::new();
        }
    };
    let run = serde_json::from_slice::<Object>(&body).ok().filter(|_| is_there);
    let mut done = Vec::new();
    let mut failed = false;
    for event in run.iter().flat_map(object_events::milestones) {
        let name = event["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if known.contains(&name) {
            continue;
        }
        match cluster.write_event(event).await {
            Ok(()) => done.push(name),
            Err(error) if is_for_good(&error) || delivery.delivered >= MAX_TRIES => {
                tracing::debug!(%error, event = name, "An event was not taken by the cluster.");
                done.push(name);
            }
            Err(error) => {
                tracing::debug!(%error, event = name, "An event is written again.");
                failed = true;
            }
        }
    }
    if failed {
        delivery.retry_after(AGAIN).await;
    } else {
        delivery.ack().await;
    }
    done
}

/// Whether the cluster says so again, such as that the namespace is on its way out.
fn is_for_good(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400..=422))
}

impl Cluster {
    async fn write_event(&self, mut event: Value) -> Result<(), kube::Error> {
        let metadata = event["metadata"].as_object_mut().into_iter();
        for fields in metadata {
            for field in ["uid", "resourceVersion", "creationTimestamp"] {
                fields.remove(field);
            }
        }
        let message = event["message"].as_str().unwrap_or_default();
        let longest = message.len().min(MAX_MESSAGE_BYTES);
        let end = (0..=longest).rev().find(|end| message.is_char_boundary(*end));
        event["message"] = message[..end.unwrap_or_default()].into();
        let namespace = event["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let event: Event = serde_json::from_value(event).map_err(kube::Error::SerdeError)?;
        let written = Api::<Event>::namespaced(self.client.clone(), &namespace)
            .create(&PostParams::default(), &event)
            .await;
        match written {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            written => written.map(drop),
        }
    }
}

impl Written {
    fn remember(&mut self, name: String) {
        if self.names.insert(name.clone()) {
            self.order.push_back(name);
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.names.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut written = Written::default();
        for number in 0..=REMEMBERED {
            written.remember(number.to_string());
            written.remember(number.to_string());
        }
        assert_eq!(written.names.len(), REMEMBERED);
        assert!(!written.names.contains("0") && written.names.contains("1"));
    }
}
