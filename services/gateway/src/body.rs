//! The body of a request.

mod messages;
mod protobuf;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, header};
use serde_json::{Value, json};
use tidemill_objects::Patch;
use tidemill_resources::Kind;
use tidemill_resources::manifest::{self, Limits};

use self::protobuf::Fault;
use crate::route::Target;
use crate::status::Refusal;

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const OPERATIONS: &str = "application/json-patch+json";

/// A body with the type it says it is of.
pub(crate) struct Content {
    media_type: String,
    bytes: bytes::Bytes,
}

impl Content {
    /// Reads it, at most `limit` bytes.
    pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: u64) -> Result<Self, Refusal> {
        let media_type = headers.get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or(JSON);
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
        let bytes = to_bytes(body, usize::try_from(limit).unwrap_or(usize::MAX))
            .await
            .map_err(|_| {
                let message = format!("the body of the request is larger than {limit} bytes (gateway.body)");
                Refusal::new(413, "RequestEntityTooLarge", message)
            })?;
        Ok(Self { media_type, bytes })
    }

    /// Whether it is what somebody says of an object, to be applied.
    pub(crate) fn is_applied(&self) -> bool {
        self.media_type == APPLY
    }

    /// That, of an object of the target's kind; namespace and name are those of the address.
    pub(crate) fn applied(&self, target: &Target) -> Result<Value, Refusal> {
        let object = match serde_json::from_slice(&self.bytes) {
            Ok(object) => object,
            Err(_) => manifest::decode_yaml(&self.bytes, &Limits::default())
                .map_err(|problem| Refusal::bad_request(format!("the body of the request: {problem}")))?,
        };
        Self::placed(object, target)
    }

    /// An object of the target's kind; namespace and name are those of the address.
    pub(crate) fn object(&self, target: &Target) -> Result<Value, Refusal> {
        Self::placed(self.json()?, target)
    }

    fn placed(mut object: Value, target: &Target) -> Result<Value, Refusal> {
        check_kind(&mut object, target.kind)?;
        let metadata = object
            .as_object_mut()
            .map(|fields| fields.entry("metadata").or_insert_with(|| json!({})));
        let Some(metadata) = metadata.and_then(Value::as_object_mut) else {
            return Err(Refusal::bad_request("metadata must be an object"));
        };
        for (field, wanted) in [("namespace", &target.namespace), ("name", &target.name)] {
            let Some(wanted) = wanted else { continue };
            let found = metadata.get(field).and_then(Value::as_str).unwrap_or_default();
            if !found.is_empty() && found != wanted {
                return Err(Refusal::bad_request(format!(
                    "the {field} of the provided object does not match the {field} sent on the request ({found}, {wanted})"
                )));
            }
            metadata.insert(field.to_owned(), json!(wanted));
        }
        Ok(object)
    }

    /// A patch of one of the types that are served.
    pub(crate) fn patch(&self, kind: &Kind) -> Result<Patch, Refusal> {
        // As in Kubernetes, kinds that are no core kinds have no merge keys.
        let is_core = !kind.group.ends_with("tekton.dev");
        match self.media_type.as_str() {
            MERGE => Ok(Patch::Merge(self.parse()?)),
            OPERATIONS => Ok(Patch::operations(self.parse()?)?),
            STRATEGIC if is_core => Ok(Patch::Strategic(self.parse()?)),
            other if is_core => Err(Refusal::media_type(other, &[MERGE, OPERATIONS, STRATEGIC, APPLY])),
            other => Err(Refusal::media_type(other, &[MERGE, OPERATIONS, APPLY])),
        }
    }

    /// A body that may be absent, as JSON.
    pub(crate) fn optional(&self) -> Result<Value, Refusal> {
        if self.bytes.is_empty() {
            Ok(Value::Null)
        } else {
            self.json()
        }
    }

    fn json(&self) -> Result<Value, Refusal> {
        match self.media_type.as_str() {
            JSON => self.parse(),
            protobuf::MEDIA_TYPE => protobuf::read(&self.bytes).map_err(|fault| match fault {
                Fault::Broken => Refusal::bad_request("the body of the request is no protobuf of Kubernetes' kind"),
                Fault::Unknown(kind) => Refusal::media_type(&format!("{} of {kind}", protobuf::MEDIA_TYPE), &[JSON]),
            }),
            other => Err(Refusal::media_type(other, &[JSON, protobuf::MEDIA_TYPE])),
        }
    }

    fn parse(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(&self.bytes)
            .map_err(|error| Refusal::bad_request(format!("the body of the request is no JSON: {error}")))
    }
}

/// What names no kind is of the kind of the address; what names another is refused.
fn check_kind(object: &mut Value, kind: &Kind) -> Result<(), Refusal> {
    let Some(fields) = object.as_object_mut() else {
        return Err(Refusal::bad_request("the body of the request is no object"));
    };
    fields.entry("apiVersion").or_insert_with(|| json!(kind.api_version()));
    fields.entry("kind").or_insert_with(|| json!(kind.kind));
    let text = |field: &str| fields.get(field).and_then(Value::as_str).unwrap_or_default();
    let (version, name) = (text("apiVersion"), text("kind"));
    if Kind::of(version, name) == Some(kind) {
        return Ok(());
    }
    Err(Refusal::bad_request(format!(
        "the object provided is {name:?} of {version:?}; the address is that of {} of {}",
        kind.kind,
        kind.api_version()
    )))
}
