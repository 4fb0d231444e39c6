//! Everything in one answer, as clients since Kubernetes 1.26 ask for it.

use axum::http::{HeaderMap, header};
use serde_json::{Value, json};

use super::{Entry, Offer, Part, entries, group_names, versions};

/// The forms of the answer, the ones clients prefer first.
const VERSIONS: [&str; 2] = ["v2", "v2beta1"];

/// A form of aggregated discovery that a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aggregated {
    version: &'static str,
}

impl Aggregated {
    /// The first acceptable form, if any comes before plain JSON.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let accept = headers.get(header::ACCEPT)?.to_str().ok()?;
        for media in accept.split(',') {
            let parts: Vec<&str> = media.split(';').map(str::trim).collect();
            match parts.first() {
                Some(&"application/json") if parts.len() == 1 => return None,
                Some(&"application/json")
                    if parts.contains(&"g=apidiscovery.k8s.io") && parts.contains(&"as=APIGroupDiscoveryList") =>
                {
                    let known = VERSIONS.iter().find(|version| {
                        let wanted = format!("v={version}");
                        parts.iter().any(|part| *part == wanted)
                    });
                    if let Some(version) = known {
                        return Some(Self { version });
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The type of the answer.
    pub(crate) fn media_type(self) -> String {
        format!(
            "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList",
            self.version
        )
    }
}

/// All groups with their resources; or the core group alone.
pub(crate) fn aggregated(form: Aggregated, core: bool, offer: Offer) -> Value {
    let names = if core { vec![""] } else { group_names(offer) };
    let items: Vec<Value> = names.into_iter().map(|name| group(name, offer)).collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{}", form.version),
        "metadata": {}, "items": items,
    })
}

fn group(name: &str, offer: Offer) -> Value {
    let version = |version: &&str| {
        let resources: Vec<Value> = entries(name, version, offer)
            .iter()
            .map(|entry| resource(name, version, entry))
            .collect();
        json!({"version": version, "freshness": "Current", "resources": resources})
    };
    let metadata = if name.is_empty() {
        json!({})
    } else {
        json!({"name": name})
    };
    json!({"metadata": metadata, "versions": versions(name).iter().map(version).collect::<Vec<_>>()})
}

fn resource(group: &str, version: &str, entry: &Entry) -> Value {
    let part = |part: &Part| {
        let (group, version) = part.of.unwrap_or((group, version));
        json!({
            "subresource": part.name, "verbs": part.verbs,
            "responseKind": {"group": group, "version": version, "kind": part.kind},
        })
    };
    let mut resource = json!({
        "resource": entry.plural, "singularResource": entry.singular, "verbs": entry.verbs,
        "scope": if entry.namespaced { "Namespaced" } else { "Cluster" },
        "responseKind": {"group": group, "version": version, "kind": entry.kind},
    });
    for (field, texts) in [("shortNames", entry.short_names), ("categories", entry.categories)] {
        if !texts.is_empty() {
            resource[field] = json!(texts);
        }
    }
    if !entry.parts.is_empty() {
        resource["subresources"] = entry.parts.iter().map(part).collect();
    }
    resource
}
