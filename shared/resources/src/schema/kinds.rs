//! Schemas of whole objects.

use serde_json::{Value, json};

use super::{Described as _, PREFIX, Schemas};
use crate::kind::Kind;
use crate::pipeline::PipelineSpec;
use crate::pipeline_run::{PipelineRunSpec, PipelineRunStatus};
use crate::step::StepActionSpec;
use crate::task::TaskSpec;
use crate::task_run::{TaskRunSpec, TaskRunStatus};

/// Puts the schema of a kind into `schemas`; gives its name there.
#[must_use]
pub fn of_kind(kind: &Kind, version: &str, schemas: &mut Schemas) -> String {
    let group = match kind.group {
        "" => "core",
        group => group.split('.').next().unwrap_or(group),
    };
    let name = format!("{PREFIX}{group}.{version}.{}", kind.kind);
    let text = |description: &str| json!({"type": "string", "description": description});
    let mut properties = json!({
        "apiVersion": text("Group and version of the object."),
        "kind": text("Kind of the object."),
        "metadata": metadata(schemas),
    });
    for (field, schema) in fields(kind, schemas) {
        properties[field] = schema;
    }
    let schema = json!({
        "type": "object", "description": purpose(kind), "properties": properties,
        "x-kubernetes-group-version-kind": [{"group": kind.group, "version": version, "kind": kind.kind}],
    });
    schemas.insert(&name, schema);
    name
}

/// The fields beside `metadata`.
fn fields(kind: &Kind, schemas: &mut Schemas) -> Vec<(&'static str, Value)> {
    let wanted = "What is wanted.";
    let became = "What became of it.";
    let of = |spec: Value, status: Option<Value>| {
        let mut fields = vec![("spec", super::described(spec, wanted))];
        fields.extend(status.map(|status| ("status", super::described(status, became))));
        fields
    };
    match (kind.group, kind.kind) {
        ("tekton.dev", "Task") => of(TaskSpec::describe(schemas), None),
        ("tekton.dev", "Pipeline") => of(PipelineSpec::describe(schemas), None),
        ("tekton.dev", "StepAction") => of(StepActionSpec::describe(schemas), None),
        ("tekton.dev", "TaskRun") => {
            let status = TaskRunStatus::describe(schemas);
            of(TaskRunSpec::describe(schemas), Some(status))
        }
        ("tekton.dev", "PipelineRun") => {
            let status = PipelineRunStatus::describe(schemas);
            of(PipelineRunSpec::describe(schemas), Some(status))
        }
        ("tekton.dev" | "triggers.tekton.dev", _) | ("", "PersistentVolumeClaim" | "LimitRange" | "Pod") => {
            of(open(), kind.has_status.then(open))
        }
        _ => stored(kind.kind)
            .iter()
            .map(|(field, schema, description)| (*field, super::described(plain(schema), description)))
            .collect(),
    }
}

/// Fields of core kinds: name, type, purpose.
fn stored(kind: &str) -> &'static [(&'static str, &'static str, &'static str)] {
    match kind {
        "Secret" => &[
            ("data", "map", "Values by key, in base64."),
            (
                "stringData",
                "map",
                "Values by key as text; they go into data when the object is stored.",
            ),
            ("type", "string", "What it is for; Opaque by default."),
            ("immutable", "boolean", "Whether the values may never change."),
        ],
        "ConfigMap" => &[
            ("data", "map", "Values by key."),
            ("binaryData", "map", "Values by key that are no text, in base64."),
            ("immutable", "boolean", "Whether the values may never change."),
        ],
        "ServiceAccount" => &[
            ("secrets", "list", "Secrets that runs under this account may use."),
            ("imagePullSecrets", "list", "Secrets for pulling images."),
            (
                "automountServiceAccountToken",
                "boolean",
                "Whether pods get a token of the account.",
            ),
        ],
        "Role" => &[("rules", "list", "What is allowed.")],
        "ClusterRole" => &[
            ("rules", "list", "What is allowed."),
            (
                "aggregationRule",
                "object",
                "Labels of the ClusterRoles whose rules are added.",
            ),
        ],
        "RoleBinding" | "ClusterRoleBinding" => &[
            (
                "subjects",
                "list",
                "Users, groups and service accounts the role is given to.",
            ),
            ("roleRef", "object", "The role."),
        ],
        "Event" => &[
            ("involvedObject", "object", "What it is about."),
            ("reason", "string", "One word for programs."),
            ("message", "string", "One sentence for people."),
            ("type", "string", "Normal or Warning."),
            ("count", "integer", "How often it happened."),
            ("firstTimestamp", "string", "When it happened first."),
            ("lastTimestamp", "string", "When it happened last."),
            ("source", "object", "Who says so."),
        ],
        "Namespace" => &[
            ("spec", "object", "What is wanted."),
            ("status", "object", "Its phase."),
        ],
        _ => &[],
    }
}

fn plain(kind: &str) -> Value {
    match kind {
        "map" => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        "list" => json!({"type": "array", "items": open()}),
        "object" => open(),
        other => json!({"type": other}),
    }
}

fn open() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

fn purpose(kind: &Kind) -> &'static str {
    match kind.kind {
        "Task" => "A reusable task: steps that run one after the other.",
        "Pipeline" => "A reusable graph of tasks.",
        "TaskRun" => "One run of a task.",
        "PipelineRun" => "One run of a pipeline.",
        "StepAction" => "A reusable step.",
        "CustomRun" => "One run of a task that a controller of your own does.",
        "EventListener" => "Where webhooks come in, and the triggers that look at them.",
        "Trigger" => "What a webhook starts, and when.",
        "TriggerBinding" | "ClusterTriggerBinding" => "Values taken from a webhook.",
        "TriggerTemplate" => "Objects made from the values of a webhook.",
        "Secret" => "Values that are not to be seen.",
        "ConfigMap" => "Values that may be seen.",
        "ServiceAccount" => "Who a run acts as.",
        "Pod" => "One attempt of a TaskRun, as its containers.",
        "Namespace" => "A part of the objects with names of its own.",
        "Role" => "What is allowed in a namespace.",
        "ClusterRole" => "What is allowed everywhere, or in each namespace it is bound in.",
        _ => "",
    }
}

/// The schema of metadata, by reference.
fn metadata(schemas: &mut Schemas) -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let map = |description: &str| json!({"type": "object", "additionalProperties": {"type": "string"}, "description": description});
    let name = format!("{PREFIX}ObjectMeta");
    let schema = json!({"type": "object", "description": "What all objects have.", "properties": {
        "name": text("Name, unique for the kind in its namespace."),
        "generateName": text("Start of a name that the server completes; instead of name."),
        "namespace": text("The namespace."),
        "labels": map("What selectors select by."),
        "annotations": map("What tools want to remember."),
        "uid": text("Unique for all time; set by the server."),
        "resourceVersion": text("Changes with each change; a write that names it is for that version only."),
        "generation": {"type": "integer", "format": "int64", "description": "Changes with what is wanted."},
        "creationTimestamp": {"type": "string", "format": "date-time", "description": "When it was created."},
        "deletionTimestamp": {"type": "string", "format": "date-time", "description": "When its deletion was asked for."},
        "deletionGracePeriodSeconds": {"type": "integer", "format": "int64", "description": "Seconds until it goes."},
        "finalizers": {
            "type": "array", "items": {"type": "string"}, "description": "What has to be done before it may go.",
        },
        "ownerReferences": {
            "type": "array", "items": open(), "description": "Objects with which it goes.",
        },
        "managedFields": {"type": "array", "items": open(), "description": "Who set which field."},
        "selfLink": text("No longer used."),
    }});
    schemas.insert(&name, schema);
    json!({"description": "What all objects have.", "allOf": [{"$ref": format!("#/components/schemas/{name}")}]})
}
