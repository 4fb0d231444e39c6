//! Fields that steps, sidecars and templates share.

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, VolumeMount};

use super::{Slot, Visit};

/// Values and key references of variables, prefixes and names of their sources.
pub(super) fn environment<E>(
    env: &mut [EnvVar],
    env_from: &mut [EnvFromSource],
    visit: &mut Visit<'_, E>,
) -> Result<(), E> {
    for variable in env {
        if let Some(value) = &mut variable.value {
            visit(Slot::Text(value))?;
        }
        let Some(source) = &mut variable.value_from else {
            continue;
        };
        if let Some(selector) = &mut source.secret_key_ref {
            visit(Slot::Text(&mut selector.name))?;
            visit(Slot::Text(&mut selector.key))?;
        }
        if let Some(selector) = &mut source.config_map_key_ref {
            visit(Slot::Text(&mut selector.name))?;
            visit(Slot::Text(&mut selector.key))?;
        }
    }
    for source in env_from {
        if let Some(prefix) = &mut source.prefix {
            visit(Slot::Text(prefix))?;
        }
        if let Some(secret) = &mut source.secret_ref {
            visit(Slot::Text(&mut secret.name))?;
        }
        if let Some(config_map) = &mut source.config_map_ref {
            visit(Slot::Text(&mut config_map.name))?;
        }
    }
    Ok(())
}

/// Names and paths of mounts.
pub(super) fn mounts<E>(mounts: &mut [VolumeMount], visit: &mut Visit<'_, E>) -> Result<(), E> {
    for mount in mounts {
        visit(Slot::Text(&mut mount.name))?;
        visit(Slot::Text(&mut mount.mount_path))?;
        if let Some(path) = &mut mount.sub_path {
            visit(Slot::Text(path))?;
        }
    }
    Ok(())
}
