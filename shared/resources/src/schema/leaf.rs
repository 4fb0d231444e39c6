//! Schemas of what is no record: texts, numbers, lists, and types of Kubernetes' own.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};

use super::{Described, Schemas};
use crate::duration::Duration;
use crate::meta::{Condition, Time};
use crate::param::{Param, ParamValue};
use crate::pipeline_run::PipelineRunResult;
use crate::step::OnError;
use crate::task_run::TaskRunResult;

macro_rules! plain {
    ($( $kind:ty => $schema:tt, )*) => {$(
        impl Described for $kind {
            fn describe(_: &mut Schemas) -> Value {
                json!($schema)
            }
        }
    )*};
}

plain! {
    String => {"type": "string"},
    bool => {"type": "boolean"},
    u32 => {"type": "integer", "format": "int32"},
    i64 => {"type": "integer", "format": "int64"},
    Time => {"type": "string", "format": "date-time"},
    Duration => {"type": "string"},
    OnError => {"type": "string"},
    Value => {"x-kubernetes-preserve-unknown-fields": true},
    // A text, a list of texts or texts by key.
    ParamValue => {"x-kubernetes-preserve-unknown-fields": true},
}

/// Types of Kubernetes: objects whose fields tools know.
macro_rules! foreign {
    ($( $kind:ty, )*) => {$(
        impl Described for $kind {
            fn describe(_: &mut Schemas) -> Value {
                json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
            }
        }
    )*};
}

foreign! {
    core::Affinity, core::CSIVolumeSource, core::ConfigMapVolumeSource, core::ContainerPort,
    core::ContainerStateRunning, core::ContainerStateTerminated, core::ContainerStateWaiting,
    core::EmptyDirVolumeSource, core::EnvFromSource, core::EnvVar, core::HostAlias, core::Lifecycle,
    core::LocalObjectReference, core::PersistentVolumeClaim, core::PersistentVolumeClaimVolumeSource,
    core::PodDNSConfig, core::PodSecurityContext, core::Probe, core::ProjectedVolumeSource,
    core::ResourceRequirements, core::SecretVolumeSource, core::SecurityContext, core::Toleration,
    core::TopologySpreadConstraint, core::Volume, core::VolumeDevice, core::VolumeMount,
}

impl<T: Described> Described for Option<T> {
    fn describe(schemas: &mut Schemas) -> Value {
        T::describe(schemas)
    }
}

impl<T: Described> Described for Box<T> {
    fn describe(schemas: &mut Schemas) -> Value {
        T::describe(schemas)
    }
}

impl<T: Described> Described for Vec<T> {
    fn describe(schemas: &mut Schemas) -> Value {
        json!({"type": "array", "items": T::describe(schemas)})
    }
}

impl<T: Described> Described for BTreeMap<String, T> {
    fn describe(schemas: &mut Schemas) -> Value {
        json!({"type": "object", "additionalProperties": T::describe(schemas)})
    }
}

impl Described for Param {
    fn describe(_: &mut Schemas) -> Value {
        json!({"type": "object", "properties": {
            "name": {"type": "string", "description": "Name of the declaration it meets."},
            "value": {
                "description": "The value: a text, a list of texts, or texts by key.",
                "x-kubernetes-preserve-unknown-fields": true,
            },
        }})
    }
}

impl Described for PipelineRunResult {
    fn describe(_: &mut Schemas) -> Value {
        result()
    }
}

impl Described for TaskRunResult {
    fn describe(_: &mut Schemas) -> Value {
        result()
    }
}

fn result() -> Value {
    json!({"type": "object", "properties": {
        "name": {"type": "string", "description": "Name of the declaration."},
        "type": {"type": "string", "description": "string, array or object."},
        "value": {"description": "The value.", "x-kubernetes-preserve-unknown-fields": true},
    }})
}

impl Described for Condition {
    fn describe(_: &mut Schemas) -> Value {
        let text = |description: &str| json!({"type": "string", "description": description});
        json!({"type": "object", "properties": {
            "type": text("Always Succeeded."),
            "status": text("Whether it holds: True, False or Unknown."),
            "lastTransitionTime": {"type": "string", "format": "date-time", "description": "When status last changed."},
            "reason": text("One word for programs."),
            "message": text("One sentence for people."),
        }})
    }
}
