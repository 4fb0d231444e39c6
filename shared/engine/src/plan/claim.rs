//! Claims that the run makes from templates.

use sha2::{Digest, Sha256};
use tidemill_resources::WorkspaceBinding;

use crate::run_object::RunObject;

const HASH_LENGTH: usize = 10;

/// A claim for a workspace of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Workspace of the run.
    pub(crate) workspace: String,
    /// Name of the claim.
    pub(crate) name: String,
}

/// The claims of a run, one for each template.
pub(super) fn of_run(run: &RunObject) -> Vec<Claim> {
    let templated = run
        .workspaces()
        .iter()
        .filter(|binding| binding.volume_claim_template.is_some());
    templated
        .map(|binding| Claim {
            workspace: binding.name.clone(),
            name: name(binding, run.uid()),
        })
        .collect()
}

/// `<template's name or pvc>-<hash of workspace and run>`.
fn name(binding: &WorkspaceBinding, run_uid: &str) -> String {
    let template = binding
        .volume_claim_template
        .as_ref()
        .and_then(|template| template.metadata.name.as_deref());
    let prefix = template.filter(|name| !name.is_empty()).unwrap_or("pvc");
    let digest = hex::encode(Sha256::digest(format!("{}{run_uid}", binding.name)));
    format!("{prefix}-{}", &digest[..HASH_LENGTH])
}
