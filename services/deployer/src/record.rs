//! Helm's record of a revision: a Secret. Its labels say where it stands; what else there is lies in
//! it as base64 of gzipped JSON.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;
use tidemill_messages::{ReleaseName, ReleaseStatus};

/// The labels that all records have.
pub(crate) const SELECTOR: &str = "owner=helm";
/// The key of the Secret.
const KEY: &str = "release";
const LABEL_STATUS: &str = "status";
const LABEL_NAME: &str = "name";
const LABEL_VERSION: &str = "version";
/// When Helm last wrote it, in seconds.
const LABEL_MODIFIED: &str = "modifiedAt";
/// How gzip begins; records of old Helms are not compressed.
const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];
/// Largest record after decompression. A Secret holds 1 MiB, and text shrinks to a tenth.
const RECORD_BYTES_MAX: u64 = 64 << 20;

/// A record that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Secret has no record.
    #[error("the Secret has no key `release`")]
    Missing,
    /// The record is not base64.
    #[error("the record is not base64")]
    Base64(#[from] base64::DecodeError),
    /// The record cannot be decompressed.
    #[error("the record cannot be decompressed")]
    Gzip(#[from] std::io::Error),
    /// The record is too large.
    #[error("the record has more than {RECORD_BYTES_MAX} bytes")]
    TooLarge,
    /// The record is not JSON as Helm writes it.
    #[error("the record is not JSON as Helm writes it")]
    Json(#[from] serde_json::Error),
}

/// What the metadata of a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) release: ReleaseName,
    pub(crate) revision: u32,
    pub(crate) status: ReleaseStatus,
    /// Name of the Secret.
    pub(crate) secret: String,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) created: Option<Timestamp>,
    /// When it was last written, by the API server's clock where it says so.
    pub(crate) modified: Option<Timestamp>,
}

impl Head {
    /// Reads it; `None`: it is no record of Helm's.
    pub(crate) fn read(metadata: &ObjectMeta) -> Option<Self> {
        let labels = metadata.labels.as_ref()?;
        let namespace = metadata.namespace.clone()?;
        let name = labels.get(LABEL_NAME)?.clone();
        let managed = metadata.managed_fields.iter().flatten();
        let written = managed.filter_map(|entry| entry.time.as_ref()).map(|time| time.0).max();
        let by_helm = labels.get(LABEL_MODIFIED).and_then(|text| text.parse().ok());
        let by_helm = by_helm.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
        Some(Self {
            release: ReleaseName { namespace, name },
            revision: labels.get(LABEL_VERSION)?.parse().ok()?,
            // A word of a later Helm's is one we do not know.
            status: ReleaseStatus::of(labels.get(LABEL_STATUS)?).unwrap_or(ReleaseStatus::Unknown),
            secret: metadata.name.clone()?,
            uid: metadata.uid.clone()?,
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            created,
            modified: written.or(by_helm).or(created),
        })
    }

    /// When it was last written, if it was seen so at `seen`. The API server tells whole seconds, and what was
    /// done at their end would seem to have come before its cause.
    pub(crate) fn written_at(&self, seen: Timestamp) -> Timestamp {
        let Some(second) = self.modified else { return seen };
        let last = second
            .saturating_add(SignedDuration::from_millis(999))
            .unwrap_or(second);
        seen.clamp(second, last)
    }
}

/// What a record says beside its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Chart and version, `name-version`.
    pub(crate) chart: String,
    pub(crate) app_version: String,
    pub(crate) description: String,
    /// Whether it makes an earlier revision again.
    pub(crate) is_rollback: bool,
    /// Which; 0: none, or Helm does not say any more.
    pub(crate) rollback_to: u32,
    /// What it is made of, as YAML.
    pub(crate) manifest: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    info: Info,
    chart: Option<Chart>,
    manifest: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    description: String,
    rollback_revision: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Chart {
    metadata: Option<ChartMetadata>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ChartMetadata {
    name: String,
    version: String,
    app_version: String,
}

impl Record {
    /// Reads the record of a Secret.
    pub(crate) fn read(secret: &Secret) -> Result<Self, Error> {
        let written: Written = serde_json::from_slice(&json(secret)?)?;
        let metadata = written.chart.and_then(|chart| chart.metadata).unwrap_or_default();
        let chart = match (metadata.name.as_str(), metadata.version.as_str()) {
            ("", _) => String::new(),
            (name, "") => name.to_owned(),
            (name, version) => format!("{name}-{version}"),
        };
        let rollback_to = match written.info.rollback_revision {
            0 => said_rollback(&written.info.description),
            revision => revision,
        };
        Ok(Self {
            chart,
            app_version: metadata.app_version,
            is_rollback: rollback_to > 0 || said_failed_rollback(&written.info.description),
            description: written.info.description,
            rollback_to,
            manifest: written.manifest,
        })
    }
}

/// Helm 3 says only in a sentence that a revision makes another one again: `Rollback to 4`.
fn said_rollback(description: &str) -> u32 {
    let rest = description.strip_prefix("Rollback to ").unwrap_or_default();
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// What Helm 3 writes over that sentence when it did not work.
fn said_failed_rollback(description: &str) -> bool {
    description.starts_with("Rollback \"") && description.contains(" failed")
}

/// The Secret with its record marked failed, as Helm itself would have.
pub(crate) fn failed(secret: &Secret, description: &str, now: Timestamp) -> Result<Secret, Error> {
    let mut record: Value = serde_json::from_slice(&json(secret)?)?;
    let Some(info) = record.get_mut("info").and_then(Value::as_object_mut) else {
        return Err(Error::Missing);
    };
    info.insert("status".to_owned(), ReleaseStatus::Failed.as_str().into());
    info.insert("description".to_owned(), description.into());
    let mut secret = secret.clone();
    let data = secret.data.get_or_insert_with(BTreeMap::new);
    data.insert(KEY.to_owned(), k8s_openapi::ByteString(encoded(&record)?));
    let labels = secret.metadata.labels.get_or_insert_with(BTreeMap::new);
    labels.insert(LABEL_STATUS.to_owned(), ReleaseStatus::Failed.as_str().to_owned());
    labels.insert(LABEL_MODIFIED.to_owned(), now.as_second().to_string());
    Ok(secret)
}

fn encoded(record: &Value) -> Result<Vec<u8>, Error> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&serde_json::to_vec(record)?)?;
    Ok(BASE64_STANDARD.encode(encoder.finish()?).into_bytes())
}

/// The record as JSON. The API's own base64 is off already.
fn json(secret: &Secret) -> Result<Vec<u8>, Error> {
    let data = secret
        .data
        .as_ref()
        .and_then(|data| data.get(KEY))
        .ok_or(Error::Missing)?;
    let bytes = BASE64_STANDARD.decode(&data.0)?;
    if !bytes.starts_with(&GZIP) {
        return Ok(bytes);
    }
    let mut json = Vec::new();
    GzDecoder::new(bytes.as_slice())
        .take(RECORD_BYTES_MAX + 1)
        .read_to_end(&mut json)?;
    if json.len() as u64 > RECORD_BYTES_MAX {
        return Err(Error::TooLarge);
    }
    Ok(json)
}

#[cfg(test)]
mod tests;
