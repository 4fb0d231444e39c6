//! Account and pod of a TaskRun.

use k8s_openapi::api::core::v1::ResourceRequirements;
use serde_json::Value;
use tidemill_resources::PodTemplate;
use tidemill_resources::pipeline_run::PipelineTaskRunSpec;
use tidemill_resources::task_run::{SidecarSpecOverride, StepSpecOverride};

use super::Subject;
use crate::guard;
use crate::run_object::RunObject;
use crate::state::{Ends, Results};
use crate::substitution::{self, Scope};

/// Account and pod of a TaskRun.
#[derive(Default)]
pub(crate) struct PodSettings {
    pub(crate) service_account_name: String,
    pub(crate) pod_template: Option<PodTemplate>,
    pub(crate) step_specs: Vec<StepSpecOverride>,
    pub(crate) sidecar_specs: Vec<SidecarSpecOverride>,
    pub(crate) compute_resources: Option<ResourceRequirements>,
}

/// The run's word for the task.
pub(super) fn task_run_spec<'a>(subject: &Subject<'a>) -> Option<&'a PipelineTaskRunSpec> {
    let RunObject::PipelineRun(run) = subject.run else {
        return None;
    };
    let name = subject.plan.task_name(subject.node);
    run.spec
        .task_run_specs
        .iter()
        .find(|spec| spec.pipeline_task_name == name)
}

/// Account and pod: the run's word for this task wins over what all tasks have in common.
pub(crate) fn pod_settings(subject: &Subject<'_>) -> PodSettings {
    let run = match subject.run {
        RunObject::TaskRun(run) => {
            return PodSettings {
                service_account_name: run.spec.service_account_name.clone(),
                pod_template: run.spec.pod_template.clone(),
                step_specs: run.spec.step_specs.clone(),
                sidecar_specs: run.spec.sidecar_specs.clone(),
                compute_resources: run.spec.compute_resources.clone(),
            };
        }
        RunObject::PipelineRun(run) => run,
    };
    let common = &run.spec.task_run_template;
    let mut settings = PodSettings {
        service_account_name: common.service_account_name.clone(),
        pod_template: common.pod_template.clone(),
        ..PodSettings::default()
    };
    if let Some(own) = task_run_spec(subject) {
        if !own.service_account_name.is_empty() {
            settings.service_account_name.clone_from(&own.service_account_name);
        }
        if let Some(template) = &own.pod_template {
            settings.pod_template = Some(replaced(template, subject));
        }
        settings.step_specs.clone_from(&own.step_specs);
        settings.sidecar_specs.clone_from(&own.sidecar_specs);
        settings.compute_resources.clone_from(&own.compute_resources);
    }
    settings
}

/// The template with its variables in place, in whatever text of it.
fn replaced(template: &PodTemplate, subject: &Subject<'_>) -> PodTemplate {
    let (results, ends) = (Results(subject.state), Ends(subject.state));
    let scope = guard::task_scope(subject.plan, subject.node, &results, &ends);
    let mut value = serde_json::to_value(template).unwrap_or_default();
    replace_texts(&mut value, &scope);
    // Texts that become other texts leave the shape as it was.
    serde_json::from_value(value).unwrap_or_else(|_| template.clone())
}

fn replace_texts(value: &mut Value, scope: &Scope<'_>) {
    match value {
        Value::String(text) => {
            // An index beyond the end leaves the text as it was written.
            if let Ok(Some(new)) = substitution::replaced(text, scope) {
                *text = new;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace_texts(item, scope)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace_texts(field, scope)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
