//! CloudEvents: what happened, told to others.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A CloudEvent (specification 1.0) with data in JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudEvent {
    /// Version of this payload.
    pub version: u64,
    /// The same however often it is told.
    pub id: String,
    /// Where it happened, such as `/apis/tekton.dev/v1/namespaces/ci/PipelineRun/run-x`.
    pub source: String,
    /// What happened, such as `dev.tekton.event.pipelinerun.successful.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The object's name.
    pub subject: String,
    /// When it happened.
    pub time: Timestamp,
    /// What is told of it.
    pub data: Value,
    /// How many events one after the other have led to this one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hops: u32,
}

impl CloudEvent {
    /// Its attributes as the headers of HTTP's binary mode.
    pub fn headers(&self) -> [(&'static str, String); 7] {
        [
            ("Content-Type", "application/json".to_owned()),
            ("Ce-Specversion", "1.0".to_owned()),
            ("Ce-Id", self.id.clone()),
            ("Ce-Source", self.source.clone()),
            ("Ce-Type", self.kind.clone()),
            ("Ce-Subject", self.subject.clone()),
            ("Ce-Time", self.time.to_string()),
        ]
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::CloudEvent;

    #[test]
    fn payloads_of_version_1_are_read() {
        let event = json!({
            "version": 1, "id": "e", "source": "/apis/tekton.dev/v1/namespaces/ci/PipelineRun/run-x",
            "type": "dev.tekton.event.pipelinerun.successful.v1", "subject": "run-x",
            "time": "2026-11-23T13:05:02Z", "data": {"pipelineRun": {}}, "hops": 1,
        });
        let read: CloudEvent = serde_json::from_value(event.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), event);
        assert!(read.headers().contains(&("Ce-Time", "2026-11-23T13:05:02Z".to_owned())));
    }
}
