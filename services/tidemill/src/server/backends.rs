//! Which backends this machine has, and why not others.

use std::sync::Arc;

use tidemill_bus::Bus;
use tidemill_objects::Objects;
use tidemill_runner::backend::Backend;
use tidemill_runner::backend::process::ProcessBackend;
use tidemill_runner::{ObjectLookup, Settings, StepLine};
use tidemill_telemetry::Chain;

use super::parts::Parts;
use super::pods::{Door, NatsPlace, Pods};
use crate::error::Error;

/// What was found.
pub(super) struct Backends {
    /// Those that work.
    pub(super) found: Vec<Arc<dyn Backend>>,
    /// The others, each with its reason.
    pub(super) missing: Vec<String>,
    /// What those that work need beside them.
    attendants: Vec<(StepLine, Option<Door>)>,
    names: Vec<String>,
}

impl Backends {
    /// Tries each kind of backend; with `only`, that one.
    pub(super) async fn find(
        settings: &Settings,
        bus: &Bus,
        objects: &Objects,
        nats: &NatsPlace,
        only: Option<&str>,
    ) -> Self {
        let mut backends = Self {
            found: Vec::new(),
            missing: Vec::new(),
            attendants: Vec::new(),
            names: Vec::new(),
        };
        let wanted = |class: &str| only.is_none_or(|only| only == class);
        if wanted("process") {
            match process_backend(settings, objects).await {
                Ok(backend) => backends.add(Arc::new(backend), "process".to_owned()),
                Err(error) => backends.missing.push(format!("process: {}", Chain(&error))),
            }
        }
        if wanted("kubernetes") {
            match Pods::find(settings, bus, objects, nats).await {
                Ok(pods) => {
                    backends.add(Arc::new(pods.backend), pods.said);
                    backends.attendants.push((pods.line, pods.door));
                }
                Err(error) => backends.missing.push(format!("kubernetes: {}", Chain(&error))),
            }
        }
        backends.missing.push("docker: not in this version".to_owned());
        backends
    }

    fn add(&mut self, backend: Arc<dyn Backend>, name: String) {
        self.found.push(backend);
        self.names.push(name);
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

    /// Those that work, by name.
    pub(super) fn names(&self) -> String {
        if self.names.is_empty() {
            "none".to_owned()
        } else {
            self.names.join(", ")
        }
    }

    /// Whether no task of theirs runs on this machine, as far as they know.
    pub(super) fn are_elsewhere(&self) -> bool {
        self.found.iter().all(|backend| backend.class() == "kubernetes")
    }

    /// Refuses to go on without any.
    ///
    /// # Errors
    /// [`Error::Usage`] with the reasons.
    pub(super) fn must_be_some(&self) -> Result<(), Error> {
        if self.found.is_empty() {
            return Err(Error::usage_hint(
                format!("no backend works on this machine: {}", self.missing.join("; ")),
                "mend what is named, or run against a server elsewhere with --kubeconfig",
            ));
        }
        Ok(())
    }
}

async fn process_backend(
    settings: &Settings,
    objects: &Objects,
) -> Result<ProcessBackend, tidemill_runner::backend::Error> {
    let lookup = Arc::new(ObjectLookup::new(objects.clone()));
    let backend = ProcessBackend::new(&settings.state_dir, settings.process.clone(), lookup)?;
    backend.probe().await?;
    Ok(backend)
}
