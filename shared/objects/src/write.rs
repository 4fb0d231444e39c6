//! One write: compare-and-set on the object's subject, read back when nobody answers, answered when
//! the index has it.

use tidemill_bus::{Message, Retry, blob};
use tidemill_messages::envelope::TRACEPARENT;
use tidemill_messages::stream::OBJECTS;
use tidemill_messages::{Traceparent, trace};
use tidemill_resources::Object;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::head::{Head, write_of};
use crate::inner::{Inner, Slot};
use crate::{Error, Key};

/// Who wrote first.
enum Refused {
    /// Something else lies under the subject now.
    Moved,
    Failed(Error),
}

/// What is to become of an object.
pub(crate) enum Plan {
    /// Store this.
    Put(Box<Object>),
    /// Delete it; this is its last state.
    Remove(Box<Object>),
    /// It is as it should be.
    Keep,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// The object, its resourceVersion included (the one before in a dry run).
    pub(crate) object: Object,
    pub(crate) removed: bool,
    /// Something was stored (or would have been, in a dry run).
    pub(crate) changed: bool,
}

impl Inner {
    /// Reads, decides and stores, again and again until no other writer comes between.
    ///
    /// `decide` may be asked more than once. What it says about a state that was only likely is
    /// checked with a read from the leader before it is returned.
    pub(crate) async fn transact(
        &self,
        key: &Key,
        dry_run: bool,
        mut decide: impl FnMut(&Slot) -> Result<Plan, Error>,
    ) -> Result<Outcome, Error> {
        self.check_ready()?;
        let mut slot = self.likely_slot(key).await?;
        let mut certain = false;
        for _ in 0..self.options.write_attempts {
            match decide(&slot) {
                Ok(Plan::Keep) if certain => return kept(key, slot),
                Err(error) if certain => return Err(error),
                Ok(Plan::Put(object)) if !dry_run || certain => {
                    if let Some(outcome) = self.try_store(key, *object, &slot, false, dry_run).await? {
                        return Ok(outcome);
                    }
                }
                Ok(Plan::Remove(object)) if !dry_run || certain => {
                    if let Some(outcome) = self.try_store(key, *object, &slot, true, dry_run).await? {
                        return Ok(outcome);
                    }
                }
                Ok(_) | Err(_) => {}
            }
            slot = self.slot(key).await?;
            certain = true;
        }
        Err(Error::TooManyRequests {
            message: format!(
                "{} {:?} was changed by others {} times in between",
                key.group_resource(),
                key.name,
                self.options.write_attempts
            ),
            retry_after_s: 1,
        })
    }

    /// `None`: another writer was first.
    async fn try_store(
        &self,
        key: &Key,
        mut object: Object,
        slot: &Slot,
        remove: bool,
        dry_run: bool,
    ) -> Result<Option<Outcome>, Error> {
        object.metadata.resource_version = None;
        let (head, body) = self.encode(key, &object, remove)?;
        if dry_run {
            object.metadata.resource_version = slot.live().and_then(|old| old.metadata.resource_version.clone());
        } else {
            let mut published = self.publish(key, &object, &head, body, slot.expected()).await;
            if remove && matches!(published, Err(Refused::Failed(Error::TooManyRequests { .. }))) {
                // A full store must let go: this tombstone is smaller than what it replaces.
                object.rest.clear();
                object.metadata.annotations = None;
                let (head, body) = self.encode(key, &object, remove)?;
                published = self.publish(key, &object, &head, body, slot.expected()).await;
            }
            match published {
                Ok(sequence) => {
                    self.reached(sequence).await?;
                    object.metadata.resource_version = Some(sequence.to_string());
                }
                Err(Refused::Moved) => return Ok(None),
                Err(Refused::Failed(error)) => return Err(error),
            }
        }
        Ok(Some(Outcome {
            object,
            removed: remove,
            changed: true,
        }))
    }

    fn encode(&self, key: &Key, object: &Object, remove: bool) -> Result<(Head, Vec<u8>), Error> {
        let mut head = Head::of(object, key, &self.options)?;
        head.deleted = remove.then(|| self.bus.now());
        let body = serde_json::to_vec(object).map_err(|source| Error::Internal {
            message: format!("{} {:?} cannot be written as JSON", key.group_resource(), key.name),
            source: Some(source.into()),
        })?;
        if body.len() > self.options.object_bytes {
            return Err(Error::TooLarge {
                resource: key.group_resource(),
                name: key.name.clone(),
                size: body.len(),
                limit: self.options.object_bytes,
                setting: "object-bytes",
            });
        }
        Ok((head, body))
    }

    async fn publish(
        &self,
        key: &Key,
        object: &Object,
        head: &Head,
        body: Vec<u8>,
        expected: u64,
    ) -> Result<u64, Refused> {
        let write = Uuid::new_v4();
        let mut message = Message {
            headers: head.headers(write),
            ..Message::new(key.subject(), body).expecting(expected)
        };
        if let Some(context) = trace_of(object) {
            message = message.header(TRACEPARENT, context.to_string());
        }
        let message = blob::attach(&self.bus, message)
            .await
            .map_err(|error| Refused::Failed(error.into()))?;
        let deadline = Instant::now() + self.options.index_wait;
        loop {
            let error = match self.bus.publish(message.clone()).await {
                Ok(sequence) => return Ok(sequence),
                Err(error) => error,
            };
            match error.retry() {
                // A conflict may be with our own write whose answer was lost.
                Retry::Reload | Retry::ReadBack => {
                    if let Some(sequence) = self.read_back(key, write, expected, deadline).await? {
                        return Ok(sequence);
                    }
                }
                Retry::Never | Retry::After(_) => return Err(Refused::Failed(error.into())),
            }
            if Instant::now() >= deadline {
                return Err(Refused::Failed(error.into()));
            }
        }
    }

    /// The sequence of our write if it is stored; `None` if nothing was and it may be tried again.
    async fn read_back(
        &self,
        key: &Key,
        write: Uuid,
        expected: u64,
        deadline: Instant,
    ) -> Result<Option<u64>, Refused> {
        loop {
            match self.bus.last(OBJECTS, &key.subject()).await {
                Ok(Some(stored)) if write_of(&stored) == Some(write) => return Ok(Some(stored.sequence)),
                Ok(stored) if stored.as_ref().map_or(0, |stored| stored.sequence) == expected => return Ok(None),
                Ok(_) => return Err(Refused::Moved),
                Err(error) => {
                    let Retry::After(pause) = error.retry() else {
                        if Instant::now() >= deadline || error.retry() == Retry::Never {
                            return Err(Refused::Failed(error.into()));
                        }
                        continue;
                    };
                    if Instant::now() + pause >= deadline {
                        return Err(Refused::Failed(error.into()));
                    }
                    sleep(pause).await;
                }
            }
        }
    }
}

/// The trace an object says it is part of.
fn trace_of(object: &Object) -> Option<Traceparent> {
    let annotations = object.metadata.annotations.as_ref()?;
    let carried = [trace::ANNOTATION_PIPELINE_RUN, trace::ANNOTATION_TASK_RUN];
    let carried = carried.into_iter().find_map(|key| annotations.get(key))?;
    Traceparent::from_json(carried)
}

fn kept(key: &Key, slot: Slot) -> Result<Outcome, Error> {
    match slot {
        Slot::Live { object, .. } => Ok(Outcome {
            object: *object,
            removed: false,
            changed: false,
        }),
        Slot::Empty | Slot::Tombstone { .. } => Err(key.not_found()),
    }
}
