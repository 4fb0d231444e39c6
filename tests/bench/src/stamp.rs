//! What `tidemill-stamp`, which the measured tasks run, writes: a line with name, begin and end.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

/// One task's begin and end, in nanoseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stamp {
    /// Name of the task.
    pub(crate) name: String,
    /// When its process began.
    pub(crate) begin_ns: u64,
    /// When its process was about to end.
    pub(crate) end_ns: u64,
}

/// Nanoseconds since 1970.
pub(crate) fn now_ns() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?)
}

/// The stamps of a file, in the order they were written; none if there is no file.
pub(crate) fn read(file: &Path) -> Vec<Stamp> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(parse).collect()
}

fn parse(line: &str) -> Option<Stamp> {
    let mut words = line.split(' ');
    let name = words.next()?.to_owned();
    Some(Stamp {
        name,
        begin_ns: words.next()?.parse().ok()?,
        end_ns: words.next()?.parse().ok()?,
    })
}
