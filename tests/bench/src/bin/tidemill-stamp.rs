//! What the measured tasks run: appends a line with its name, its begin and its end to a file.
//!
//! `tidemill-stamp FILE NAME`. A program of its own, as small as can be: it is in each measured figure,
//! ours and floor, and is to be next to nothing of both.

use std::env::args;
use std::fs::OpenOptions;
use std::io::{Error, Write};
use std::time::{SystemTime, UNIX_EPOCH};

fn main() -> Result<(), Error> {
    let begin_ns = now_ns()?;
    let (Some(file), Some(name)) = (args().nth(1), args().nth(2)) else {
        return Err(Error::other("expected FILE and NAME"));
    };
    let mut open = OpenOptions::new().create(true).append(true).open(file)?;
    let line = format!("{name} {begin_ns} {}\n", now_ns()?);
    open.write_all(line.as_bytes())
}

/// Nanoseconds since 1970.
fn now_ns() -> Result<u128, Error> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|since| since.as_nanos()).map_err(Error::other)
}
