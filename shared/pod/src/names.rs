//! Names that tools rely on: pods, containers, labels.

use md5::{Digest, Md5};

/// Longest name of a pod and longest value of a label.
pub const MAX_NAME_BYTES: usize = 63;

/// `<taskrun>-pod`, for retries `<taskrun>-pod-retry<n>`; shortened as Tekton shortens names of
/// children when over [`MAX_NAME_BYTES`].
#[must_use]
pub fn pod(task_run: &str, attempt: u32) -> String {
    let suffix = match attempt {
        0 => "-pod".to_owned(),
        retry => format!("-pod-retry{retry}"),
    };
    if task_run.len() + suffix.len() <= MAX_NAME_BYTES {
        return format!("{task_run}{suffix}");
    }
    // The suffixes here have at most 20 bytes, so the short form of the scheme is the only one.
    let digest = hex::encode(Md5::digest(task_run.as_bytes()));
    let kept: String = task_run.chars().take(31_usize.saturating_sub(suffix.len())).collect();
    format!("{kept}{digest}{suffix}")
}

/// `step-<name>`, or `step-unnamed-<position>`.
#[must_use]
pub fn step_container(name: &str, position: usize) -> String {
    format!("step-{}", step(name, position))
}

/// The name a step is known by: its own, or `unnamed-<position>`.
#[must_use]
pub fn step(name: &str, position: usize) -> String {
    if name.is_empty() {
        format!("unnamed-{position}")
    } else {
        name.to_owned()
    }
}

/// `sidecar-<name>`, or `sidecar-unnamed-<position>`.
#[must_use]
pub fn sidecar_container(name: &str, position: usize) -> String {
    format!("sidecar-{}", step(name, position))
}

/// `text` as the value of a label: at most [`MAX_NAME_BYTES`], other characters than letters,
/// digits, `-`, `_` and `.` as `-`, letters or digits at both ends.
#[must_use]
pub fn label_value(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let replaced: String = text
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .take(MAX_NAME_BYTES)
        .collect();
    replaced.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_named_after_their_task_run_and_attempt() {
        assert_eq!(pod("build", 0), "build-pod");
        assert_eq!(pod("build", 2), "build-pod-retry2");
        let long = "a-run-with-a-rather-long-name-that-makes-children-long-too-indeed";
        for attempt in [0, 1, 12] {
            let name = pod(long, attempt);
            assert!(name.len() <= MAX_NAME_BYTES, "{name}");
            assert!(name.starts_with("a-run-with"), "{name}");
        }
        assert_ne!(pod(long, 0), pod(&format!("{long}x"), 0));
    }

    #[test]
    fn labels_hold_what_labels_may() {
        assert_eq!(label_value("Build_1.0"), "Build_1.0");
        assert_eq!(label_value("a b/c "), "a-b-c");
        assert_eq!(label_value(&format!("{}-.x", "a".repeat(62))), "a".repeat(62));
    }
}
