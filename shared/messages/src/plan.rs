//! The plan of a pod: what Tekton knows of a task's containers and a Pod cannot say.
//!
//! The pod of a task holds what Kubernetes has words for; the plan, in the annotation
//! [`ANNOTATION`], holds the rest. A backend reads both and needs nothing else of the task:
//!
//! - steps are `spec.containers`, in order, named [`STEP_PREFIX`]`<name>` (`step-unnamed-<position>`
//!   without a name); `command` and `args` are the user's own, a backend with an entrypoint puts it
//!   in front;
//! - sidecars are `spec.initContainers` with `restartPolicy: Always`, named [`SIDECAR_PREFIX`]`<name>`;
//! - a container with a `script` has no `command`; its `args` follow the script's path;
//! - `workingDir` is as the user wrote it: relative ones are below `/workspace`, an absent one is the
//!   image's (of a backend without images: `/workspace`);
//! - volumes and mounts are the user's and the workspaces'. What Tekton has below `/tekton` and
//!   `/workspace` itself without being asked (`home`, `results`, `steps`, `scripts`, ...) every backend
//!   provides by itself; a mount of the pod at such a path wins.

use k8s_openapi::api::core::v1::Pod;
use serde::{Deserialize, Serialize};
use tidemill_resources::pipeline::WhenExpression;
use tidemill_resources::step::OnError;
use tidemill_resources::task::TaskResult;

use crate::envelope::{self, Error};

/// The pod's annotation that holds the plan as JSON.
pub const ANNOTATION: &str = "tidemill.dev/plan";
/// Names of containers that are steps start with it.
pub const STEP_PREFIX: &str = "step-";
/// Names of containers that are sidecars start with it.
pub const SIDECAR_PREFIX: &str = "sidecar-";

/// The plan of a pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Version of this payload.
    pub version: u64,
    /// One for each of `spec.containers`, in that order.
    pub steps: Vec<PlanStep>,
    /// One for each sidecar, in the order of `spec.initContainers`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<PlanSidecar>,
    /// The task's declared results.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<TaskResult>,
}

/// A step beyond its container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanStep {
    /// Name of its container.
    pub container: String,
    /// Its script, byte for byte as the user wrote it and without any preamble.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// What its failure does; `stopAndFail` unless it says otherwise.
    #[serde(default = "stop_and_fail")]
    pub on_error: OnError,
    /// Its time limit in milliseconds; `None` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Its guards; they may name results of earlier steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<WhenExpression>,
    /// Results it declares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<TaskResult>,
    /// File in the container its output is copied to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout_path: Option<String>,
    /// File in the container its errors are copied to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_path: Option<String>,
}

/// A sidecar beyond its container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanSidecar {
    /// Name of its container.
    pub container: String,
    /// Its script, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
}

impl Plan {
    /// The plan as the annotation's text.
    ///
    /// # Errors
    /// [`Error::Malformed`], which the types make impossible.
    pub fn to_annotation(&self) -> Result<String, Error> {
        let bytes = envelope::encode(ANNOTATION, self)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The plan of a pod; `None` if it has no such annotation.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::TooNew`].
    pub fn of(pod: &Pod) -> Result<Option<Self>, Error> {
        let annotations = pod.metadata.annotations.as_ref();
        annotations
            .and_then(|all| all.get(ANNOTATION))
            .map(|text| envelope::decode(ANNOTATION, text.as_bytes()))
            .transpose()
    }
}

impl PlanStep {
    /// A step that only has a container.
    pub fn new(container: impl Into<String>) -> Self {
        Self {
            container: container.into(),
            script: None,
            on_error: stop_and_fail(),
            timeout_ms: None,
            when: Vec::new(),
            results: Vec::new(),
            stdout_path: None,
            stderr_path: None,
        }
    }
}

fn stop_and_fail() -> OnError {
    OnError::StopAndFail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_comes_back_from_its_annotation() {
        let mut step = PlanStep::new("step-build");
        step.script = Some("\n#!/bin/sh\r\necho $$ `x` 'é'\n".to_owned());
        step.on_error = OnError::Continue;
        step.timeout_ms = Some(1500);
        let plan = Plan {
            version: envelope::VERSION,
            steps: vec![step],
            sidecars: vec![PlanSidecar {
                container: "sidecar-db".to_owned(),
                script: None,
            }],
            results: vec![TaskResult {
                name: "digest".to_owned(),
                ..TaskResult::default()
            }],
        };
        let mut pod = Pod::default();
        assert_eq!(Plan::of(&pod).unwrap(), None);
        pod.metadata.annotations = Some([(ANNOTATION.to_owned(), plan.to_annotation().unwrap())].into());
        assert_eq!(Plan::of(&pod).unwrap(), Some(plan));
    }

    #[test]
    fn a_plan_of_a_later_version_is_refused_with_its_number() {
        let mut pod = Pod::default();
        pod.metadata.annotations = Some([(ANNOTATION.to_owned(), r#"{"version":9,"steps":7}"#.to_owned())].into());
        let error = Plan::of(&pod).unwrap_err();
        assert!(error.to_string().contains("version 9"), "{error}");
    }
}
