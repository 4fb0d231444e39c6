//! From a planner's command to the pod that plays it. Pure: the same command gives the same pod.
//!
//! The pod is the language all backends speak. [`build`] says what the user asked for in Kubernetes'
//! words, and in a plan (an annotation) what Kubernetes has no words for; [`kubernetes::deliver`] adds what
//! a cluster needs beyond that. `tidemill_messages::plan` tells how backends read the two.
//!
//! Everything in the command is substituted already, paths included: no text is looked into here.

use k8s_openapi::api::core::v1::{Pod, PodSpec, Volume};
use serde::{Deserialize, Serialize};
use tidemill_messages::StartTask;
use tidemill_resources::pod_template::PodTemplate;

mod check;
mod container;
mod error;
pub mod kubernetes;
mod meta;
pub mod names;
mod plan;
mod quantity;
mod resources;
mod template;
mod workspace;

pub use error::Error;

/// Annotation: the version of what made the pod; `tkn` and dashboards look for it.
pub const ANNOTATION_RELEASE: &str = "pipeline.tekton.dev/release";
/// Annotation: the attempt the pod plays, `<run uid>/<task>/<attempt>`. A pod of that name with
/// another value is not ours.
pub const ANNOTATION_ATTEMPT: &str = "tidemill.dev/attempt";

/// What an installation says about all pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// Pod template under those of the runs; empty by default.
    pub default_pod_template: PodTemplate,
    /// Variables that pod templates may not set; none by default.
    pub forbidden_env: Vec<String>,
    /// Pull policy of containers that name none; Kubernetes' rule by default.
    pub image_pull_policy: Option<String>,
}

/// The pod of an attempt.
///
/// # Errors
/// The task is at fault in each case ([`Error::reason`] is the reason its TaskRun shows): no steps, a
/// workspace left unbound, a mount without a volume, a name used twice, a quantity that is none.
pub fn build(command: &StartTask, options: &Options) -> Result<Pod, Error> {
    let name = || command.task_run.name.clone();
    if command.spec.steps.is_empty() {
        return Err(Error::NoSteps { task: name() });
    }
    let spec = spec(command, options)?;
    check::pod(&spec)?;
    let plan = plan::of(command).to_annotation().map_err(|source| Error::Plan {
        task: name(),
        source: Some(source),
    })?;
    Ok(Pod {
        metadata: meta::of(command, plan),
        spec: Some(spec),
        status: None,
    })
}

fn spec(command: &StartTask, options: &Options) -> Result<PodSpec, Error> {
    let mut template = template::merge(&options.default_pod_template, command.pod_template.as_ref());
    template
        .env
        .retain(|variable| !options.forbidden_env.contains(&variable.name));
    let workspaces = workspace::Workspaces::of(command)?;
    let common = container::Common {
        command,
        options,
        workspaces: &workspaces,
        template_env: &template.env,
    };
    let (containers, sidecars) = (common.steps()?, common.sidecars()?);
    let volumes: Vec<Volume> = [&command.spec.volumes[..], &template.volumes, &workspaces.volumes].concat();
    let mut spec = PodSpec {
        containers,
        init_containers: template::filled(sidecars),
        volumes: template::filled(volumes),
        service_account_name: template::filled(command.service_account_name.clone()),
        restart_policy: Some("Never".to_owned()),
        ..PodSpec::default()
    };
    template::apply(&template, &mut spec);
    Ok(spec)
}
