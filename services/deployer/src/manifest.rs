//! The workloads in what Helm applied.

use serde::Deserialize;

/// Documents looked at; what comes after is not watched.
const DOCUMENTS_MAX: usize = 2_000;

/// Which kinds tell whether they are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum WorkloadKind {
    Deployment,
    StatefulSet,
    DaemonSet,
    Job,
    Pod,
}

impl WorkloadKind {
    fn of(kind: &str) -> Option<Self> {
        match kind {
            "Deployment" => Some(Self::Deployment),
            "StatefulSet" => Some(Self::StatefulSet),
            "DaemonSet" => Some(Self::DaemonSet),
            "Job" => Some(Self::Job),
            "Pod" => Some(Self::Pod),
            _ => None,
        }
    }

    /// The word for people.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::Job => "job",
            Self::Pod => "pod",
        }
    }
}

/// Something that runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Workload {
    pub(crate) kind: WorkloadKind,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    kind: String,
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
    namespace: Option<String>,
}

/// The workloads of a manifest; those that name no namespace are in `namespace`. What cannot be read
/// is left out: Helm applied it, so it is no fault of ours to report.
pub(crate) fn workloads(manifest: &str, namespace: &str) -> Vec<Workload> {
    let mut found: Vec<Workload> = documents(manifest)
        .take(DOCUMENTS_MAX)
        .filter_map(|text| serde_saphyr::from_str::<Document>(text).ok())
        .filter_map(|document| {
            Some(Workload {
                kind: WorkloadKind::of(&document.kind)?,
                namespace: document.metadata.namespace.unwrap_or_else(|| namespace.to_owned()),
                name: document.metadata.name,
            })
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The documents of a text: a line that begins with `---` is never inside one, as what is written in
/// blocks is indented.
fn documents(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let border = if text.starts_with("---") {
            Some(0)
        } else {
            text.find("\n---").map(|at| at + 1)
        };
        let Some(border) = border else {
            rest = None;
            return Some(text);
        };
        let after = &text[border..];
        rest = Some(after.find('\n').map_or("", |end| &after[end + 1..])).filter(|rest| !rest.is_empty());
        Some(&text[..border])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_are_found_among_other_things() {
        let manifest = "---\n# Source: demo/templates/service.yaml\napiVersion: v1\nkind: Service\nmetadata: {name: demo}\n---\n# Source: demo/templates/deployment.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: demo\nspec: {template: {spec: {containers: [{name: a, image: b}]}}}\n---\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  text: |\n    --- not a border\n    kind: Job\n---\nkind: Job\nmetadata: {name: migrate, namespace: other}\n--- \n{{broken\n---\n";
        let found = workloads(manifest, "ops");
        let names: Vec<String> = found
            .iter()
            .map(|one| format!("{} {}/{}", one.kind.as_str(), one.namespace, one.name))
            .collect();
        assert_eq!(names, ["deployment ops/demo", "job other/migrate"]);
        assert_eq!(workloads("", "ops"), []);
    }
}
