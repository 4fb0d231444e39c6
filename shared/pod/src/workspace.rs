//! Workspaces: one volume for each thing that is bound, mounts where the task wants them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Volume, VolumeMount};
use sha2::{Digest, Sha256};
use tidemill_messages::StartTask;
use tidemill_resources::workspace::{WorkspaceBinding, WorkspaceDeclaration, WorkspaceUsage};

use crate::Error;

/// The bound workspaces of a task.
pub(crate) struct Workspaces {
    /// Their volumes, each once, in the order of declaration.
    pub(crate) volumes: Vec<Volume>,
    bound: Vec<Bound>,
    /// Every declared name: bound, or optional and left out.
    declared: Vec<String>,
}

struct Bound {
    declaration: WorkspaceDeclaration,
    sub_path: String,
    volume: String,
    /// Some container lists it: only those that do see it.
    isolated: bool,
}

impl Workspaces {
    /// Meets the declarations of the task with the bindings of the run.
    ///
    /// # Errors
    /// [`Error::Unbound`], [`Error::Binding`].
    pub(crate) fn of(command: &StartTask) -> Result<Self, Error> {
        let mut result = Self {
            volumes: Vec::new(),
            bound: Vec::new(),
            declared: Vec::new(),
        };
        let mut names = Names::default();
        for declaration in &command.spec.workspaces {
            result.declared.push(declaration.name.clone());
            let binding = command
                .workspaces
                .iter()
                .find(|binding| binding.name == declaration.name);
            match binding {
                Some(binding) => result.bind(
                    declaration,
                    binding,
                    is_isolated(command, &declaration.name),
                    &mut names,
                )?,
                None if declaration.optional => {}
                None => {
                    return Err(Error::Unbound {
                        workspace: declaration.name.clone(),
                    });
                }
            }
        }
        Ok(result)
    }

    fn bind(
        &mut self,
        declaration: &WorkspaceDeclaration,
        binding: &WorkspaceBinding,
        isolated: bool,
        names: &mut Names,
    ) -> Result<(), Error> {
        let source = volume(binding)?;
        let claim = source
            .persistent_volume_claim
            .as_ref()
            .map(|claim| claim.claim_name.clone());
        let (name, is_new) = names.of(&declaration.name, claim);
        if is_new {
            self.volumes.push(Volume {
                name: name.clone(),
                ..source
            });
        }
        self.bound.push(Bound {
            declaration: declaration.clone(),
            sub_path: binding.sub_path.clone(),
            volume: name,
            isolated,
        });
        Ok(())
    }

    /// The mounts of one container, which lists `usages`.
    ///
    /// # Errors
    /// [`Error::UndeclaredWorkspace`].
    pub(crate) fn mounts(&self, container: &str, usages: &[WorkspaceUsage]) -> Result<Vec<VolumeMount>, Error> {
        if let Some(unknown) = usages.iter().find(|usage| !self.declared.contains(&usage.name)) {
            return Err(Error::UndeclaredWorkspace {
                container: container.to_owned(),
                workspace: unknown.name.clone(),
            });
        }
        let mount = |bound: &Bound| {
            let usage = usages.iter().find(|usage| usage.name == bound.declaration.name);
            (usage.is_some() || !bound.isolated).then(|| bound.mount(usage))
        };
        Ok(self.bound.iter().filter_map(mount).collect())
    }
}

impl Bound {
    fn mount(&self, usage: Option<&WorkspaceUsage>) -> VolumeMount {
        let own_path = usage
            .map(|usage| usage.mount_path.clone())
            .filter(|path| !path.is_empty());
        VolumeMount {
            name: self.volume.clone(),
            mount_path: own_path.unwrap_or_else(|| self.declaration.path()),
            read_only: self.declaration.read_only.then_some(true),
            sub_path: (!self.sub_path.is_empty()).then(|| self.sub_path.clone()),
            ..VolumeMount::default()
        }
    }
}

/// Names of workspace volumes: `ws-` and 5 hex digits, the same for the same task, so that building
/// a pod twice gives the same pod.
#[derive(Default)]
struct Names {
    by_claim: BTreeMap<String, String>,
    taken: Vec<String>,
}

impl Names {
    /// The name for this workspace, and whether it is a new one: a claim is mounted once, however
    /// many workspaces it is bound to.
    fn of(&mut self, workspace: &str, claim: Option<String>) -> (String, bool) {
        if let Some(name) = claim.as_ref().and_then(|claim| self.by_claim.get(claim)) {
            return (name.clone(), false);
        }
        let name = self.free(workspace);
        self.taken.push(name.clone());
        if let Some(claim) = claim {
            self.by_claim.insert(claim, name.clone());
        }
        (name, true)
    }

    /// Five digits can collide: then the digest of the digest is taken, and so on. A task would
    /// need a million workspaces for this not to end.
    fn free(&self, workspace: &str) -> String {
        let mut digest = Sha256::digest(workspace.as_bytes());
        loop {
            let name = format!("ws-{}", &hex::encode(digest)[..5]);
            if !self.taken.contains(&name) {
                return name;
            }
            digest = Sha256::digest(digest);
        }
    }
}

fn is_isolated(command: &StartTask, workspace: &str) -> bool {
    let steps = command.spec.steps.iter().flat_map(|step| &step.workspaces);
    let sidecars = command.spec.sidecars.iter().flat_map(|sidecar| &sidecar.workspaces);
    steps.chain(sidecars).any(|usage| usage.name == workspace)
}

fn volume(binding: &WorkspaceBinding) -> Result<Volume, Error> {
    let sources = binding.sources();
    if sources.len() != 1 || binding.volume_claim_template.is_some() {
        let found = if sources.is_empty() {
            "nothing".to_owned()
        } else {
            sources.join(", ")
        };
        return Err(Error::Binding {
            workspace: binding.name.clone(),
            found,
        });
    }
    Ok(Volume {
        persistent_volume_claim: binding.persistent_volume_claim.clone(),
        empty_dir: binding.empty_dir.clone(),
        config_map: binding.config_map.clone(),
        secret: binding.secret.clone(),
        projected: binding.projected.clone(),
        csi: binding.csi.clone(),
        ..Volume::default()
    })
}
