//! Whole objects: of any kind, and of the kinds that are understood.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::kind::Kind;
use crate::meta::ObjectMeta;
use crate::names;
use crate::pipeline::PipelineSpec;
use crate::pipeline_run::{PipelineRunSpec, PipelineRunStatus};
use crate::step::StepActionSpec;
use crate::task::TaskSpec;
use crate::task_run::{TaskRunSpec, TaskRunStatus};

/// An object of any kind: its metadata is understood, the rest is kept as it is.
///
/// It is read by serde from any JSON object; the admission path adds checks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// Group and version.
    #[serde(default)]
    pub api_version: String,
    /// Kind.
    #[serde(default)]
    pub kind: String,
    /// Metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// All other fields: `spec`, `status`, `data` and so on.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

macro_rules! typed {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident($api_version:expr) { spec: $spec:ty $(, status: $status:ty)? }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            /// Group and version.
            pub api_version: String,
            /// Kind.
            pub kind: String,
            /// Metadata.
            pub metadata: ObjectMeta,
            /// What is wanted.
            pub spec: $spec,
            $(
                /// What became of it; absent before anything did.
                #[serde(skip_serializing_if = "Option::is_none")]
                pub status: Option<$status>,
            )?
        }

        impl $name {
            /// Kind of these objects.
            pub const KIND: &str = stringify!($name);
            /// Version of these objects.
            pub const API_VERSION: &str = $api_version;
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    api_version: Self::API_VERSION.to_owned(),
                    kind: Self::KIND.to_owned(),
                    metadata: ObjectMeta::default(),
                    spec: <$spec>::default(),
                    $( status: None::<$status>, )?
                }
            }
        }

        impl TryFrom<&Object> for $name {
            type Error = serde_json::Error;

            /// Reads a stored object; fails when it is not of this kind's shape.
            fn try_from(object: &Object) -> Result<Self, serde_json::Error> {
                serde_json::from_value(object.to_value())
            }
        }

        impl TryFrom<&$name> for Object {
            type Error = serde_json::Error;

            /// Does not fail for values that came from JSON.
            fn try_from(typed: &$name) -> Result<Self, serde_json::Error> {
                serde_json::from_value(serde_json::to_value(typed)?)
            }
        }
    )*};
}

typed! {
    /// A reusable task.
    pub struct Task(names::TEKTON_V1) { spec: TaskSpec }

    /// A reusable graph of tasks.
    pub struct Pipeline(names::TEKTON_V1) { spec: PipelineSpec }

    /// One run of a task.
    pub struct TaskRun(names::TEKTON_V1) { spec: TaskRunSpec, status: TaskRunStatus }

    /// One run of a pipeline.
    pub struct PipelineRun(names::TEKTON_V1) { spec: PipelineRunSpec, status: PipelineRunStatus }

    /// A reusable step.
    pub struct StepAction(names::TEKTON_V1BETA1) { spec: StepActionSpec }
}

impl Object {
    /// Its kind, if that is one of the known ones.
    #[must_use]
    pub fn known_kind(&self) -> Option<&'static Kind> {
        Kind::of(&self.api_version, &self.kind)
    }

    /// Its name, empty while only `generateName` is set.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its namespace; empty for objects of the cluster.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// The object as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut fields = self.rest.clone();
        fields.insert("apiVersion".to_owned(), self.api_version.clone().into());
        fields.insert("kind".to_owned(), self.kind.clone().into());
        // Metadata consists of texts, numbers, lists and maps: it always is JSON.
        fields.insert(
            "metadata".to_owned(),
            serde_json::to_value(&self.metadata).unwrap_or_default(),
        );
        Value::Object(fields)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Object, Task};

    #[test]
    fn unknown_fields_stay() {
        let value = json!({
            "apiVersion": "example.com/v7", "kind": "Odd", "metadata": {"name": "a", "labels": {"k": "v"}},
            "spec": {"deep": [{"null": null}, 1.5]}, "data": {"x": "y"},
        });
        let object: Object = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(object.name(), "a");
        assert_eq!(object.to_value(), value);
        assert_eq!(serde_json::to_value(&object).unwrap(), value);
    }

    #[test]
    fn typed_objects_name_their_kind() {
        let task = Task::default();
        let object = Object::try_from(&task).unwrap();
        assert_eq!(
            (object.api_version.as_str(), object.kind.as_str()),
            ("tekton.dev/v1", "Task")
        );
        assert_eq!(Task::try_from(&object).unwrap(), task);
    }
}
