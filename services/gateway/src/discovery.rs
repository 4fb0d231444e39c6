//! What is served: versions, groups, resources.

mod aggregated;

pub(crate) use aggregated::{Aggregated, aggregated};

use serde_json::{Value, json};
use tidemill_resources::Kind;
use tidemill_resources::kind::join_api_version;

use crate::access::review;
use crate::events;
use crate::route::Route;

/// What of all the kinds is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// All there are: without a cluster.
    Everything,
    /// What a cluster has not of its own, and what is made from it.
    Extension,
}

impl Offer {
    /// Groups that a cluster is extended by.
    const EXTENSIONS: [&'static str; 3] = ["tekton.dev", "triggers.tekton.dev", events::GROUP];

    /// Whether the group is offered, whole or in part.
    fn has_group(self, group: &str) -> bool {
        self == Self::Everything || group.is_empty() || Self::EXTENSIONS.contains(&group)
    }

    /// Whether objects of the kind are. Pods and events are made from runs; the cluster's own are asked for there.
    pub(crate) fn has(self, kind: &Kind) -> bool {
        let made = kind.group.is_empty() && matches!(kind.kind, "Pod" | "Event");
        self == Self::Everything || made || Self::EXTENSIONS.contains(&kind.group)
    }

    /// Whether anything at a path is.
    pub(crate) fn has_route(self, route: &Route) -> bool {
        match route {
            Route::Group(group) | Route::Resources { group, .. } => self.has_group(group),
            Route::Review { .. } => self == Self::Everything,
            Route::Objects(target) => self.has(target.kind),
            _ => true,
        }
    }
}

/// The Kubernetes version whose API is spoken.
const KUBERNETES: (&str, &str) = ("1", "34");

/// `/version`.
pub(crate) fn version() -> Value {
    let (major, minor) = KUBERNETES;
    json!({
        "major": major, "minor": minor,
        "gitVersion": format!("v{major}.{minor}.0+tidemill-{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "",
        "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// `/api`.
pub(crate) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`.
pub(crate) fn groups(offer: Offer) -> Value {
    let groups: Vec<Value> = group_names(offer).into_iter().map(group_entry).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/<group>`.
pub(crate) fn group(name: &str) -> Value {
    let mut group = group_entry(name);
    group["kind"] = json!("APIGroup");
    group["apiVersion"] = json!("v1");
    group
}

/// `/api/v1`, `/apis/<group>/<version>`.
pub(crate) fn resources(group: &str, version: &str, offer: Offer) -> Value {
    let entries = entries(group, version, offer);
    let resources: Vec<Value> = entries
        .iter()
        .flat_map(|entry| std::iter::once(entry.plain()).chain(entry.plain_parts()))
        .collect();
    json!({
        "kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": join_api_version(group, version), "resources": resources,
    })
}

/// Every group and version, the core group first.
pub(crate) fn group_versions(offer: Offer) -> Vec<(&'static str, &'static str)> {
    let groups = std::iter::once("").chain(group_names(offer));
    groups
        .flat_map(|group| versions(group).into_iter().map(move |version| (group, version)))
        .collect()
}

/// Whether anything is served there.
pub(crate) fn is_served(group: &str, version: Option<&str>) -> bool {
    group_versions(Offer::Everything)
        .iter()
        .any(|(known, served)| *known == group && version.is_none_or(|version| version == *served))
}

/// Names of the groups but the core group.
fn group_names(offer: Offer) -> Vec<&'static str> {
    let mut names = Vec::new();
    let kinds = Kind::all().iter().map(|kind| kind.group);
    let others = review::ALL.iter().map(|review| review.group);
    for group in kinds.chain(others).chain([events::GROUP]) {
        if !group.is_empty() && !names.contains(&group) && offer.has_group(group) {
            names.push(group);
        }
    }
    names
}

/// Versions of a group; the first is the one most of its kinds are stored in.
fn versions(group: &str) -> Vec<&'static str> {
    let mut versions: Vec<&str> = Vec::new();
    for kind in Kind::all().iter().filter(|kind| kind.group == group) {
        for version in kind.versions {
            if !versions.contains(version) {
                versions.push(version);
            }
        }
    }
    if versions.is_empty() {
        versions.push("v1");
    }
    versions
}

fn group_entry(name: &str) -> Value {
    let entry = |version: &&str| json!({"groupVersion": join_api_version(name, version), "version": version});
    let entries: Vec<Value> = versions(name).iter().map(entry).collect();
    json!({"name": name, "versions": entries, "preferredVersion": entries.first()})
}

/// A resource and its parts.
struct Entry {
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    namespaced: bool,
    verbs: &'static [&'static str],
    short_names: &'static [&'static str],
    categories: &'static [&'static str],
    parts: Vec<Part>,
}

/// A part of a resource, such as `status`.
struct Part {
    name: &'static str,
    kind: &'static str,
    /// Group and version of `kind`, where it is of another than the resource.
    of: Option<(&'static str, &'static str)>,
    verbs: &'static [&'static str],
}

/// All that may be done with objects.
const VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
/// All that may be done with what is made from other objects.
const READ: &[&str] = &["get", "list", "watch"];

fn entries(group: &str, version: &str, offer: Offer) -> Vec<Entry> {
    let kinds = Kind::all()
        .iter()
        .filter(|kind| kind.group == group && kind.versions.contains(&version) && offer.has(kind));
    let reviews = review::ALL
        .iter()
        .filter(|review| review.group == group && version == "v1");
    let received = (group == events::GROUP && version == "v1").then(received);
    kinds
        .map(of_kind)
        .chain(received)
        .chain(reviews.map(|review| Entry {
            kind: review.kind,
            plural: review.plural,
            singular: review.singular,
            namespaced: review.namespaced,
            verbs: &["create"],
            short_names: &[],
            categories: &[],
            parts: Vec::new(),
        }))
        .collect()
}

/// What came in: see [`crate::events`].
fn received() -> Entry {
    Entry {
        kind: events::KIND,
        plural: events::PLURAL,
        singular: "receivedevent",
        namespaced: true,
        verbs: READ,
        short_names: &["rev"],
        categories: &[],
        parts: vec![Part {
            name: "retry",
            kind: events::KIND,
            of: None,
            verbs: &["create"],
        }],
    }
}

fn of_kind(kind: &'static Kind) -> Entry {
    let is_pod = (kind.group, kind.kind) == ("", "Pod");
    let mut parts = Vec::new();
    let part = |name, kind, of, verbs| Part { name, kind, of, verbs };
    if is_pod {
        parts.push(part("log", kind.kind, None, &["get"]));
    } else if kind.has_status {
        parts.push(part("status", kind.kind, None, &["get", "patch", "update"]));
    }
    if (kind.group, kind.kind) == ("", "ServiceAccount") {
        let of = Some(("authentication.k8s.io", "v1"));
        parts.push(part("token", "TokenRequest", of, &["create"]));
    }
    Entry {
        kind: kind.kind,
        plural: kind.plural,
        singular: kind.singular,
        namespaced: kind.namespaced,
        verbs: if is_pod { READ } else { VERBS },
        short_names: kind.short_names,
        categories: kind.categories,
        parts,
    }
}

impl Entry {
    /// The resource in an `APIResourceList`.
    fn plain(&self) -> Value {
        let mut entry = json!({
            "name": self.plural, "singularName": self.singular, "namespaced": self.namespaced, "kind": self.kind,
            "verbs": self.verbs,
        });
        if !self.short_names.is_empty() {
            entry["shortNames"] = json!(self.short_names);
        }
        if !self.categories.is_empty() {
            entry["categories"] = json!(self.categories);
        }
        entry
    }

    /// Its parts there.
    fn plain_parts(&self) -> impl Iterator<Item = Value> + '_ {
        self.parts.iter().map(|part| {
            let mut entry = json!({
                "name": format!("{}/{}", self.plural, part.name), "singularName": "", "namespaced": self.namespaced,
                "kind": part.kind, "verbs": part.verbs,
            });
            if let Some((group, version)) = part.of {
                entry["group"] = json!(group);
                entry["version"] = json!(version);
            }
            entry
        })
    }
}

#[cfg(test)]
mod tests;
