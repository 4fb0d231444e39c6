//! Names of children: readable, at most 63 characters, the same ones Tekton gives.

use md5::{Digest, Md5};
use uuid::Uuid;

/// Longest name: it also has to be a label's value.
pub(crate) const NAME_LENGTH_MAX: usize = 63;
const HASH_LENGTH: usize = 32;
const HEAD_LENGTH: usize = NAME_LENGTH_MAX - HASH_LENGTH;

/// `parent` + `suffix`; if that is too long, the parent is cut and its hash put in (knative's rule).
pub(crate) fn child_name(parent: &str, suffix: &str) -> String {
    if parent.len() + suffix.len() <= NAME_LENGTH_MAX {
        return format!("{parent}{suffix}");
    }
    if suffix.len() >= HEAD_LENGTH {
        let hash = md5_hex(&format!("{parent}{suffix}"));
        let mut name = format!("{}{hash}", cut(parent, HEAD_LENGTH));
        name.push_str(cut(suffix, NAME_LENGTH_MAX - name.len()));
        return valid(&name).to_owned();
    }
    let head = format!("{}{}", cut(parent, HEAD_LENGTH - suffix.len()), md5_hex(parent));
    format!("{}{suffix}", valid(&head))
}

/// Name of the TaskRun of combination `index` of `count`; a single one has no index.
pub(crate) fn task_run_name(run: &str, task: &str, index: usize, count: usize) -> String {
    let plain = || child_name(run, &format!("-{task}"));
    if count <= 1 {
        return plain();
    }
    let suffix = format!("-{index}");
    let name = child_name(run, &format!("-{task}{suffix}"));
    if name.ends_with(&suffix) {
        return name;
    }
    // The hash took the index's place: keep it readable.
    let longest = NAME_LENGTH_MAX - format!("-{count}").len();
    format!("{}{suffix}", cut(&plain(), longest))
}

/// UID of a child: the same for the same run and name.
pub(crate) fn child_uid(run_uid: &str, name: &str) -> String {
    let namespace = Uuid::parse_str(run_uid).unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_OID, run_uid.as_bytes()));
    Uuid::new_v5(&namespace, name.as_bytes()).to_string()
}

fn md5_hex(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}

/// At most `length` bytes, never half a character.
fn cut(text: &str, length: usize) -> &str {
    let mut end = length.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn valid(name: &str) -> &str {
    name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::{child_name, child_uid, task_run_name};

    #[test]
    fn short_names_are_joined() {
        assert_eq!(child_name("run", "-task"), "run-task");
        assert_eq!(task_run_name("run", "task", 0, 1), "run-task");
        assert_eq!(task_run_name("run", "task", 10, 12), "run-task-10");
        assert_eq!(child_name(&"a".repeat(58), "-task").len(), 63);
    }

    #[test]
    fn long_parents_are_hashed() {
        let parent = "p".repeat(60);
        let name = child_name(&parent, "-task");
        assert_eq!(name.len(), 63);
        assert!(name.starts_with(&"p".repeat(26)) && name.ends_with("-task"), "{name}");
        assert_ne!(name, child_name(&"p".repeat(61), "-task"));
    }

    #[test]
    fn long_suffixes_are_hashed_with_their_parent() {
        let suffix = format!("-{}", "s".repeat(62));
        let name = child_name("short", &suffix);
        assert_eq!(name.len(), 63);
        assert!(name.starts_with("short"), "{name}");
        let other = child_name("shorter", &suffix);
        assert_ne!(name, other);
        assert!(child_name(&"p".repeat(63), &format!("-{}", "s".repeat(40))).len() <= 63);
    }

    #[test]
    fn an_index_survives_the_cut() {
        let task = "t".repeat(60);
        let names: std::collections::BTreeSet<String> =
            (0..256).map(|index| task_run_name("run", &task, index, 256)).collect();
        assert_eq!(names.len(), 256);
        for (index, name) in (0..256).map(|index| (index, task_run_name("run", &task, index, 256))) {
            assert!(name.len() <= 63 && name.ends_with(&format!("-{index}")), "{name}");
        }
    }

    #[test]
    fn uids_are_stable_and_differ() {
        let run = "8c2b7f0e-4b7e-4d5a-9c60-6a9d0a2b1c3d";
        assert_eq!(child_uid(run, "a"), child_uid(run, "a"));
        assert_ne!(child_uid(run, "a"), child_uid(run, "b"));
        assert_ne!(child_uid("no uuid", "a"), child_uid(run, "a"));
    }
}
