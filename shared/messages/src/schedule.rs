//! Listeners that fire by themselves.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far a listener's schedule has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fired {
    /// Version of this payload.
    pub version: u64,
    /// UID of the listener; another one of the same name begins anew.
    pub listener_uid: String,
    /// The schedule and its time zone as they were; another schedule begins anew.
    pub schedule: String,
    /// The last time that was fired for, or when the schedule began.
    pub since: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Fired;

    #[test]
    fn payloads_of_version_1_are_read() {
        let fired = json!({
            "version": 1, "listenerUid": "u", "schedule": "30 4 * * 1-5 Europe/Berlin",
            "since": "2026-11-23T03:30:00Z",
        });
        let read: Fired = serde_json::from_value(fired.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), fired);
    }
}
