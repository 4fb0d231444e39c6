//! Webhooks that came in, and what became of them.
//!
//! An event is stored once, before its sender is answered. Its outcome is written twice: what was
//! decided, before anything is made; then what was made. Both lie on the same subject, the second by
//! compare-and-set on the first.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Header of an event: its [`Summary`] as JSON in ASCII, so that lists read no bodies.
pub const SUMMARY: &str = "Tidemill-Event";

/// Header of an outcome: what became of the event, as [`Outcome::classes`] has it, so that lists
/// read no outcomes they do not show.
pub const CLASSES: &str = "Tidemill-Outcome";

/// A webhook as it was received.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Version of this payload.
    pub version: u64,
    /// What lists show of it.
    pub summary: Summary,
    /// Path and query.
    pub url: String,
    /// Headers by canonical name; those that carry credentials are sealed.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The body, as it came.
    pub body: Body,
    /// Whether the body has to be a JSON object.
    pub checked: bool,
}

/// What lists show of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The id its sender was told.
    pub id: String,
    /// Its dedupe key, in hex.
    pub key: String,
    /// Namespace of its EventListener.
    pub namespace: String,
    /// Name of its EventListener.
    pub listener: String,
    /// UID of its EventListener.
    pub listener_uid: String,
    /// When it came.
    pub received_at: Timestamp,
    /// Whose webhook it is, such as `gitlab`; empty when unknown.
    pub from: String,
    /// What happened, such as `Push Hook`.
    pub event: String,
    /// Branch or tag.
    pub branch: String,
    /// Commit.
    pub revision: String,
    /// Repository.
    pub repository: String,
    /// Address it came from; empty when unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sender: String,
}

/// A body: text where it is UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Body {
    /// The text.
    Text(String),
    /// Other bytes, in base64.
    Base64(String),
}

/// How far an event has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// Being evaluated again after a try that did not come to its end.
    Trying,
    /// Decided; what is to be made may not be made yet.
    Decided,
    /// Everything that can be made is made.
    Done,
    /// Given up: it cannot be evaluated.
    Dead,
}

/// What became of an event, or what one trigger decided, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// A trigger took it; its objects are made.
    Accepted,
    /// It was not meant for the trigger.
    Filtered,
    /// Its sender could not prove to be one, or it was not taken in.
    Refused,
    /// A trigger, or something it relies on, is at fault.
    Failed,
    /// Given up.
    Dead,
    /// Not yet at its end.
    Pending,
    /// It came again; nothing was started.
    Redelivered,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Version of this payload.
    pub version: u64,
    /// Id of the event.
    pub id: String,
    /// How far it has come.
    pub stage: Stage,
    /// When this was written.
    pub at: Timestamp,
    /// Tries that were begun after the first did not come to its end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// Whether its listener wants CloudEvents about it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cloud_events: bool,
    /// Why it was given up; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What each trigger decided.
    pub triggers: Vec<Verdict>,
}

/// What one trigger decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Namespace of the trigger.
    pub namespace: String,
    /// Its name; empty for one without a name.
    pub trigger: String,
    /// Whether its objects are to be made.
    pub accepted: bool,
    /// What was decided; absent in what older versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Class>,
    /// Why, in one line.
    pub text: String,
    /// What its author should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What is to be made, while [`Stage::Decided`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Value>,
    /// What was made, once [`Stage::Done`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<Made>,
    /// Why not everything was made; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// An object that was made for an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// Its kind, such as `PipelineRun`.
    pub kind: String,
    /// Its namespace; empty for objects of the cluster.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Filtered,
        Self::Refused,
        Self::Failed,
        Self::Dead,
        Self::Pending,
        Self::Redelivered,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Filtered => "filtered",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Pending => "pending",
            Self::Redelivered => "redelivered",
        }
    }

    /// The class with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }

    /// The classes of a header's value; words of later versions are left out.
    pub fn list(text: &str) -> Vec<Self> {
        text.split(',').filter_map(Self::from_word).collect()
    }
}

impl Verdict {
    /// What became of the event at this trigger.
    pub fn class(&self) -> Class {
        match self.decision {
            _ if !self.error.is_empty() => Class::Failed,
            Some(decision) => decision,
            None if self.accepted => Class::Accepted,
            None => Class::Filtered,
        }
    }
}

impl Outcome {
    /// What became of the event: one class a kind of decision, the first the one that matters most.
    pub fn classes(&self) -> Vec<Class> {
        match self.stage {
            Stage::Trying | Stage::Decided => return vec![Class::Pending],
            Stage::Dead => return vec![Class::Dead],
            Stage::Done => {}
        }
        let found: Vec<Class> = self.triggers.iter().map(Verdict::class).collect();
        let order = [Class::Failed, Class::Accepted, Class::Refused, Class::Filtered];
        let mut classes: Vec<Class> = order.into_iter().filter(|class| found.contains(class)).collect();
        if classes.is_empty() {
            classes.push(Class::Filtered);
        }
        classes
    }

    /// [`Outcome::classes`] as the header's value.
    pub fn class_words(&self) -> String {
        let words: Vec<&str> = self.classes().into_iter().map(Class::as_str).collect();
        words.join(",")
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(number: &u32) -> bool {
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
            "revision": "3f2c", "repository": "a/b",
        });
        let event = json!({
            "version": 1, "summary": summary, "url": "/ci/el", "headers": {"X-Gitlab-Event": ["Push Hook"]},
            "body": {"text": "{}"}, "checked": true,
        });
        let read: Event = serde_json::from_value(event.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), event);
        let outcome = json!({
            "version": 1, "id": "e", "stage": "done", "at": "2026-11-23T13:05:02Z", "triggers": [{
                "namespace": "ci", "trigger": "push", "accepted": true, "text": "accepted, 1 objects",
                "made": [{"kind": "PipelineRun", "namespace": "ci", "name": "run-x", "uid": "u"}],
            }],
        });
        let read: Outcome = serde_json::from_value(outcome.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), outcome);
        assert_eq!(
            read.class_words(),
            "accepted",
            "what older versions wrote has no decision"
        );
    }

    #[test]
    fn what_matters_most_comes_first() {
        let verdict = |decision, error: &str| Verdict {
            namespace: "ci".to_owned(),
            trigger: "push".to_owned(),
            accepted: decision == Class::Accepted,
            decision: Some(decision),
            text: String::new(),
            warnings: Vec::new(),
            objects: Vec::new(),
            made: Vec::new(),
            error: error.to_owned(),
        };
        let mut outcome = Outcome {
            version: 1,
            id: "e".to_owned(),
            stage: Stage::Done,
            at: Timestamp::UNIX_EPOCH,
            retries: 0,
            cloud_events: false,
            reason: String::new(),
            triggers: vec![verdict(Class::Filtered, ""), verdict(Class::Accepted, "")],
        };
        assert_eq!(outcome.class_words(), "accepted,filtered");
        outcome.triggers.push(verdict(Class::Accepted, "name taken"));
        assert_eq!(outcome.classes(), [Class::Failed, Class::Accepted, Class::Filtered]);
        assert_eq!(Class::list(&outcome.class_words()), outcome.classes());
        outcome.triggers.clear();
        assert_eq!(outcome.class_words(), "filtered");
        outcome.stage = Stage::Dead;
        assert_eq!(outcome.class_words(), "dead");
        assert_eq!(Class::list("dead,odd"), [Class::Dead]);
    }
}
