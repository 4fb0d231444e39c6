//! Results: files that steps wrote.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;

use nix::fcntl::OFlag;
use tidemill_messages::report::{Failure, WrittenResult};
use tidemill_messages::sandbox::Limits;

use super::mask::Masks;
use crate::error::{Doing, Error};

/// Tekton's reason for a result over the limit.
const TOO_LARGE: &str = "TaskRunResultLargerThanAllowedLimit";

/// What a result file holds.
pub(crate) enum Content {
    /// Nobody wrote it.
    Missing,
    /// Its text.
    Text(String),
    /// It is over the limit; its size in bytes.
    TooLarge(u64),
}

/// Reads a result. Only a plain file counts: a link could lead to what steps may not see.
pub(crate) fn read(directory: &Path, name: &str, limit_bytes: u64) -> Result<Content, Error> {
    if name.contains('/') || name.starts_with('.') {
        return Ok(Content::Missing);
    }
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = match OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(directory.join(name))
    {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error().is_some() => {
            return Ok(Content::Missing);
        }
        Err(error) => return Err(error).doing(|| format!("open result `{name}`")),
    };
    let found = file.metadata().doing(|| format!("look at result `{name}`"))?;
    if !found.is_file() {
        return Ok(Content::Missing);
    }
    if found.len() > limit_bytes {
        return Ok(Content::TooLarge(found.len()));
    }
    let mut bytes = Vec::new();
    file.take(limit_bytes)
        .read_to_end(&mut bytes)
        .doing(|| format!("read result `{name}`"))?;
    Ok(Content::Text(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Collects results under their limits.
pub(crate) struct Collector {
    limits: Limits,
    masks: Rc<Masks>,
    bytes: u64,
    /// The first limit that was passed.
    pub(crate) failure: Option<Failure>,
}

impl Collector {
    /// Nothing collected.
    pub(crate) fn new(limits: Limits, masks: Rc<Masks>) -> Self {
        Self {
            limits,
            masks,
            bytes: 0,
            failure: None,
        }
    }

    /// The results of these names in `directory`.
    pub(crate) fn collect(&mut self, directory: &Path, names: &[String]) -> Result<Vec<WrittenResult>, Error> {
        let mut written = Vec::new();
        for name in names {
            let content = read(directory, name, self.limits.result_bytes)?;
            written.extend(self.take(name, content));
        }
        Ok(written)
    }

    fn take(&mut self, name: &str, content: Content) -> Option<WrittenResult> {
        let limit = self.limits.result_bytes;
        let text = match content {
            Content::Missing => return None,
            Content::TooLarge(size) => {
                self.fail(format!(
                    "result `{name}` has {size} bytes; the limit of a result is {limit} (setting process.result-bytes)"
                ));
                return None;
            }
            Content::Text(text) => text,
        };
        self.bytes += text.len() as u64;
        if self.bytes > self.limits.results_bytes {
            let (bytes, all) = (self.bytes, self.limits.results_bytes);
            self.fail(format!(
                "with result `{name}` the results of the task have {bytes} bytes; the limit is {all} \
                 (setting process.results-bytes)"
            ));
            return None;
        }
        Some(WrittenResult {
            name: name.to_owned(),
            value: self.masks.clean(&text),
        })
    }

    fn fail(&mut self, message: String) {
        self.failure.get_or_insert(Failure {
            reason: TOO_LARGE.to_owned(),
            message,
        });
    }
}
