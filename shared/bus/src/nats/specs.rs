//! Streams and consumers as the server's API has them.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api::CallError;
use super::convert;
use super::outcome::{CONSUMER_NOT_FOUND, STORAGE_EXCEEDED, STREAM_NAME_IN_USE, STREAM_NOT_FOUND, missing};
use super::session::Session;
use crate::{ConsumerSpec, Discard, Error, MAX_MESSAGE_BYTES, Persistence, StreamSpec, StreamState};

/// The only priority group of a pinned consumer.
pub(super) const PIN_GROUP: &str = "owner";
/// The body of `CONSUMER.UNPIN`.
pub(super) const UNPIN_REQUEST: &str = r#"{"group":"owner"}"#;
/// Headers and payload of a message.
const MAX_STORED_BYTES: usize = MAX_MESSAGE_BYTES + 64 * 1024;

/// Tries of a stream that the server has no room for, after the first: while it starts it counts a stream before it knows it.
const ROOM_TRIES: u32 = 8;
/// Between two of them.
const ROOM_PAUSE: Duration = Duration::from_millis(250);

#[derive(Deserialize)]
struct StreamInfo {
    created: Timestamp,
    state: State,
}

#[derive(Deserialize)]
struct State {
    messages: u64,
    bytes: u64,
    first_seq: u64,
    last_seq: u64,
}

#[derive(Deserialize)]
struct Purged {
    purged: u64,
}

#[derive(Serialize)]
struct PurgeRequest<'a> {
    filter: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

impl Session {
    pub(super) async fn ensure_stream(&self, spec: &StreamSpec) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            match self.make_stream(spec).await {
                Err(CallError::Api(full)) if full.err_code == STORAGE_EXCEEDED && tries < ROOM_TRIES => {
                    tries += 1;
                    tokio::time::sleep(ROOM_PAUSE).await;
                }
                made => return made.map_err(|error| error.about("stream", &spec.name)),
            }
        }
    }

    async fn make_stream(&self, spec: &StreamSpec) -> Result<(), CallError> {
        let config = convert::json(&self.stream_config(spec));
        let name = &spec.name;
        let made = self.call_done(&format!("STREAM.CREATE.{name}"), config.clone()).await;
        match made {
            Err(CallError::Api(error)) if error.err_code == STREAM_NAME_IN_USE => {
                self.call_done(&format!("STREAM.UPDATE.{name}"), config).await
            }
            // The server counts its bytes once more before it looks whether the stream exists.
            Err(CallError::Api(full)) if full.err_code == STORAGE_EXCEEDED => {
                match self.call_done(&format!("STREAM.UPDATE.{name}"), config).await {
                    Err(CallError::Api(error)) if error.err_code == STREAM_NOT_FOUND => Err(CallError::Api(full)),
                    updated => updated,
                }
            }
            other => other,
        }
    }

    pub(super) async fn delete_stream(&self, stream: &str) -> Result<(), Error> {
        match self
            .call_done(&format!("STREAM.DELETE.{stream}"), bytes::Bytes::new())
            .await
        {
            Err(CallError::Api(error)) if error.err_code == STREAM_NOT_FOUND => Ok(()),
            other => other.map_err(|error| error.about("delete stream", stream)),
        }
    }

    pub(super) async fn stream_state(&self, stream: &str) -> Result<StreamState, Error> {
        let asked = self
            .call::<StreamInfo>(&format!("STREAM.INFO.{stream}"), bytes::Bytes::new())
            .await;
        let StreamInfo { created, state } = asked.map_err(|error| error.about("stream", stream))?;
        let empty = state.messages == 0;
        Ok(StreamState {
            messages: state.messages,
            bytes: state.bytes,
            first_sequence: if empty { state.last_seq + 1 } else { state.first_seq },
            last_sequence: state.last_seq,
            created,
        })
    }

    pub(super) async fn purge(&self, stream: &str, filter: &str, before: Option<u64>) -> Result<u64, Error> {
        let request = convert::json(&PurgeRequest { filter, seq: before });
        let purged = self.call::<Purged>(&format!("STREAM.PURGE.{stream}"), request).await;
        Ok(purged.map_err(|error| error.about("purge", stream))?.purged)
    }

    pub(super) async fn ensure_consumer(&self, spec: &ConsumerSpec) -> Result<(), Error> {
        let config = durable_config(spec, self.replicas);
        self.create_consumer(&spec.stream, &spec.name, config).await
    }

    /// An ephemeral consumer that hands out everything once, in order, from `from` on.
    pub(super) async fn create_ordered(
        &self,
        stream: &str,
        name: &str,
        filter: &str,
        from: u64,
        headers_only: bool,
    ) -> Result<(), Error> {
        let config = json!({
            "name": name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": from.max(1),
            "ack_policy": "none",
            "filter_subject": filter,
            "replay_policy": "instant",
            "headers_only": headers_only,
            "mem_storage": true,
            "num_replicas": 1,
            "inactive_threshold": nanoseconds(Duration::from_secs(60)),
        });
        self.create_consumer(stream, name, config).await
    }

    /// Whether the consumer is there; an error if it is not, or nobody knows.
    pub(super) async fn probe_consumer(&self, stream: &str, name: &str) -> Result<(), Error> {
        let asked = self
            .call_done(&format!("CONSUMER.INFO.{stream}.{name}"), bytes::Bytes::new())
            .await;
        asked.map_err(|error| about_consumer(error, stream, name))
    }

    pub(super) async fn delete_consumer(&self, stream: &str, name: &str) -> Result<(), Error> {
        match self
            .call_done(&format!("CONSUMER.DELETE.{stream}.{name}"), bytes::Bytes::new())
            .await
        {
            Err(CallError::Api(error)) if matches!(error.err_code, CONSUMER_NOT_FOUND | STREAM_NOT_FOUND) => Ok(()),
            other => other.map_err(|error| error.about("delete consumer of", stream)),
        }
    }

    /// Everything unacknowledged comes again; a pin is let go.
    pub(super) async fn reset_consumer(&self, stream: &str, name: &str) -> Result<(), Error> {
        // A consumer that is not there would be silent, not an error.
        self.probe_consumer(stream, name).await?;
        let reset = self
            .call_done(&format!("CONSUMER.RESET.{stream}.{name}"), bytes::Bytes::new())
            .await;
        reset.map_err(|error| about_consumer(error, stream, name))?;
        let request = bytes::Bytes::from_static(UNPIN_REQUEST.as_bytes());
        match self
            .call_done(&format!("CONSUMER.UNPIN.{stream}.{name}"), request)
            .await
        {
            // Not a pinned consumer, or nobody holds the pin.
            Ok(()) | Err(CallError::Api(_)) => Ok(()),
            Err(CallError::Bus(error)) => Err(error),
        }
    }

    async fn create_consumer(&self, stream: &str, name: &str, config: Value) -> Result<(), Error> {
        let request = convert::json(&json!({"stream_name": stream, "config": config, "action": ""}));
        let made = self
            .call_done(&format!("CONSUMER.CREATE.{stream}.{name}"), request)
            .await;
        made.map_err(|error| about_consumer(error, stream, name))
    }

    fn stream_config(&self, spec: &StreamSpec) -> Value {
        let discard = if spec.discard == Discard::Old || spec.schedules {
            "old"
        } else {
            "new"
        };
        let mut config = json!({
            "name": spec.name,
            "subjects": spec.subjects,
            "retention": "limits",
            "storage": "file",
            "discard": discard,
            "max_bytes": spec.max_bytes,
            "max_msgs_per_subject": if spec.max_messages_per_subject == 0 { -1 } else {
                i64::try_from(spec.max_messages_per_subject).unwrap_or(i64::MAX)
            },
            "max_msg_size": MAX_STORED_BYTES,
            "max_age": spec.max_age.map_or(0, nanoseconds),
            "num_replicas": if spec.replicas > 1 { spec.replicas } else { self.replicas },
            "allow_direct": true,
            "allow_msg_ttl": spec.message_ttl,
            "allow_msg_schedules": spec.schedules,
        });
        if spec.persistence == Persistence::Asynchronous {
            config["persist_mode"] = "async".into();
        }
        config
    }
}

fn durable_config(spec: &ConsumerSpec, replicas: usize) -> Value {
    let mut config = json!({
        "durable_name": spec.name,
        "name": spec.name,
        "deliver_policy": if spec.from_start { "all" } else { "new" },
        "ack_policy": "explicit",
        "ack_wait": nanoseconds(spec.ack_wait),
        "max_ack_pending": spec.max_ack_pending,
        "max_deliver": -1,
        "replay_policy": "instant",
        "num_replicas": if replicas > 1 { replicas } else { 0 },
    });
    match spec.filters.as_slice() {
        [] => {}
        [filter] => config["filter_subject"] = filter.as_str().into(),
        filters => config["filter_subjects"] = filters.into(),
    }
    if let Some(timeout) = spec.pinned {
        config["priority_policy"] = "pinned_client".into();
        config["priority_groups"] = json!([PIN_GROUP]);
        config["priority_timeout"] = nanoseconds(timeout).into();
    }
    config
}

fn about_consumer(error: CallError, stream: &str, name: &str) -> Error {
    match error {
        CallError::Api(error) if error.err_code == CONSUMER_NOT_FOUND => missing("consumer", name),
        other => other.about(&format!("consumer `{name}` of"), stream),
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
