//! From a pod to the engine's containers.
//!
//! A task of one step without sidecars, which runs as root, is one container: the supervisor is its first
//! process. Otherwise the supervisor has a small container of its own, whose network and volumes the others
//! share; each of them is started when its turn is near.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType};
use k8s_openapi::api::core::v1::{Container as PodContainer, Pod, PodSpec};
use tidemill_messages::envelope::VERSION;
use tidemill_messages::plan::{Plan, SIDECAR_PREFIX};
use tidemill_messages::sandbox::{Container, Limits, Sandbox, Sidecar};
use uuid::Uuid;

use super::directory::Directory;
use super::images::{Image, POD_IMAGE, name_of};
use super::names::{Names, Place};
use super::security::{self, Reader};
use super::settings::Settings;
use super::volumes::{Making, Volumes};
use crate::backend::translate::sources::Sources;
use crate::backend::translate::{close, config_error, probes, step, translate};
use crate::backend::{Error, Lookup, Play, accounts};
use crate::credentials::{self, Home};

/// The step binary in every container.
const BINARY: &str = "/tekton/bin/tidemill-step";
/// Where a supervisor listens.
const SOCKET: &str = "/tekton/pod";
/// Volume of what containers share below `/tekton`.
const TEKTON: &str = "tekton";
/// Volume of `/workspace`.
const WORKSPACE: &str = "workspace";

/// What is the same for all attempts of a backend.
pub(super) struct Given<'a> {
    pub(super) settings: &'a Settings,
    pub(super) lookup: &'a dyn Lookup,
    pub(super) place: &'a Place,
    pub(super) binary: &'a Path,
}

/// A container to be made.
#[derive(Debug)]
pub(super) struct Planned {
    /// Its name for the engine.
    pub(super) name: String,
    /// All else.
    pub(super) body: ContainerCreateBody,
}

/// Everything of an attempt.
#[derive(Debug)]
pub(super) struct Design {
    /// For the supervisor.
    pub(super) sandbox: Sandbox,
    /// The supervisor's container.
    pub(super) supervisor: Planned,
    /// The other containers, steps first. Empty when the supervisor's is the only one.
    pub(super) rooms: Vec<Planned>,
    /// How many of them are steps.
    pub(super) steps: usize,
}

/// What a pod is made of, before its volumes are made.
pub(super) struct Draft<'a> {
    given: &'a Given<'a>,
    names: Names,
    directory: &'a Directory,
    pod: &'a Pod,
    spec: &'a PodSpec,
    sandbox: Sandbox,
    containers: Vec<(&'a PodContainer, Image)>,
    /// Volumes to be made, with where the engine keeps them.
    pub(super) volumes: Volumes,
    is_single: bool,
}

impl<'a> Draft<'a> {
    /// Looks up everything that the pod refers to.
    pub(super) async fn of(
        given: &'a Given<'a>,
        play: &'a Play,
        plan: &Plan,
        images: &HashMap<String, Image>,
        directory: &'a Directory,
    ) -> Result<Self, Error> {
        let pod: &Pod = &play.pod;
        let spec = pod.spec.as_ref();
        let spec = spec.ok_or_else(|| config_error("the pod has no spec".to_owned()))?;
        let containers = containers_of(spec, images)?;
        let names = Names::new(given.place, &play.key);
        let is_single = is_single(spec, &containers)?;
        for (container, image) in &containers {
            security::check(given.settings, spec, container, image)?;
        }
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let mut sources = Sources::new(given.lookup, Path::new("/"), namespace);
        let making = Making {
            settings: given.settings,
            lookup: given.lookup,
            place: given.place,
            names: &names,
            directory,
            is_single,
        };
        let mut volumes = Volumes::of(&making, pod, spec, &mut sources).await?;
        let mut sandbox = empty_sandbox(play, spec, limits(given.settings));
        let steps = spec.containers.len();
        for (position, (container, image)) in containers.iter().enumerate() {
            let planned = plan.sidecars.iter().find(|planned| planned.container == container.name);
            let script = match plan.steps.get(position).filter(|_| position < steps) {
                Some(planned) => planned.script.as_ref(),
                None => planned.and_then(|planned| planned.script.as_ref()),
            };
            let mut translated = translate(pod, spec, container, script, Some(&image.defaults), &mut sources).await?;
            close(&mut translated, &volumes.read_only);
            match plan.steps.get(position).filter(|_| position < steps) {
                Some(planned) => sandbox.steps.push(step(translated, planned)),
                None => sandbox.sidecars.push(Sidecar {
                    container: translated,
                    probes: probes::probes(container)?,
                }),
            }
        }
        let account = &play.command.service_account_name;
        let credentials = credentials::of(given.lookup, namespace, account, Home::Credentials).await?;
        accounts::note(&credentials, &play.key);
        if !credentials.files.is_empty() {
            for (step, (container, image)) in sandbox.steps.iter_mut().zip(&containers) {
                let reader = Reader::of(spec, container, image);
                let volume = volumes.add_credentials(directory, &credentials.files, reader).await?;
                accounts::lead(&mut step.container, &credentials.files, &volume);
            }
            sources.masked.extend(credentials.masked);
        }
        if !is_single {
            sandbox.rooms = containers.iter().map(|_| Uuid::new_v4().simple().to_string()).collect();
        }
        sandbox.masked = sources.masked;
        let results = plan.results.iter().filter(|result| result.value.is_none());
        sandbox.results = results.map(|result| result.name.clone()).collect();
        Ok(Self {
            given,
            names,
            directory,
            pod,
            spec,
            sandbox,
            containers,
            volumes,
            is_single,
        })
    }

    /// The containers' translations, steps first.
    fn translated(&self) -> impl Iterator<Item = &Container> + Clone {
        let steps = self.sandbox.steps.iter().map(|step| &step.container);
        steps.chain(self.sandbox.sidecars.iter().map(|sidecar| &sidecar.container))
    }

    /// Parts of the engine's volumes that are to be made: pod's volume, engine's volume, part.
    pub(super) fn parts(&self) -> Vec<(String, String, String)> {
        let mounts = self.translated().flat_map(|container| &container.mounts);
        let parts = self.volumes.parts(mounts);
        let owned = parts
            .into_iter()
            .map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        owned.collect()
    }

    /// A container that makes those parts.
    pub(super) fn part_maker(&self, parts: &[(String, String, String)]) -> Planned {
        let arguments = parts
            .iter()
            .flat_map(|(volume, _, part)| [format!("{}/{volume}", super::volumes::SUPERVISOR_VOLUMES), part.clone()]);
        let entrypoint = [BINARY.to_owned(), "parts".to_owned()].into_iter().chain(arguments);
        let mut body = self.body(POD_IMAGE, entrypoint.collect());
        let mounts = [self.binary()].into_iter().chain(self.volumes.for_supervisor());
        let host = body.host_config.get_or_insert_default();
        host.mounts = Some(mounts.collect());
        host.network_mode = Some("none".to_owned());
        Planned {
            name: self.names.of("parts"),
            body,
        }
    }

    /// Everything, now that it is known where the volumes are.
    pub(super) fn finish(mut self) -> Result<Design, Error> {
        let mounts = self
            .translated()
            .flat_map(|container| &container.mounts)
            .cloned()
            .collect::<Vec<_>>();
        self.sandbox.volumes = self.volumes.for_sandbox(&mounts, self.is_single);
        let supervisor = self.supervisor()?;
        let rooms = match self.is_single {
            true => Vec::new(),
            false => self.rooms()?,
        };
        let steps = self.sandbox.steps.len();
        // What the engine mounts is none of the supervisor's business.
        for step in &mut self.sandbox.steps {
            step.container.mounts.clear();
        }
        for sidecar in &mut self.sandbox.sidecars {
            sidecar.container.mounts.clear();
        }
        Ok(Design {
            sandbox: self.sandbox,
            supervisor,
            rooms,
            steps,
        })
    }

    /// The container whose first process is the supervisor.
    fn supervisor(&self) -> Result<Planned, Error> {
        let entrypoint = [BINARY, "pod", SOCKET].map(str::to_owned).to_vec();
        let own = [self.binary(), bind(&self.directory.socket(), SOCKET, false)];
        let mut body = match self.containers.first().filter(|_| self.is_single) {
            Some((container, image)) => {
                let mut body = self.body(&name_of(container)?, entrypoint);
                security::apply(&mut body, self.spec, container, image);
                body.host_config.get_or_insert_default().mounts = Some(self.mounts(0, own.into())?);
                body
            }
            None => {
                let mut body = self.body(POD_IMAGE, entrypoint);
                let host = body.host_config.get_or_insert_default();
                let shared = self.shared().into_iter().chain(self.volumes.for_supervisor());
                host.mounts = Some(own.into_iter().chain(shared).collect());
                host.ipc_mode = Some("shareable".to_owned());
                body
            }
        };
        body.hostname = self.pod.metadata.name.clone().filter(|name| name.len() <= 63);
        security::apply_network(&mut body, self.spec, &self.given.settings.network);
        Ok(Planned {
            name: self.names.supervisor(),
            body,
        })
    }

    fn rooms(&self) -> Result<Vec<Planned>, Error> {
        let supervisor = self.names.supervisor();
        let all = self
            .containers
            .iter()
            .enumerate()
            .map(|(position, (container, image))| {
                let mut entrypoint = vec![
                    BINARY.to_owned(),
                    "room".to_owned(),
                    self.sandbox.rooms[position].clone(),
                ];
                let step = self.sandbox.steps.get(position);
                if step.is_some_and(|step| step.stdout_path.is_some() || step.stderr_path.is_some()) {
                    entrypoint.push("apart".to_owned());
                }
                let mut body = self.body(&name_of(container)?, entrypoint);
                security::apply(&mut body, self.spec, container, image);
                let mut own = vec![self.binary()];
                own.extend(self.shared().into_iter().filter(|mount| {
                    // A sidecar shares no workspace with the steps.
                    step.is_some() || mount.target.as_deref() != Some("/workspace")
                }));
                let host = body.host_config.get_or_insert_default();
                host.mounts = Some(self.mounts(position, own)?);
                host.network_mode = Some(format!("container:{supervisor}"));
                host.ipc_mode = Some(format!("container:{supervisor}"));
                Ok(Planned {
                    name: self.names.of(&container.name),
                    body,
                })
            });
        all.collect()
    }

    /// The mounts of a container: ours, and over them the pod's.
    fn mounts(&self, position: usize, own: Vec<Mount>) -> Result<Vec<Mount>, Error> {
        let Some(container) = self.translated().nth(position) else {
            return Ok(own);
        };
        let pods = container
            .mounts
            .iter()
            .map(|mount| self.volumes.mount(&container.name, mount));
        let pods = pods.collect::<Result<Vec<_>, _>>()?;
        let is_covered = |mount: &Mount| pods.iter().any(|other| other.target == mount.target);
        Ok(own
            .into_iter()
            .filter(|mount| !is_covered(mount))
            .chain(pods.clone())
            .collect())
    }

    /// What all containers of a pod share without asking.
    fn shared(&self) -> [Mount; 2] {
        [(TEKTON, "/tekton"), (WORKSPACE, "/workspace")].map(|(name, target)| Mount {
            typ: Some(MountType::VOLUME),
            source: Some(self.names.of(name)),
            target: Some(target.to_owned()),
            volume_options: Some(bollard::models::MountVolumeOptions {
                no_copy: Some(true),
                labels: Some(self.names.labels()),
                ..Default::default()
            }),
            ..Mount::default()
        })
    }

    fn binary(&self) -> Mount {
        bind(self.given.binary, BINARY, true)
    }

    fn body(&self, image: &str, entrypoint: Vec<String>) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(image.to_owned()),
            entrypoint: Some(entrypoint),
            cmd: Some(Vec::new()),
            working_dir: Some("/".to_owned()),
            labels: Some(self.names.labels()),
            // The image's own question whether it is well is none of a task's.
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..HealthConfig::default()
            }),
            host_config: Some(HostConfig {
                log_config: Some(small_log()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }
}

/// For the last words of our own processes: what steps write goes another way.
fn small_log() -> HostConfigLogConfig {
    HostConfigLogConfig {
        typ: Some("json-file".to_owned()),
        config: Some(HashMap::from([("max-size".to_owned(), "64k".to_owned())])),
    }
}

fn bind(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.to_string_lossy().into_owned()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

/// Steps, then sidecars, each with its image.
fn containers_of<'a>(
    spec: &'a PodSpec,
    images: &HashMap<String, Image>,
) -> Result<Vec<(&'a PodContainer, Image)>, Error> {
    let sidecars = spec.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|other| other.name.starts_with(SIDECAR_PREFIX));
    let all = spec.containers.iter().chain(sidecars).map(|container| {
        let image = images.get(&name_of(container)?).cloned().unwrap_or_default();
        Ok((container, image))
    });
    all.collect()
}

/// Whether one container is enough: the supervisor in it has to be root, and to write.
fn is_single(spec: &PodSpec, containers: &[(&PodContainer, Image)]) -> Result<bool, Error> {
    let [(container, image)] = containers else {
        return Ok(false);
    };
    let own = container.security_context.as_ref();
    let is_closed = own.is_some_and(|own| own.read_only_root_filesystem == Some(true) || own.capabilities.is_some());
    Ok(!is_closed && security::user(spec, container).map_or(image.is_root(), |user| user == 0))
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        log_bytes: settings.log_bytes,
        result_bytes: settings.result_bytes,
        results_bytes: settings.results_bytes,
        kill_grace_ms: settings.kill_grace_ms,
        orphan_s: settings.orphan_s,
    }
}

fn empty_sandbox(play: &Play, spec: &PodSpec, limits: Limits) -> Sandbox {
    let shared = spec.security_context.as_ref();
    Sandbox {
        version: VERSION,
        attempt: play.key.clone(),
        directory: Default::default(),
        is_entered: false,
        hidden: Vec::new(),
        environment: Vec::new(),
        steps: Vec::new(),
        sidecars: Vec::new(),
        volumes: Vec::new(),
        results: Vec::new(),
        masked: Vec::new(),
        volume_group: shared
            .and_then(|shared| shared.fs_group)
            .and_then(|group| u32::try_from(group).ok()),
        rooms: Vec::new(),
        limits,
    }
}
