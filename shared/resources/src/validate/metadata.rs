//! Metadata of every kind.

use super::text::{has_variable, is_dns_label, is_dns_subdomain, is_label_key, is_label_value};
use crate::kind::Kind;
use crate::meta::ObjectMeta;
use crate::path::At;
use crate::problem::{Problem, Problems};

/// Longest name of a Tekton object: it becomes a label's value.
const TEKTON_NAME_MAX: usize = 63;
/// Longest name of other objects.
const NAME_MAX: usize = 253;
/// Bytes of all annotations together, keys and values.
pub const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

/// Checks name, namespace, labels and annotations.
pub fn metadata(kind: &Kind, metadata: &ObjectMeta, problems: &mut Problems) {
    let at = At::ROOT.key("metadata");
    name(kind, metadata, at, problems);
    if let Some(namespace) = metadata
        .namespace
        .as_deref()
        .filter(|namespace| !is_dns_label(namespace))
    {
        problems.add(
            Problem::error(at.key("namespace"), format!("{namespace:?} is not a namespace's name"))
                .expected("lower case letters, digits and inner dashes, at most 63"),
        );
    }
    for (key, value) in metadata.labels.iter().flatten() {
        label(key, value, at.key("labels"), problems);
    }
    let mut bytes = 0;
    for (key, value) in metadata.annotations.iter().flatten() {
        bytes += key.len() + value.len();
        if !is_label_key(key) {
            problems.add(bad_key(at.key("annotations").key(key), key));
        }
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        problems.add(
            Problem::error(at.key("annotations"), format!("{bytes} bytes of annotations"))
                .expected(format!("at most {ANNOTATIONS_BYTES_MAX}")),
        );
    }
}

fn name(kind: &Kind, metadata: &ObjectMeta, at: At<'_>, problems: &mut Problems) {
    let name = metadata.name.as_deref().unwrap_or_default();
    let prefix = metadata.generate_name.as_deref().unwrap_or_default();
    if name.is_empty() && prefix.is_empty() {
        problems.add(Problem::error(at.key("name"), "is missing").expected("name or generateName"));
        return;
    }
    if !name.is_empty() {
        let at = at.key("name");
        own_name(kind, name, at, problems);
        return;
    }
    // A generated name is the prefix, cut where needed, and five characters.
    if !prefix_is_valid(kind, prefix) {
        problems.add(
            Problem::error(at.key("generateName"), format!("{prefix:?} cannot begin a name"))
                .expected("lower case letters, digits, dashes and dots, beginning with a letter or digit"),
        );
    }
}

fn own_name(kind: &Kind, name: &str, at: At<'_>, problems: &mut Problems) {
    let longest = if is_tekton(kind) { TEKTON_NAME_MAX } else { NAME_MAX };
    let shape = if is_rbac(kind) {
        !matches!(name, "." | "..") && !name.contains(['/', '%'])
    } else {
        is_dns_subdomain(name)
    };
    if name.len() > longest {
        let message = format!("a name of {} characters", name.len());
        problems.add(Problem::error(at, message).expected(format!("at most {longest}")));
    } else if has_variable(name) {
        problems.add(
            Problem::error(at, format!("{name:?} cannot be a name"))
                .hint("variables are not replaced in names; use generateName"),
        );
    } else if !shape {
        problems.add(
            Problem::error(at, format!("{name:?} cannot be a name"))
                .expected("lower case letters, digits, inner dashes and dots"),
        );
    }
}

fn prefix_is_valid(kind: &Kind, prefix: &str) -> bool {
    prefix.len() <= NAME_MAX && (is_rbac(kind) || is_dns_subdomain(&format!("{prefix}x")))
}

fn label(key: &str, value: &str, at: At<'_>, problems: &mut Problems) {
    let at = at.key(key);
    if !is_label_key(key) {
        problems.add(bad_key(at, key));
    }
    if !is_label_value(value) {
        problems.add(
            Problem::error(at, format!("{value:?} cannot be a label's value"))
                .expected("at most 63 letters, digits, and inner dashes, dots and underscores"),
        );
    }
}

fn bad_key(at: At<'_>, key: &str) -> Problem {
    Problem::error(at, format!("{key:?} cannot be a key")).expected("[<domain>/]<name>, the name at most 63 characters")
}

fn is_tekton(kind: &Kind) -> bool {
    matches!(kind.group, "tekton.dev" | "triggers.tekton.dev")
}

fn is_rbac(kind: &Kind) -> bool {
    kind.group == "rbac.authorization.k8s.io"
}
