//! Which nats-server was started last on this directory.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::state::{Process, write_private};

/// `nats/server.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    /// The process; `None` while the port is chosen and the process not yet started.
    pub(super) process: Option<Process>,
    /// Where it listens.
    pub(super) port: u16,
    /// Most bytes its store may hold.
    pub(super) max_file_bytes: u64,
}

impl Record {
    /// What is recorded, if it can be read.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join("server.json")).ok()?).ok()
    }

    /// Records it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let text = serde_json::to_string(self).map_err(|source| Error::internal("write server.json", source))?;
        write_private(&folder.join("server.json"), &text)
    }

    /// The recorded process if it lives. If the command was killed between starting the server and
    /// recording it, the file in which the server writes its ports names it: believed when the
    /// process' command line names `folder`.
    pub(super) fn living(&self, folder: &Path) -> Option<Process> {
        self.process.filter(Process::is_alive).or_else(|| by_ports_file(folder))
    }
}

fn by_ports_file(folder: &Path) -> Option<Process> {
    let needle = folder.to_string_lossy().into_owned();
    let names = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name());
    names.into_iter().find_map(|name| {
        let name = name.to_str()?.strip_suffix(".ports")?;
        let pid: i32 = name.rsplit_once('_')?.1.parse().ok()?;
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let ours = String::from_utf8_lossy(&line).contains(&needle);
        Process::of(pid).filter(|_| ours)
    })
}
