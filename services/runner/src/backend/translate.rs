//! From a pod to a sandbox: everything the supervisor cannot look up itself.

mod expand;
pub(super) mod probes;
pub(super) mod sources;
mod variables;
pub(super) mod volumes;

use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::core::v1::{Container as PodContainer, Pod, PodSpec, VolumeMount};
use tidemill_messages::envelope::VERSION;
use tidemill_messages::plan::{Plan, PlanStep, SIDECAR_PREFIX};
use tidemill_messages::sandbox::{Container, Limits, Mount, Program, Sandbox, Sidecar, Step, Variable};
use tidemill_resources::step::OnError;

use super::{Error, Lookup, Play};
use sources::Sources;

/// Kubernetes' reason for a container that cannot be made as it is written.
const CONFIG_ERROR: &str = "CreateContainerConfigError";

/// What is the same for every attempt of this backend.
pub(super) struct Given<'a> {
    pub(super) limits: Limits,
    pub(super) lookup: &'a dyn Lookup,
    pub(super) state_directory: &'a Path,
    pub(super) environment: Vec<Variable>,
    pub(super) hidden: Vec<PathBuf>,
}

/// The sandbox of an attempt that is to lie in `directory`.
pub(super) async fn sandbox(given: Given<'_>, play: &Play, plan: &Plan, directory: PathBuf) -> Result<Sandbox, Error> {
    let pod = &play.pod;
    let spec = pod
        .spec
        .as_ref()
        .ok_or_else(|| config_error("the pod has no spec".to_owned()))?;
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let mut sources = Sources::new(given.lookup, given.state_directory, namespace);
    let mut volumes = Vec::new();
    let mut read_only = Vec::new();
    for volume in spec.volumes.iter().flatten() {
        let (volume, only_read) = volumes::volume(pod, volume, &mut sources).await?;
        if only_read {
            read_only.push(volume.name.clone());
        }
        volumes.push(volume);
    }
    let mut steps = Vec::new();
    for (container, planned) in spec.containers.iter().zip(&plan.steps) {
        let mut container = translate(pod, spec, container, planned.script.as_ref(), None, &mut sources).await?;
        close(&mut container, &read_only);
        steps.push(step(container, planned));
    }
    let mut sidecars = Vec::new();
    for sidecar in spec
        .init_containers
        .iter()
        .flatten()
        .filter(|other| other.name.starts_with(SIDECAR_PREFIX))
    {
        let planned = plan.sidecars.iter().find(|planned| planned.container == sidecar.name);
        let script = planned.and_then(|planned| planned.script.as_ref());
        let mut container = translate(pod, spec, sidecar, script, None, &mut sources).await?;
        close(&mut container, &read_only);
        sidecars.push(Sidecar {
            container,
            probes: probes::probes(sidecar)?,
        });
    }
    let masked = sources.masked;
    let own = plan.results.iter().filter(|result| result.value.is_none());
    Ok(Sandbox {
        version: VERSION,
        attempt: play.key.clone(),
        directory,
        is_entered: false,
        hidden: given.hidden,
        environment: given.environment,
        steps,
        sidecars,
        volumes,
        results: own.map(|result| result.name.clone()).collect(),
        masked,
        volume_group: None,
        rooms: Vec::new(),
        limits: given.limits,
    })
}

/// A fault of the pod that Kubernetes would see too.
pub(super) fn config_error(message: String) -> Error {
    Error::Task {
        reason: CONFIG_ERROR.to_owned(),
        message,
    }
}

/// A step of the sandbox.
pub(super) fn step(container: Container, planned: &PlanStep) -> Step {
    Step {
        container,
        continue_on_error: planned.on_error == OnError::Continue,
        timeout_ms: planned.timeout_ms,
        when: planned.when.clone(),
        results: planned.results.iter().map(|result| result.name.clone()).collect(),
        stdout_path: planned.stdout_path.clone(),
        stderr_path: planned.stderr_path.clone(),
    }
}

/// What an image says about the containers made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ImageDefaults {
    /// What runs without a command.
    pub(super) entrypoint: Vec<String>,
    /// What follows it without arguments.
    pub(super) arguments: Vec<String>,
    /// Where it runs.
    pub(super) working_directory: String,
}

/// A container of the pod. Without an image there must be a command or a script.
pub(super) async fn translate(
    pod: &Pod,
    spec: &PodSpec,
    container: &PodContainer,
    script: Option<&String>,
    image: Option<&ImageDefaults>,
    sources: &mut Sources<'_>,
) -> Result<Container, Error> {
    let environment = variables::variables(pod, container, sources).await?;
    let put_in = |texts: Option<&Vec<String>>| -> Vec<String> {
        let texts = texts.into_iter().flatten();
        texts
            .map(|text| expand::expand(text, |name| variables::value_of(&environment, name)))
            .collect()
    };
    let (command, args) = (put_in(container.command.as_ref()), put_in(container.args.as_ref()));
    let program = program(container, script, image, command, args)?;
    let own = container.security_context.as_ref();
    let shared = spec.security_context.as_ref();
    let user = own
        .and_then(|own| own.run_as_user)
        .or_else(|| shared.and_then(|shared| shared.run_as_user));
    let group = own
        .and_then(|own| own.run_as_group)
        .or_else(|| shared.and_then(|shared| shared.run_as_group));
    Ok(Container {
        name: container.name.clone(),
        program,
        environment,
        working_directory: match (&container.working_dir, image) {
            (Some(own), _) => own.clone(),
            (None, Some(image)) if image.working_directory.is_empty() => "/".to_owned(),
            (None, Some(image)) => image.working_directory.clone(),
            (None, None) => String::new(),
        },
        mounts: mounts(container)?,
        user: user.and_then(|id| u32::try_from(id).ok()),
        group: group.and_then(|id| u32::try_from(id).ok()),
    })
}

fn program(
    container: &PodContainer,
    script: Option<&String>,
    image: Option<&ImageDefaults>,
    command: Vec<String>,
    args: Vec<String>,
) -> Result<Program, Error> {
    if let (None, true, Some(image)) = (script, command.is_empty(), image) {
        let args = if args.is_empty() { image.arguments.clone() } else { args };
        let argv = [image.entrypoint.clone(), args].concat();
        return match argv.is_empty() {
            false => Ok(Program::Command(argv)),
            true => Err(config_error(format!(
                "container {} has neither `script` nor `command`, and its image {} says nothing to run",
                container.name,
                container.image.as_deref().unwrap_or("none")
            ))),
        };
    }
    match (script, command.is_empty()) {
        (Some(text), _) => Ok(Program::Script {
            text: text.clone(),
            args,
        }),
        (None, false) => Ok(Program::Command([command, args].concat())),
        (None, true) => Err(config_error(format!(
            "container {} has neither `script` nor `command`, and the process backend runs no image whose entrypoint \
             could stand for them (image {}): give it a `command`, or run the task on a backend with containers",
            container.name,
            container.image.as_deref().unwrap_or("none")
        ))),
    }
}

/// The mounts of a container, those that lie in others after them.
fn mounts(container: &PodContainer) -> Result<Vec<Mount>, Error> {
    let mounts = container
        .volume_mounts
        .iter()
        .flatten()
        .map(|mount| translate_mount(&container.name, mount));
    let mut mounts = mounts.collect::<Result<Vec<_>, _>>()?;
    mounts.sort_by_key(|mount| Path::new(&mount.path).components().count());
    Ok(mounts)
}

fn translate_mount(container: &str, mount: &VolumeMount) -> Result<Mount, Error> {
    let sub_path = mount.sub_path.clone().unwrap_or_default();
    let stays = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(&sub_path).components().all(stays) {
        return Err(config_error(format!(
            "subPath `{sub_path}` of volume `{}` in container {container} leads out of the volume; expected a relative \
             path without `..`",
            mount.name
        )));
    }
    Ok(Mount {
        volume: mount.name.clone(),
        path: mount.mount_path.clone(),
        sub_path,
        read_only: mount.read_only == Some(true),
    })
}

/// Makes the mounts of these volumes read only.
pub(super) fn close(container: &mut Container, volumes: &[String]) {
    for mount in &mut container.mounts {
        mount.read_only |= volumes.contains(&mount.volume);
    }
}
