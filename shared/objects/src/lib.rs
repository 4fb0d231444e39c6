//! The objects: Kubernetes' get, list, watch and write over one stream of the bus.
//!
//! The stream `objects` holds one message an object; its sequence is the object's resourceVersion.
//! An index of everything but the bodies is fed from the stream; bodies are read on demand.
//!
//! # What callers may rely on
//! - A write is stored by compare-and-set and answered when the index of this process has it.
//! - [`Objects::get`] reads from the leader. A list without a version has what the leader had.
//! - Until the index has caught up every call fails with [`Error::Unavailable`], never with
//!   [`Error::NotFound`].
//! - A watch misses nothing from its version on, or ends with [`Error::Expired`].

mod admit;
mod apply;
mod bodies;
mod create;
mod delete;
mod error;
mod feed;
mod fields;
mod garbage;
mod head;
mod index;
mod inner;
mod keeper;
mod key;
mod list;
mod managed;
mod names;
mod namespaces;
mod objects;
mod options;
mod patch;
mod projection;
mod references;
mod rules;
mod selector;
mod update;
mod watch;
mod write;

pub use create::{WriteOptions, Written};
pub use delete::{DeleteOptions, Deleted, Propagation};
pub use error::{Cause, Error};
pub use head::{Head, OwnerHead};
pub use index::Known;
pub use key::{Key, MAX_NAME_BYTES};
pub use list::{List, ListQuery, MAX_PAGE};
pub use objects::Objects;
pub use options::Options;
pub use patch::{MAX_OPERATIONS, Operation, Patch};
pub use projection::is_done;
pub use rules::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER, Part, RUN_FINALIZER};
pub use selector::{FieldSelector, LabelSelector, Requirement, Scope};
pub use watch::{Watch, WatchEvent, WatchQuery};

#[cfg(test)]
mod tests;
