//! Releases as CloudEvents.

use bytes::Bytes;
use tidemill_bus::Stored;
use tidemill_messages::cloud_event::CloudEvent;
use tidemill_messages::release::CLOUD_EVENT_TYPE;
use tidemill_messages::{ReleaseEvent, decode, envelope};
use uuid::Uuid;

use crate::Error;

/// The event of a message of stream `releases`; what is told of it is the message itself.
///
/// # Errors
/// [`Error::Payload`].
pub(super) fn event(stored: &Stored, payload: &Bytes) -> Result<CloudEvent, Error> {
    let release: ReleaseEvent = decode(&stored.subject, payload)?;
    let status = stored.subject.rsplit('.').next().unwrap_or_default();
    // A release that was removed and installed again has the same subjects.
    let id = format!("{}/{}", release.record_uid, stored.subject);
    Ok(CloudEvent {
        version: envelope::VERSION,
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_bytes()).to_string(),
        source: format!(
            "/namespaces/{}/releases/{}",
            release.release.namespace, release.release.name
        ),
        kind: format!("{CLOUD_EVENT_TYPE}.{status}.v1"),
        subject: release.release.name,
        time: release.at,
        data: decode(&stored.subject, payload)?,
        hops: 0,
    })
}
