//! Who is meant: run, task, attempt, partition.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Number of partitions; fixed at a run's creation, written into its subjects.
pub const PARTITIONS: u8 = 16;

/// A run's partition, `0..PARTITIONS`.
pub type Partition = u8;

/// The partition of a run: the first byte of SHA-256 of its UID, modulo [`PARTITIONS`].
pub fn partition_of(run_uid: &str) -> Partition {
    Sha256::digest(run_uid.as_bytes())[0] % PARTITIONS
}

/// What kind of object the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RunKind {
    /// `tekton.dev` PipelineRun.
    PipelineRun,
    /// `tekton.dev` TaskRun made by a user, without a PipelineRun above it.
    TaskRun,
}

/// One attempt of one task of one run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptKey {
    /// UID of the run.
    pub run_uid: String,
    /// Key of the task within the run: the pipeline task's name, for a matrix with `-<index>`; for
    /// a run of kind TaskRun its own name.
    pub task: String,
    /// From 0; grows with each retry.
    pub attempt: u32,
}

impl AttemptKey {
    /// Puts the three together.
    pub fn new(run_uid: impl Into<String>, task: impl Into<String>, attempt: u32) -> Self {
        Self {
            run_uid: run_uid.into(),
            task: task.into(),
            attempt,
        }
    }
}

impl fmt::Display for AttemptKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.run_uid, self.task, self.attempt)
    }
}
