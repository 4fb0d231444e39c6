//! Volumes and the sources that workspaces share with them.

use k8s_openapi::api::core::v1::{
    CSIVolumeSource, ConfigMapVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource, ProjectedVolumeSource,
    SecretVolumeSource, Volume,
};
use tidemill_resources::WorkspaceBinding;

use super::{Slot, Visit};

/// Name and sources of a volume.
pub(super) fn volume<E>(volume: &mut Volume, visit: &mut Visit<'_, E>) -> Result<(), E> {
    visit(Slot::Text(&mut volume.name))?;
    config_map(volume.config_map.as_mut(), visit)?;
    secret(volume.secret.as_mut(), visit)?;
    claim(volume.persistent_volume_claim.as_mut(), visit)?;
    projected(volume.projected.as_mut(), visit)?;
    csi(volume.csi.as_mut(), visit)
}

/// What a run binds to a workspace.
pub(crate) fn binding<E>(binding: &mut WorkspaceBinding, visit: &mut Visit<'_, E>) -> Result<(), E> {
    visit(Slot::Text(&mut binding.sub_path))?;
    config_map(binding.config_map.as_mut(), visit)?;
    secret(binding.secret.as_mut(), visit)?;
    claim(binding.persistent_volume_claim.as_mut(), visit)?;
    projected(binding.projected.as_mut(), visit)?;
    csi(binding.csi.as_mut(), visit)
}

fn config_map<E>(source: Option<&mut ConfigMapVolumeSource>, visit: &mut Visit<'_, E>) -> Result<(), E> {
    let Some(source) = source else { return Ok(()) };
    visit(Slot::Text(&mut source.name))?;
    items(source.items.as_mut(), visit)
}

fn secret<E>(source: Option<&mut SecretVolumeSource>, visit: &mut Visit<'_, E>) -> Result<(), E> {
    let Some(source) = source else { return Ok(()) };
    if let Some(name) = &mut source.secret_name {
        visit(Slot::Text(name))?;
    }
    items(source.items.as_mut(), visit)
}

fn claim<E>(source: Option<&mut PersistentVolumeClaimVolumeSource>, visit: &mut Visit<'_, E>) -> Result<(), E> {
    match source {
        Some(source) => visit(Slot::Text(&mut source.claim_name)),
        None => Ok(()),
    }
}

fn projected<E>(source: Option<&mut ProjectedVolumeSource>, visit: &mut Visit<'_, E>) -> Result<(), E> {
    for source in source.and_then(|source| source.sources.as_mut()).into_iter().flatten() {
        if let Some(config_map) = &mut source.config_map {
            visit(Slot::Text(&mut config_map.name))?;
            items(config_map.items.as_mut(), visit)?;
        }
        if let Some(secret) = &mut source.secret {
            visit(Slot::Text(&mut secret.name))?;
            items(secret.items.as_mut(), visit)?;
        }
        if let Some(token) = &mut source.service_account_token
            && let Some(audience) = &mut token.audience
        {
            visit(Slot::Text(audience))?;
        }
    }
    Ok(())
}

fn csi<E>(source: Option<&mut CSIVolumeSource>, visit: &mut Visit<'_, E>) -> Result<(), E> {
    let Some(source) = source else { return Ok(()) };
    visit(Slot::Text(&mut source.driver))?;
    if let Some(reference) = &mut source.node_publish_secret_ref {
        visit(Slot::Text(&mut reference.name))?;
    }
    for value in source
        .volume_attributes
        .iter_mut()
        .flat_map(|attributes| attributes.values_mut())
    {
        visit(Slot::Text(value))?;
    }
    Ok(())
}

fn items<E>(items: Option<&mut Vec<KeyToPath>>, visit: &mut Visit<'_, E>) -> Result<(), E> {
    for item in items.into_iter().flatten() {
        visit(Slot::Text(&mut item.key))?;
        visit(Slot::Text(&mut item.path))?;
    }
    Ok(())
}
