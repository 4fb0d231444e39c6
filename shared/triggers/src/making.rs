//! Creating what a trigger made, so that doing it twice does it once.

use serde::Serialize;
use serde_json::{Map, Value, json};
use tidemill_resources::ObjectMeta;

use crate::key::derived_name;
use crate::names::{ANNOTATION_EVENT, ANNOTATION_MADE_BY};

/// One object of one trigger for one event.
#[derive(Clone, Copy, Debug)]
pub struct Making<'a> {
    /// Key of the event.
    pub event_key: &'a str,
    /// Namespace of the trigger.
    pub namespace: &'a str,
    /// Name of the trigger.
    pub trigger: &'a str,
    /// Place of the object in [`Decision::Accepted`](crate::Decision::Accepted).
    pub index: usize,
}

/// What a sender is answered, in Tekton's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Name of the listener.
    pub event_listener: String,
    /// Its namespace.
    pub namespace: String,
    /// Its UID.
    #[serde(rename = "eventListenerUID")]
    pub event_listener_uid: String,
    /// Id of the event.
    #[serde(rename = "eventID")]
    pub event_id: String,
    /// Why it was refused.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error_message: String,
}

impl Making<'_> {
    /// The object as it is to be created: annotated with event and trigger, and
    /// named if it only has `generateName`.
    ///
    /// `attempt` counts the names that were taken by objects for which
    /// [`Making::made`] is false. An object with a name of its own keeps it: for
    /// that a taken name is an error.
    ///
    /// Nothing when the value is no object with metadata.
    #[must_use]
    pub fn mark(&self, mut object: Value, attempt: u32) -> Option<Value> {
        let metadata = object.get_mut("metadata")?.as_object_mut()?;
        let named = metadata
            .get("name")
            .and_then(Value::as_str)
            .is_some_and(|name| !name.is_empty());
        if !named {
            let prefix = metadata.get("generateName").and_then(Value::as_str).unwrap_or_default();
            let name = derived_name(self.event_key, &self.owner(), self.index, prefix, attempt);
            metadata.insert("name".to_owned(), name.into());
        }
        let annotations = metadata.entry("annotations").or_insert(Value::Null);
        if annotations.is_null() {
            *annotations = Value::Object(Map::new());
        }
        let annotations = annotations.as_object_mut()?;
        annotations.insert(ANNOTATION_EVENT.to_owned(), json!(self.event_key));
        annotations.insert(ANNOTATION_MADE_BY.to_owned(), json!(self.mark_text()));
        Some(object)
    }

    /// Whether an object that has the wanted name is this one, created before.
    #[must_use]
    pub fn made(&self, existing: &ObjectMeta) -> bool {
        let annotation = |key: &str| existing.annotations.as_ref()?.get(key).map(String::as_str);
        annotation(ANNOTATION_EVENT) == Some(self.event_key)
            && annotation(ANNOTATION_MADE_BY) == Some(self.mark_text().as_str())
    }

    fn owner(&self) -> String {
        format!("{}/{}", self.namespace, self.trigger)
    }

    fn mark_text(&self) -> String {
        format!("{}/{}", self.owner(), self.index)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tidemill_resources::ObjectMeta;

    use super::{Making, Receipt};

    const FIRST: Making<'_> = Making {
        event_key: "key",
        namespace: "ci",
        trigger: "push",
        index: 0,
    };

    fn metadata(object: &Value) -> ObjectMeta {
        serde_json::from_value(object["metadata"].clone()).unwrap()
    }

    #[test]
    fn an_object_is_known_again() {
        let run = json!({"kind": "PipelineRun", "metadata": {"generateName": "run-", "annotations": {"a": "b"}}});
        let made = FIRST.mark(run.clone(), 0).unwrap();
        assert_eq!(Some(&made), FIRST.mark(run.clone(), 0).as_ref());
        assert_eq!(made["metadata"]["generateName"], "run-");
        assert_eq!(made["metadata"]["annotations"]["a"], "b");
        assert!(FIRST.made(&metadata(&made)));
        let second = FIRST.mark(run, 1).unwrap();
        assert_ne!(made["metadata"]["name"], second["metadata"]["name"]);
        for other in [
            Making { index: 1, ..FIRST },
            Making {
                trigger: "tag",
                ..FIRST
            },
            Making {
                event_key: "key2",
                ..FIRST
            },
        ] {
            assert!(!other.made(&metadata(&made)), "{other:?}");
        }
        assert!(!FIRST.made(&ObjectMeta::default()));
    }

    #[test]
    fn a_name_of_its_own_stays() {
        let fixed = json!({"metadata": {"name": "mine", "generateName": "run-"}});
        assert_eq!(FIRST.mark(fixed, 3).unwrap()["metadata"]["name"], "mine");
        assert_eq!(FIRST.mark(json!({"metadata": 1}), 0), None);
        assert_eq!(
            FIRST.mark(json!({"metadata": {"name": "x", "annotations": "y"}}), 0),
            None
        );
    }

    #[test]
    fn the_answer_is_tektons() {
        let receipt = Receipt {
            event_listener: "el".to_owned(),
            namespace: "ci".to_owned(),
            event_listener_uid: "u".to_owned(),
            event_id: "e".to_owned(),
            error_message: String::new(),
        };
        let expected = json!({"eventListener": "el", "namespace": "ci", "eventListenerUID": "u", "eventID": "e"});
        assert_eq!(serde_json::to_value(receipt).unwrap(), expected);
    }
}
