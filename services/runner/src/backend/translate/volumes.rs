//! Volumes of a pod.

use std::collections::BTreeMap;

use bytes::Bytes;
use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Pod, ProjectedVolumeSource, Volume as PodVolume};
use tidemill_messages::sandbox::{Content, File, Source, Volume};

use super::variables::field_of;
use super::{Sources, config_error};
use crate::backend::Error;

/// Mode of a file whose volume says nothing.
const MODE: i32 = 0o644;

/// Where the volume comes from, and whether it may only be read.
pub(in crate::backend) async fn volume(
    pod: &Pod,
    volume: &PodVolume,
    sources: &mut Sources<'_>,
) -> Result<(Volume, bool), Error> {
    let mut read_only = false;
    let name = &volume.name;
    let source = if let Some(empty) = &volume.empty_dir {
        empty_dir(
            empty.medium.as_deref(),
            empty.size_limit.as_ref().map(|size| size.0.as_str()),
        )
    } else if let Some(claim) = &volume.persistent_volume_claim {
        read_only = claim.read_only == Some(true);
        sources.claim(&claim.claim_name, name).await?
    } else if let Some(secret) = &volume.secret {
        let from = secret.secret_name.as_deref().unwrap_or_default();
        let data = sources.secret(from, secret.optional == Some(true), name).await?;
        Source::Files(files(name, data, secret.items.as_deref(), secret.default_mode)?)
    } else if let Some(map) = &volume.config_map {
        let data = sources.config_map(&map.name, map.optional == Some(true), name).await?;
        Source::Files(files(name, data, map.items.as_deref(), map.default_mode)?)
    } else if let Some(projected) = &volume.projected {
        Source::Files(projected_files(pod, name, projected, sources).await?)
    } else if let Some(fields) = &volume.downward_api {
        Source::Files(fields_as_files(pod, fields.items.as_deref(), fields.default_mode)?)
    } else if let Some(path) = &volume.host_path {
        Source::HostPath(path.path.clone().into())
    } else {
        return Err(config_error(format!(
            "volume `{name}` is of a kind this backend does not have; it has emptyDir, persistentVolumeClaim, \
             secret, configMap, projected, downwardAPI and hostPath"
        )));
    };
    let volume = Volume {
        name: name.clone(),
        source,
    };
    Ok((volume, read_only))
}

fn empty_dir(medium: Option<&str>, limit: Option<&str>) -> Source {
    if medium == Some("Memory") {
        return Source::Memory {
            limit_bytes: limit.and_then(bytes_of),
        };
    }
    Source::Empty
}

/// Bytes of a quantity such as `64Mi`; `None` if it is none (the limit is then the kernel's).
fn bytes_of(quantity: &str) -> Option<u64> {
    let digits = quantity.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor: u64 = match &quantity[digits.len()..] {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

type Data = BTreeMap<String, Bytes>;

/// All keys as files, or those that `items` name.
fn files(name: &str, data: Option<Data>, items: Option<&[KeyToPath]>, mode: Option<i32>) -> Result<Vec<File>, Error> {
    let Some(data) = data else { return Ok(Vec::new()) };
    let mode = mode.unwrap_or(MODE);
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        return Ok(data.iter().map(|(key, value)| file(key, value, mode)).collect());
    };
    let wanted = items.iter().map(|item| {
        let value = data
            .get(&item.key)
            .ok_or_else(|| config_error(format!("volume `{name}` wants key `{}`, which is not there", item.key)))?;
        Ok(file(&item.path, value, item.mode.unwrap_or(mode)))
    });
    wanted.collect()
}

fn file(path: &str, content: &[u8], mode: i32) -> File {
    File {
        path: path.to_owned(),
        content: Content(content.to_vec()),
        mode: mode.unsigned_abs() & 0o777,
    }
}

async fn projected_files(
    pod: &Pod,
    name: &str,
    projected: &ProjectedVolumeSource,
    sources: &mut Sources<'_>,
) -> Result<Vec<File>, Error> {
    let mode = projected.default_mode;
    let mut all: Vec<File> = Vec::new();
    for part in projected.sources.iter().flatten() {
        let more = if let Some(secret) = &part.secret {
            let data = sources
                .secret(&secret.name, secret.optional == Some(true), name)
                .await?;
            files(name, data, secret.items.as_deref(), mode)?
        } else if let Some(map) = &part.config_map {
            let data = sources.config_map(&map.name, map.optional == Some(true), name).await?;
            files(name, data, map.items.as_deref(), mode)?
        } else if let Some(fields) = &part.downward_api {
            fields_as_files(pod, fields.items.as_deref(), mode)?
        } else {
            return Err(config_error(format!(
                "volume `{name}` projects a source this backend does not have; it has secret, configMap and \
                 downwardAPI"
            )));
        };
        // A later source wins where two have a file of one path.
        all.retain(|file| more.iter().all(|other| other.path != file.path));
        all.extend(more);
    }
    Ok(all)
}

fn fields_as_files(pod: &Pod, items: Option<&[DownwardAPIVolumeFile]>, mode: Option<i32>) -> Result<Vec<File>, Error> {
    let items = items.unwrap_or_default().iter();
    let files = items.map(|item| {
        let field = item.field_ref.as_ref();
        let field = field.ok_or_else(|| config_error(format!("file `{}` names no field of the pod", item.path)))?;
        let text = field_of(pod, field)?;
        Ok(file(&item.path, text.as_bytes(), item.mode.or(mode).unwrap_or(MODE)))
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_kubernetes_writes_them() {
        let cases = [
            ("64Mi", Some(64 << 20)),
            ("5", Some(5)),
            ("2k", Some(2000)),
            ("1.5Gi", None),
            ("Mi", None),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes_of(text), expected, "{text}");
        }
    }
}
