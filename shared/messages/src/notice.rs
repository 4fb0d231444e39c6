//! What came in and is no new event: redeliveries, and requests that were not taken in.
//!
//! They start nothing and are stored for people only: so many a minute, the others are counted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::Summary;

/// A request that is no new event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Version of this payload.
    pub version: u64,
    /// When it came.
    pub at: Timestamp,
    /// What is known of it. Of a redelivery the id and key are those of the event it repeats; of a
    /// refused request both are empty.
    pub summary: Summary,
    /// Why it is none.
    pub what: What,
    /// Requests of this kind before it that were not stored, being too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unstored: u64,
}

/// Why a request is no new event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// The event is stored already.
    Redelivered,
    /// It was not taken in.
    #[serde(rename_all = "camelCase")]
    Refused {
        /// HTTP status of the answer.
        code: u16,
        /// What its sender was told.
        message: String,
    },
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn payloads_of_version_1_are_read() {
        let summary = json!({
            "id": "e", "key": "ab", "namespace": "ci", "listener": "el", "listenerUid": "u",
            "receivedAt": "2026-11-23T13:05:02Z", "from": "gitlab", "event": "Push Hook", "branch": "main",
            "revision": "3f2c", "repository": "a/b", "sender": "10.0.0.1",
        });
        for what in [
            json!("redelivered"),
            json!({"refused": {"code": 413, "message": "the body is too large"}}),
        ] {
            let notice = json!({
                "version": 1, "at": "2026-11-23T13:05:02Z", "summary": summary, "what": what, "unstored": 3,
            });
            let read: Notice = serde_json::from_value(notice.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), notice);
        }
    }
}
