//! Claims made from templates.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use tidemill_messages::RunKind;
use tidemill_resources::names::TEKTON_V1;
use tidemill_resources::{ObjectMeta, OwnerReference};

use crate::error::Error;
use crate::state::RunState;
use crate::task::no_such;

/// The claim of this name, as the run's template has it, owned by the run.
///
/// # Errors
/// [`Error::NoSuch`] if the run makes no such claim.
pub fn claim_object(state: &RunState, claim: &str) -> Result<PersistentVolumeClaim, Error> {
    let found = state
        .plan()
        .and_then(|plan| plan.claims.iter().find(|known| known.name == claim));
    let run = state.run();
    let template = found.zip(run).and_then(|(found, run)| {
        let binding = run
            .workspaces()
            .iter()
            .find(|binding| binding.name == found.workspace)?;
        binding.volume_claim_template.clone()
    });
    let Some(template) = template else {
        return Err(no_such(
            state,
            "the claim",
            claim,
            "the run has no template for it".to_owned(),
        ));
    };
    Ok(PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(claim.to_owned()),
            namespace: Some(state.namespace().to_owned()),
            labels: template.metadata.labels,
            annotations: template.metadata.annotations,
            owner_references: Some(vec![owner(state)]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    })
}

/// The run as the owner of what it makes.
pub(super) fn owner(state: &RunState) -> OwnerReference {
    let kind = match state.kind() {
        Some(RunKind::TaskRun) => "TaskRun",
        _ => "PipelineRun",
    };
    OwnerReference {
        api_version: TEKTON_V1.to_owned(),
        kind: kind.to_owned(),
        name: state.name().to_owned(),
        uid: state.uid().to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
