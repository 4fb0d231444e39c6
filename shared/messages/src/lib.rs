//! Subjects and payloads of everything that crosses JetStream. Pure.
//!
//! Who writes what is in `ARCHITECTURE.md`. Every payload carries a version; golden files of each
//! version are replayed by the tests of this crate. User text is encoded before it enters a subject
//! ([`subject::token`]).

pub mod assignment;
pub mod claim;
pub mod cloud_event;
pub mod command;
pub mod envelope;
pub mod event;
pub mod fact;
pub mod frame;
pub mod identity;
pub mod log;
pub mod notice;
pub mod outcome;
pub mod plan;
pub mod release;
pub mod report;
pub mod sandbox;
pub mod schedule;
pub mod stream;
pub mod subject;
pub mod trace;

pub use command::{CancelReason, CancelTask, RunReference, StartTask, TaskRunIdentity};
pub use envelope::{Error, decode, encode};
pub use fact::{Fact, FactBody};
pub use identity::{AttemptKey, PARTITIONS, Partition, RunKind, partition_of};
pub use outcome::{AttemptOutcome, Ending};
pub use release::{DeployReport, DeployStage, ReleaseEvent, ReleaseName, ReleaseReport, ReleaseStatus, Rollback};
pub use trace::Traceparent;
