//! Task: parameters, steps, results.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Volume;

use crate::param::{ParamSpec, ParamType, ParamValue, PropertySpec};
use crate::step::{Sidecar, Step, StepTemplate};
use crate::workspace::WorkspaceDeclaration;

record! {
    /// A result that a task or step declares.
    pub struct TaskResult {
        /// Name, also of the file it is written to.
        pub name: String,
        /// Type; string when absent.
        #[serde(rename = "type")]
        pub kind: Option<ParamType>,
        /// Keys of an object result.
        pub properties: BTreeMap<String, PropertySpec>,
        /// Prose.
        pub description: String,
        /// `$(steps.<step>.results.<result>)`, to lift a step's result.
        pub value: Option<ParamValue>,
    }

    /// What a task does.
    pub struct TaskSpec {
        /// Parameters.
        pub params: Vec<ParamSpec>,
        /// Prose.
        pub display_name: String,
        /// Prose.
        pub description: String,
        /// Programs, one after the other.
        pub steps: Vec<Step>,
        /// Volumes the containers mount.
        pub volumes: Vec<Volume>,
        /// What all steps have in common.
        pub step_template: Option<StepTemplate>,
        /// Programs beside the steps.
        pub sidecars: Vec<Sidecar>,
        /// Workspaces it asks for.
        pub workspaces: Vec<WorkspaceDeclaration>,
        /// Results it writes.
        pub results: Vec<TaskResult>,
    }
}

impl TaskResult {
    /// The declared type, or object when it has `properties`, else string.
    #[must_use]
    pub fn effective_type(&self) -> ParamType {
        let implied = if self.properties.is_empty() {
            ParamType::String
        } else {
            ParamType::Object
        };
        self.kind.unwrap_or(implied)
    }
}
