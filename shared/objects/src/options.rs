//! Settings of the objects, with their defaults.

use std::time::Duration;

/// Limits and behaviour. `Default` has the stated values.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Changes kept for watches (10,000). A watch that is further behind must list again.
    pub ring_changes: usize,
    /// Bytes of bodies kept in memory (16 MiB); others are read from the stream on demand.
    pub body_cache_bytes: usize,
    /// Largest object in bytes as JSON (3 MiB). What does not fit a message is stored as a blob.
    pub object_bytes: usize,
    /// Largest labels of one object in bytes as JSON (16 KiB).
    pub label_bytes: usize,
    /// Largest owner references of one object in bytes as JSON (16 KiB).
    pub owner_bytes: usize,
    /// Reads under way at once for one list or watch (32).
    pub concurrent_reads: usize,
    /// Tries of one read-modify-write before it is given up (32).
    pub write_attempts: u32,
    /// How long a write waits for the index, and a list for the leader's last sequence (10 s).
    pub index_wait: Duration,
    /// How long a deletion's last object is kept (1 h); readers away for longer start afresh.
    pub tombstone_age: Duration,
    /// How often old tombstones are swept (60 s).
    pub sweep_every: Duration,
    /// Id the store must have; `None` takes any.
    pub store_id: Option<String>,
    /// Whether namespaces are kept here (otherwise they are the cluster's and not checked).
    pub own_namespaces: bool,
    /// Whether this process collects garbage and sweeps tombstones. Several may; none is worse.
    pub maintain: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring_changes: 10_000,
            body_cache_bytes: 16 * 1024 * 1024,
            object_bytes: 3 * 1024 * 1024,
            label_bytes: 16 * 1024,
            owner_bytes: 16 * 1024,
            concurrent_reads: 32,
            write_attempts: 32,
            index_wait: Duration::from_secs(10),
            tombstone_age: Duration::from_secs(60 * 60),
            sweep_every: Duration::from_secs(60),
            store_id: None,
            own_namespaces: true,
            maintain: true,
        }
    }
}
