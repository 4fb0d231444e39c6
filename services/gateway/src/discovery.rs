//! What is served: versions, groups, resources.

use serde_json::{Value, json};
use tidemill_resources::Kind;
use tidemill_resources::kind::join_api_version;

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
pub(crate) fn groups() -> Value {
    let mut groups: Vec<Value> = group_names().into_iter().map(group_entry).collect();
    groups.push(crate::events::group_entry());
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
pub(crate) fn resources(group: &str, version: &str) -> Value {
    let served = Kind::all()
        .iter()
        .filter(|kind| kind.group == group && kind.versions.contains(&version));
    let resources: Vec<Value> = served.flat_map(entries).collect();
    json!({
        "kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": join_api_version(group, version), "resources": resources,
    })
}

fn group_names() -> Vec<&'static str> {
    let mut names = Vec::new();
    for kind in Kind::all() {
        if !kind.group.is_empty() && !names.contains(&kind.group) {
            names.push(kind.group);
        }
    }
    names
}

/// Versions of a group; preferred is the one most of its kinds are stored in.
fn group_entry(name: &str) -> Value {
    let mut versions: Vec<&str> = Vec::new();
    for kind in Kind::all().iter().filter(|kind| kind.group == name) {
        for version in kind.versions {
            if !versions.contains(version) {
                versions.push(version);
            }
        }
    }
    let entry = |version: &&str| json!({"groupVersion": join_api_version(name, version), "version": version});
    let entries: Vec<Value> = versions.iter().map(entry).collect();
    json!({"name": name, "versions": entries, "preferredVersion": entries.first()})
}

fn entries(kind: &Kind) -> Vec<Value> {
    let entry = |name: String, verbs: &[&str]| {
        json!({
            "name": name, "singularName": "", "namespaced": kind.namespaced, "kind": kind.kind, "verbs": verbs,
        })
    };
    if (kind.group, kind.kind) == ("", "Pod") {
        let mut pods = entry(kind.plural.to_owned(), &["get", "list", "watch"]);
        names(&mut pods, kind);
        return vec![pods, entry("pods/log".to_owned(), &["get"])];
    }
    let verbs = [
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    ];
    let mut main = entry(kind.plural.to_owned(), &verbs);
    names(&mut main, kind);
    let mut all = vec![main];
    if kind.has_status {
        all.push(entry(format!("{}/status", kind.plural), &["get", "patch", "update"]));
    }
    all
}

fn names(entry: &mut Value, kind: &Kind) {
    entry["singularName"] = json!(kind.singular);
    if !kind.short_names.is_empty() {
        entry["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        entry["categories"] = json!(kind.categories);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_prefer_their_stored_version() {
        let groups = groups();
        let found = |name: &str| {
            let all = groups["groups"].as_array().unwrap();
            all.iter().find(|group| group["name"] == name).unwrap().clone()
        };
        assert_eq!(found("tekton.dev")["preferredVersion"]["version"], "v1");
        assert_eq!(found("triggers.tekton.dev")["preferredVersion"]["version"], "v1beta1");
        assert_eq!(group("tekton.dev")["versions"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn resources_have_the_names_people_use() {
        let list = resources("tekton.dev", "v1");
        let all = list["resources"].as_array().unwrap();
        let runs = all.iter().find(|entry| entry["name"] == "pipelineruns").unwrap();
        assert_eq!(runs["shortNames"], json!(["pr", "prs"]));
        assert!(all.iter().any(|entry| entry["name"] == "pipelineruns/status"));
        assert!(
            !all.iter().any(|entry| entry["name"] == "customruns"),
            "only in v1beta1"
        );
        let core = resources("", "v1");
        assert!(
            core["resources"]
                .as_array()
                .unwrap()
                .iter()
                .any(|entry| entry["name"] == "pods/log")
        );
    }
}
