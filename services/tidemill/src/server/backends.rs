//! Which backends this machine has, and why not others.

use std::sync::Arc;

use tidemill_bus::Bus;
use tidemill_objects::Objects;
use tidemill_runner::backend::docker::DockerBackend;
use tidemill_runner::backend::process::ProcessBackend;
use tidemill_runner::backend::{self, Backend};
use tidemill_runner::{ObjectLookup, Settings, StepLine};
use tidemill_telemetry::Chain;

use super::parts::Parts;
use super::pods::{Door, NatsPlace, Pods};
use crate::error::Error;

/// The kinds there are.
pub(crate) const KINDS: [&str; 3] = ["process", "docker", "kubernetes"];

/// What was found.
pub(super) struct Backends {
    /// Those that work.
    pub(super) found: Vec<Arc<dyn Backend>>,
    /// More about those that work: name and version of an engine.
    details: Vec<String>,
    /// The others, each with its reason.
    pub(super) missing: Vec<String>,
    /// What those that work need beside them.
    attendants: Vec<(StepLine, Option<Door>)>,
}

impl Backends {
    /// Tries each kind of backend, or those of `wanted` if there are any.
    pub(super) async fn find(
        settings: &Settings,
        bus: &Bus,
        objects: &Objects,
        nats: &NatsPlace,
        wanted: &[String],
    ) -> Self {
        let is_wanted = |kind: &str| wanted.is_empty() || wanted.iter().any(|name| name == kind);
        let mut backends = Self {
            found: Vec::new(),
            details: Vec::new(),
            missing: Vec::new(),
            attendants: Vec::new(),
        };
        if is_wanted("process") {
            match process_backend(settings, objects).await {
                Ok(backend) => backends.add("process".to_owned(), Arc::new(backend)),
                Err(error) => backends.missing.push(format!("process: {}", Chain(&error))),
            }
        }
        if is_wanted("docker") {
            match docker_backend(settings, objects).await {
                Ok(backend) => backends.add(format!("docker ({})", backend.engine()), Arc::new(backend)),
                Err(error) => backends.missing.push(format!("docker: {}", Chain(&error))),
            }
        }
        if is_wanted("kubernetes") {
            match Pods::find(settings, bus, objects, nats).await {
                Ok(pods) => {
                    backends.add(pods.said, Arc::new(pods.backend));
                    backends.attendants.push((pods.line, pods.door));
                }
                Err(error) => backends.missing.push(format!("kubernetes: {}", Chain(&error))),
            }
        }
        backends
    }

    fn add(&mut self, detail: String, backend: Arc<dyn Backend>) {
        self.details.push(detail);
        self.found.push(backend);
    }

    /// Starts what the backends need beside them.
    pub(super) fn attend(&mut self, parts: &mut Parts) {
        for (line, door) in self.attendants.drain(..) {
            parts.front("steps", |shutdown| async move {
                shutdown.run_until_cancelled(line.keep_door()).await.unwrap_or(Ok(()))
            });
            if let Some(door) = door {
                parts.front("door", |shutdown| async move {
                    shutdown.run_until_cancelled(door.keep()).await.unwrap_or(Ok(()))
                });
            }
        }
    }

    /// Those that work, by name, with more about them.
    pub(super) fn names(&self) -> String {
        if self.details.is_empty() {
            "none".to_owned()
        } else {
            self.details.join(", ")
        }
    }

    /// Whether no task of theirs runs on this machine, as far as they know.
    pub(super) fn are_elsewhere(&self) -> bool {
        self.found.iter().all(|backend| backend.class() == "kubernetes")
    }

    /// Refuses to go on without any, or without one that was asked for.
    ///
    /// # Errors
    /// [`Error::Usage`] with the reasons.
    pub(super) fn must_be(&self, wanted: &[String]) -> Result<(), Error> {
        let is_found = |name: &String| self.found.iter().any(|backend| backend.class() == name);
        if !self.found.is_empty() && wanted.iter().all(is_found) {
            return Ok(());
        }
        let what = match wanted {
            [] => "no backend works on this machine".to_owned(),
            wanted => format!("not every backend of `{}` works on this machine", wanted.join(", ")),
        };
        Err(Error::usage_hint(
            format!("{what}: {}", self.missing.join("; ")),
            "mend what is named, or run against a server elsewhere with --kubeconfig",
        ))
    }
}

async fn process_backend(settings: &Settings, objects: &Objects) -> Result<ProcessBackend, backend::Error> {
    let lookup = Arc::new(ObjectLookup::new(objects.clone()));
    let backend = ProcessBackend::new(&settings.state_dir, settings.process.clone(), lookup)?;
    backend.probe().await?;
    Ok(backend)
}

async fn docker_backend(settings: &Settings, objects: &Objects) -> Result<DockerBackend, backend::Error> {
    let lookup = Arc::new(ObjectLookup::new(objects.clone()));
    DockerBackend::new(&settings.state_dir, settings.docker.clone(), lookup).await
}
