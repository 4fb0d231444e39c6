//! Workspaces: declarations, bindings and uses.

use k8s_openapi::api::core::v1::{
    CSIVolumeSource, ConfigMapVolumeSource, EmptyDirVolumeSource, PersistentVolumeClaim,
    PersistentVolumeClaimVolumeSource, ProjectedVolumeSource, SecretVolumeSource,
};

record! {
    /// A workspace that a Task asks for.
    pub struct WorkspaceDeclaration {
        /// Name, unique in the Task.
        pub name: String,
        /// Prose.
        pub description: String,
        /// Where it appears; [`WorkspaceDeclaration::path`] when absent.
        pub mount_path: String,
        /// Whether steps may only read it.
        pub read_only: bool,
        /// Whether a run may leave it unbound.
        pub optional: bool,
    }

    /// A workspace that a Pipeline asks for.
    pub struct PipelineWorkspaceDeclaration {
        /// Name, unique in the Pipeline.
        pub name: String,
        /// Prose.
        pub description: String,
        /// Whether a run may leave it unbound.
        pub optional: bool,
    }

    /// How a pipeline task's workspace is met by one of the Pipeline's.
    pub struct PipelineTaskWorkspace {
        /// Name in the Task.
        pub name: String,
        /// Name in the Pipeline; the same as `name` when empty.
        pub workspace: String,
        /// Folder below the run's binding.
        pub sub_path: String,
    }

    /// A workspace that one step or sidecar takes for itself.
    pub struct WorkspaceUsage {
        /// Name in the Task.
        pub name: String,
        /// Where it appears in this container.
        pub mount_path: String,
    }

    /// The volume a run gives to a workspace: exactly one of the sources is set.
    pub struct WorkspaceBinding {
        /// Name of the declaration.
        pub name: String,
        /// Folder of the volume to mount.
        pub sub_path: String,
        /// A claim made for this run.
        pub volume_claim_template: Option<PersistentVolumeClaim>,
        /// An existing claim.
        pub persistent_volume_claim: Option<PersistentVolumeClaimVolumeSource>,
        /// A directory that lives as long as the task.
        pub empty_dir: Option<EmptyDirVolumeSource>,
        /// A ConfigMap's keys as files.
        pub config_map: Option<ConfigMapVolumeSource>,
        /// A Secret's keys as files.
        pub secret: Option<SecretVolumeSource>,
        /// Several sources in one directory.
        pub projected: Option<ProjectedVolumeSource>,
        /// A volume of a storage driver.
        pub csi: Option<CSIVolumeSource>,
    }
}

impl WorkspaceDeclaration {
    /// Where it is mounted: `mountPath`, else `/workspace/<name>`.
    #[must_use]
    pub fn path(&self) -> String {
        if self.mount_path.is_empty() {
            format!("/workspace/{}", self.name)
        } else {
            self.mount_path.clone()
        }
    }
}

impl PipelineTaskWorkspace {
    /// Name of the Pipeline's workspace it takes.
    #[must_use]
    pub fn source(&self) -> &str {
        if self.workspace.is_empty() {
            &self.name
        } else {
            &self.workspace
        }
    }
}

impl WorkspaceBinding {
    /// The fields of the sources that are set, in the order of declaration.
    #[must_use]
    pub fn sources(&self) -> Vec<&'static str> {
        let set = [
            ("volumeClaimTemplate", self.volume_claim_template.is_some()),
            ("persistentVolumeClaim", self.persistent_volume_claim.is_some()),
            ("emptyDir", self.empty_dir.is_some()),
            ("configMap", self.config_map.is_some()),
            ("secret", self.secret.is_some()),
            ("projected", self.projected.is_some()),
            ("csi", self.csi.is_some()),
        ];
        set.into_iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(field, _)| field)
            .collect()
    }
}
