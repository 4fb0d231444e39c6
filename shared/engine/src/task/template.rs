//! The step template goes under each step.

use k8s_openapi::api::core::v1::{EnvVar, ResourceRequirements, VolumeMount};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tidemill_resources::TaskSpec;
use tidemill_resources::step::{Step, StepTemplate};

/// Merges the template into all steps and takes it away.
pub(super) fn merge(spec: &mut TaskSpec) {
    let Some(template) = spec.step_template.take() else {
        return;
    };
    for step in &mut spec.steps {
        under(step, &template);
    }
}

fn under(step: &mut Step, template: &StepTemplate) {
    for (own, common) in [
        (&mut step.image, &template.image),
        (&mut step.working_dir, &template.working_dir),
        (&mut step.image_pull_policy, &template.image_pull_policy),
    ] {
        if own.is_empty() {
            own.clone_from(common);
        }
    }
    // A script is a program of its own: a command beside it would be a second one.
    if step.command.is_empty() && step.script.is_empty() {
        step.command.clone_from(&template.command);
    }
    if step.args.is_empty() {
        step.args.clone_from(&template.args);
    }
    step.env = by_key(&template.env, &step.env, |variable: &EnvVar| variable.name.clone());
    step.volume_mounts = by_key(&template.volume_mounts, &step.volume_mounts, |mount: &VolumeMount| {
        mount.mount_path.clone()
    });
    step.volume_devices = by_key(&template.volume_devices, &step.volume_devices, |device| {
        device.device_path.clone()
    });
    if step.env_from.is_empty() {
        step.env_from.clone_from(&template.env_from);
    }
    step.compute_resources = deep::<ResourceRequirements>(&template.compute_resources, &step.compute_resources);
    step.security_context = deep(&template.security_context, &step.security_context);
}

/// The common entries, each replaced by the step's own of the same key, then the step's others.
fn by_key<T: Clone>(common: &[T], own: &[T], key: impl Fn(&T) -> String) -> Vec<T> {
    let mut merged: Vec<T> = common.to_vec();
    for entry in own {
        match merged.iter_mut().find(|one| key(one) == key(entry)) {
            Some(one) => *one = entry.clone(),
            None => merged.push(entry.clone()),
        }
    }
    merged
}

/// Field by field; the step's own fields win.
fn deep<T: Clone + Serialize + DeserializeOwned>(common: &Option<T>, own: &Option<T>) -> Option<T> {
    let (Some(common), Some(own)) = (common, own) else {
        return own.clone().or_else(|| common.clone());
    };
    let mut merged = serde_json::to_value(common).unwrap_or_default();
    lay_over(&mut merged, serde_json::to_value(own).unwrap_or_default());
    // Both are plain data of one type: so is what they make together.
    Some(serde_json::from_value(merged).unwrap_or_else(|_| own.clone()))
}

fn lay_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}
