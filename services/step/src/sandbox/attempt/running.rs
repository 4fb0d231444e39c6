//! A container whose program was launched.

use std::fs::File;

use jiff::Timestamp;
use nix::sys::signal::Signal;
use tidemill_messages::report::ContainerEnd;
use tidemill_resources::task_run::TerminationReason;

use crate::sandbox::contained::Contained;
use crate::sandbox::log::Log;

/// One that runs, or has ended and is not reported yet.
pub(super) struct Running {
    /// Position among the containers.
    pub(super) position: usize,
    /// Its process.
    pub(super) contained: Contained,
    /// Its log.
    pub(super) log: Log,
    /// When its program was launched.
    pub(super) started_at: Timestamp,
    /// A sidecar the first step need not wait for any more.
    pub(super) ready: bool,
    /// Its exit code, once it has ended.
    pub(super) code: Option<i32>,
}

/// Pipes with the files each is copied to.
pub(super) type Copied = Vec<(File, Vec<File>)>;

/// The end of a container that never ran.
pub(super) fn never(reason: TerminationReason, exit_code: i32, message: String) -> ContainerEnd {
    ContainerEnd {
        started_at: None,
        exit_code,
        reason,
        message,
        results: Vec::new(),
        out_of_memory: false,
    }
}

/// What an exit code says for people: the signal, if it was one.
pub(crate) fn words(code: i32) -> String {
    match Signal::try_from(code - 128) {
        Ok(signal) if code > 128 => format!("ended by {signal}"),
        _ => String::new(),
    }
}
