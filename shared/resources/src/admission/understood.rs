//! What is filled in and checked, kind by kind.

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, ServiceAccount};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::core;
use crate::object::{Pipeline, PipelineRun, StepAction, Task, TaskRun};
use crate::problem::Problems;
use crate::{default, validate};

/// A kind whose fields are understood.
pub(super) trait Understood: DeserializeOwned + Serialize {
    /// Fills in what is left open.
    fn fill(&mut self) {}

    /// Checks the object as it stands.
    fn check(&self, problems: &mut Problems);

    /// Checks what changed since `old`.
    fn check_update(&self, _old: &Self, _problems: &mut Problems) {}
}

impl Understood for Task {
    fn fill(&mut self) {
        default::task(self);
    }

    fn check(&self, problems: &mut Problems) {
        validate::task(self, problems);
    }
}

impl Understood for Pipeline {
    fn fill(&mut self) {
        default::pipeline(self);
    }

    fn check(&self, problems: &mut Problems) {
        validate::pipeline(self, problems);
    }
}

impl Understood for TaskRun {
    fn fill(&mut self) {
        default::task_run(self);
    }

    fn check(&self, problems: &mut Problems) {
        validate::task_run(self, problems);
    }

    fn check_update(&self, old: &Self, problems: &mut Problems) {
        validate::task_run_update(old, self, problems);
    }
}

impl Understood for PipelineRun {
    fn fill(&mut self) {
        default::pipeline_run(self);
    }

    fn check(&self, problems: &mut Problems) {
        validate::pipeline_run(self, problems);
    }

    fn check_update(&self, old: &Self, problems: &mut Problems) {
        validate::pipeline_run_update(old, self, problems);
    }
}

impl Understood for StepAction {
    fn fill(&mut self) {
        default::step_action(self);
    }

    fn check(&self, problems: &mut Problems) {
        validate::step_action(self, problems);
    }
}

impl Understood for Secret {
    fn fill(&mut self) {
        core::fill_secret(self);
    }

    fn check(&self, problems: &mut Problems) {
        validate::secret(self, problems);
    }

    fn check_update(&self, old: &Self, problems: &mut Problems) {
        core::secret_update(old, self, problems);
    }
}

impl Understood for ConfigMap {
    fn check(&self, problems: &mut Problems) {
        validate::config_map(self, problems);
    }

    fn check_update(&self, old: &Self, problems: &mut Problems) {
        core::config_map_update(old, self, problems);
    }
}

impl Understood for ServiceAccount {
    fn check(&self, problems: &mut Problems) {
        validate::service_account(self, problems);
    }
}

impl Understood for PersistentVolumeClaim {
    fn fill(&mut self) {
        core::fill_claim(self);
    }

    fn check(&self, problems: &mut Problems) {
        validate::persistent_volume_claim(self, problems);
    }
}
