//! What is served, as OpenAPI: enough for `kubectl apply` to leave the checking to the server, and for
//! `kubectl explain`.

mod paths;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use serde_json::{Value, json};
use tidemill_resources::Kind;
use tidemill_resources::schema::{self, Schemas};

use crate::discovery::{self, Offer};
use crate::status::json_response;

/// The documents, made on first use. They are the same as long as the process lives.
static DOCUMENTS: OnceLock<BTreeMap<String, Document>> = OnceLock::new();

/// A document and what changes with it.
struct Document {
    text: Bytes,
    hash: String,
}

/// `/openapi/v3`: where the document of each group and version is.
pub(crate) fn index() -> Value {
    let paths: BTreeMap<&str, Value> = documents()
        .iter()
        .map(|(name, document)| {
            let address = format!("/openapi/v3/{name}?hash={}", document.hash);
            (name.as_str(), json!({"serverRelativeURL": address}))
        })
        .collect();
    json!({"paths": paths})
}

/// `/openapi/v3/api/v1`, `/openapi/v3/apis/<group>/<version>`.
pub(crate) fn document(name: &str) -> Option<Response<Body>> {
    let document = documents().get(name)?;
    let mut response = Response::new(Body::from(document.text.clone()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", document.hash)) {
        headers.insert(header::ETAG, tag);
    }
    Some(response)
}

/// `/openapi/v2`: the same in one document of the older form.
pub(crate) fn second(offer: Offer) -> Response<Body> {
    let mut schemas = Schemas::default();
    let mut paths = serde_json::Map::new();
    for (group, version) in discovery::group_versions(offer) {
        for kind in served(group, version).filter(|kind| offer.has(kind)) {
            let _name = schema::of_kind(kind, version, &mut schemas);
        }
        paths.extend(paths::of(group, version, paths::Form::Second));
    }
    let definitions = serde_json::to_string(&schemas.into_map()).unwrap_or_default();
    let definitions = definitions.replace("#/components/schemas/", "#/definitions/");
    let definitions: Value = serde_json::from_str(&definitions).unwrap_or_default();
    let document = json!({
        "swagger": "2.0", "info": {"title": "Tidemill", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths, "definitions": definitions,
    });
    json_response(StatusCode::OK, &document)
}

fn documents() -> &'static BTreeMap<String, Document> {
    DOCUMENTS.get_or_init(|| {
        let all = discovery::group_versions(Offer::Everything);
        all.into_iter()
            .map(|(group, version)| (name(group, version), made(group, version)))
            .collect()
    })
}

fn name(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{group}/{version}")
    }
}

fn made(group: &str, version: &str) -> Document {
    let mut schemas = Schemas::default();
    for kind in served(group, version) {
        let _name = schema::of_kind(kind, version, &mut schemas);
    }
    let document = json!({
        "openapi": "3.0.0", "info": {"title": "Tidemill", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths::of(group, version, paths::Form::Third), "components": {"schemas": schemas.into_map()},
    });
    let text = document.to_string();
    // For caches only: whoever wants another text under the same hash harms himself.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Document {
        text: text.into(),
        hash: format!("{hash:016X}"),
    }
}

fn served(group: &str, version: &str) -> impl Iterator<Item = &'static Kind> {
    let all = Kind::all().iter();
    all.filter(move |kind| kind.group == group && kind.versions.contains(&version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_names_its_kind_and_how_fields_are_checked() {
        let documents = documents();
        let document: Value = serde_json::from_slice(&documents["apis/tekton.dev/v1"].text).unwrap();
        let patch = &document["paths"]["/apis/tekton.dev/v1/namespaces/{namespace}/pipelineruns/{name}"]["patch"];
        let kind = json!({"group": "tekton.dev", "version": "v1", "kind": "PipelineRun"});
        assert_eq!(patch["x-kubernetes-group-version-kind"], kind);
        let parameters = patch["parameters"].as_array().unwrap();
        assert!(parameters.iter().any(|one| one["name"] == "fieldValidation"));
        assert!(document["components"]["schemas"]["dev.tidemill.tekton.v1.PipelineRun"].is_object());
    }

    #[test]
    fn the_index_names_every_group_and_version() {
        let index = index();
        let paths = index["paths"].as_object().unwrap();
        for name in ["api/v1", "apis/tekton.dev/v1beta1", "apis/rbac.authorization.k8s.io/v1"] {
            let address = paths[name]["serverRelativeURL"].as_str().unwrap();
            assert!(address.starts_with(&format!("/openapi/v3/{name}?hash=")), "{address}");
        }
    }
}
