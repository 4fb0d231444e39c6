//! Which backends this machine has, and why not others.

use std::sync::Arc;

use tidemill_objects::Objects;
use tidemill_runner::backend::Backend;
use tidemill_runner::backend::process::ProcessBackend;
use tidemill_runner::{ObjectLookup, Settings};
use tidemill_telemetry::Chain;

use crate::error::Error;

/// What was found.
pub(super) struct Backends {
    /// Those that work.
    pub(super) found: Vec<Arc<dyn Backend>>,
    /// The others, each with its reason.
    pub(super) missing: Vec<String>,
}

impl Backends {
    /// Tries each kind of backend.
    pub(super) async fn find(settings: &Settings, objects: &Objects) -> Self {
        let mut backends = Self {
            found: Vec::new(),
            missing: Vec::new(),
        };
        match process_backend(settings, objects).await {
            Ok(backend) => backends.found.push(Arc::new(backend)),
            Err(error) => backends.missing.push(format!("process: {}", Chain(&error))),
        }
        backends
            .missing
            .push("docker and kubernetes: not in this version".to_owned());
        backends
    }

    /// Those that work, by name.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.found.iter().map(|backend| backend.class()).collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
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
