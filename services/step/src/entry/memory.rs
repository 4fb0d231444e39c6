//! Whether the kernel ended a process of this container for want of memory.

use std::fs;

/// Where the counter is, by version of control groups.
const FILES: [&str; 2] = [
    "/sys/fs/cgroup/memory.events",
    "/sys/fs/cgroup/memory/memory.oom_control",
];

/// Processes ended so far; 0 where it cannot be told.
pub(super) fn kills() -> u64 {
    let texts = FILES.iter().filter_map(|path| fs::read_to_string(path).ok());
    texts.filter_map(|text| counted(&text)).next().unwrap_or(0)
}

fn counted(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn both_versions_count_alike() {
        assert_eq!(counted("low 0\noom 3\noom_kill 2\noom_group_kill 0\n"), Some(2));
        assert_eq!(counted("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"), Some(1));
        assert_eq!(counted("oom_kill_disable 0\nunder_oom 0\n"), None);
    }
}
