//! One client that reads a log, and perhaps follows it.

use bytes::Bytes;
use tidemill_bus::{Bus, Stored};
use tidemill_messages::subject;
use tidemill_objects::{Error, FieldSelector, Objects, Scope, WatchEvent, WatchQuery};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use super::history::{History, Order, Text};
use super::hub::{Follower, Hub};
use super::lines::Printer;
use crate::pods::Pod;

/// A log on its way to a client.
pub(super) struct Reading {
    pub(super) bus: Bus,
    pub(super) hub: Hub,
    pub(super) objects: Objects,
    pub(super) printer: Printer,
    pub(super) follow: bool,
    pub(super) pod: Pod,
    pub(super) container: String,
    /// Of the container's log.
    pub(super) subject: String,
    /// The last sequence that was read.
    pub(super) cursor: u64,
    pub(super) output: mpsc::Sender<Bytes>,
}

/// Why reading ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the client has gone or has enough")]
    Client,
    #[error("the log cannot be read")]
    Bus(#[from] tidemill_bus::Error),
    #[error("the task run cannot be watched")]
    Objects(#[from] Error),
}

impl Reading {
    /// Sends the log; returns at its end.
    pub(super) async fn run(mut self) {
        let read = if self.follow {
            self.follow().await
        } else {
            self.past().await
        };
        if let Err(error @ (End::Bus(_) | End::Objects(_))) = read {
            tracing::warn!(error = %tidemill_telemetry::Chain(&error), "A log ended early.");
        }
    }

    /// All that is stored.
    async fn past(&mut self) -> Result<(), End> {
        let mut order = Order::default();
        self.stored(&mut order).await?;
        let kept = self.printer.end_of_past();
        self.send(kept).await
    }

    /// What is stored, then what comes, until the attempt is over.
    async fn follow(&mut self) -> Result<(), End> {
        let mut order = Order::default();
        let key = self.pod.attempt_key();
        let later = self.later_containers();
        let mut follower = self.hub.follow(&key).await?;
        let over = over(self.objects.clone(), self.pod.with(self.pod.task_run().clone()));
        tokio::pin!(over);
        self.stored(&mut order).await?;
        let kept = self.printer.end_of_past();
        self.send(kept).await?;
        loop {
            tokio::select! {
                text = follower.texts.recv() => match text {
                    Ok(stored) if later.contains(&stored.subject) => break,
                    Ok(stored) => self.live(&stored, &follower, &mut order).await?,
                    Err(RecvError::Lagged(_) | RecvError::Closed) => {
                        follower = self.hub.follow(&key).await?;
                        self.stored(&mut order).await?;
                    }
                },
                ended = &mut over => {
                    ended?;
                    break;
                }
                () = self.output.closed() => return Err(End::Client),
            }
        }
        // Whatever was stored before the end became known.
        self.stored(&mut order).await
    }

    /// Sends what is stored after the cursor.
    async fn stored(&mut self, order: &mut Order) -> Result<(), End> {
        let mut history = History::open(&self.bus, &self.subject, self.cursor + 1).await?;
        while let Some(stored) = history.next().await? {
            self.cursor = stored.sequence;
            if let Some((number, text)) = order.accept(&stored)
                && let Some(text) = order.push(number, text)
            {
                self.print(&text).await?;
            }
        }
        for text in order.flush() {
            self.print(&text).await?;
        }
        Ok(())
    }

    /// Sends a text that just came, unless it was read already.
    async fn live(&mut self, stored: &Stored, follower: &Follower, order: &mut Order) -> Result<(), End> {
        if stored.subject != self.subject || stored.sequence <= self.cursor || stored.sequence < follower.from {
            return Ok(());
        }
        self.cursor = stored.sequence;
        match order.accept(stored) {
            Some((_, text)) => self.print(&text).await,
            None => Ok(()),
        }
    }

    async fn print(&mut self, text: &Text) -> Result<(), End> {
        let printed = self.printer.print(text);
        self.send(printed).await
    }

    async fn send(&mut self, text: Vec<u8>) -> Result<(), End> {
        if !text.is_empty() {
            self.output.send(text.into()).await.map_err(|_| End::Client)?;
        }
        if self.printer.is_full() {
            Err(End::Client)
        } else {
            Ok(())
        }
    }

    /// Subjects of the steps after this one: when one of them writes, this one is over.
    fn later_containers(&self) -> Vec<String> {
        let key = self.pod.attempt_key();
        if !self.container.starts_with("step-") {
            return Vec::new();
        }
        let all = self.pod.containers();
        let after = all.iter().skip_while(|name| **name != self.container).skip(1);
        after
            .filter(|name| name.starts_with("step-"))
            .map(|name| subject::log(&key, name))
            .collect()
    }
}

/// Returns when the attempt of the pod is over or its TaskRun is gone.
async fn over(objects: Objects, mut pod: Pod) -> Result<(), Error> {
    let key = pod.task_run_key()?;
    loop {
        let scope = Scope {
            fields: FieldSelector::name(&key.name),
            ..Scope::new(&key.group, &key.resource, Some(&key.namespace))
        };
        let query = WatchQuery {
            scope,
            resource_version: Some(pod.version()),
            ..WatchQuery::default()
        };
        match until_over(&objects, &pod, query).await {
            Err(Error::Expired { .. }) => match objects.get(&key).await? {
                Some(task_run) => pod = pod.with(task_run),
                None => return Ok(()),
            },
            ended => return ended,
        }
        if pod.is_over() {
            return Ok(());
        }
    }
}

async fn until_over(objects: &Objects, pod: &Pod, query: WatchQuery) -> Result<(), Error> {
    let mut watch = objects.watch(query).await?;
    loop {
        match watch.next().await? {
            WatchEvent::Deleted(_) => return Ok(()),
            WatchEvent::Added(task_run) | WatchEvent::Modified(task_run) if pod.with((*task_run).clone()).is_over() => {
                return Ok(());
            }
            _ => {}
        }
    }
}
