//! Whether the kernel ended processes of this container for want of memory.

use std::fs;

/// Where the count is, in cgroups of the second and of the first version.
const PLACES: [&str; 2] = [
    "/sys/fs/cgroup/memory.events",
    "/sys/fs/cgroup/memory/memory.oom_control",
];

/// Processes of this container that the kernel ended for want of memory, since it was started; 0 where
/// the engine does not show it.
pub(crate) fn kills() -> u64 {
    PLACES
        .iter()
        .find_map(|path| count(&fs::read_to_string(path).ok()?))
        .unwrap_or(0)
}

fn count(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn both_versions_are_read() {
        assert_eq!(
            count("low 0\nhigh 0\nmax 4\noom 1\noom_kill 2\noom_group_kill 0\n"),
            Some(2)
        );
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"), Some(1));
        assert_eq!(count("oom_kill_disable 0\n"), None);
    }
}
