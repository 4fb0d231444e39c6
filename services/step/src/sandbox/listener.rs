//! The socket in an attempt's directory at which its supervisor takes owners.
//!
//! Its file says more: of an attempt in processes one is there as long as a step may have started. So it goes with a
//! supervisor that ends before that, whatever ends it; only one that is killed leaves it, and is then taken for one that had
//! started. The path of a Unix socket holds 107 bytes, so it is bound by its name in the working directory, whatever the
//! directory is called.
//!
//! A supervisor keeps its socket from attempt to attempt and gives it a new name for each: to make and remove one costs
//! several times as much, since ext4 searches for a number that was not free a moment ago.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use tidemill_messages::sandbox::{NAME, Name, ProcessIdentity, SOCKET_SUFFIX, Sandbox, socket_in};

use crate::error::{Doing, Error};

/// A socket that is listened at; when it is dropped its file goes, unless that is the mark of an attempt.
pub(super) struct Listener {
    listener: UnixListener,
    name: String,
    mark: Mark,
}

/// What the file says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Nothing yet: no step of its attempt has started.
    Nothing,
    /// A step may have started.
    Started,
    /// That a step of the attempt before may have started, until the directory is the next one's.
    Before,
}

impl Listener {
    /// The one of this attempt, in whose directory this process is from then on; `ahead` is what was made before.
    pub(super) fn of(sandbox: &Sandbox, ahead: Option<Self>) -> Result<Self, Error> {
        match ahead {
            Some(mut ahead) if sandbox.is_entered => {
                ahead.mark = Mark::Nothing;
                Ok(ahead)
            }
            None if sandbox.is_entered => Self::bind(socket_in(&sandbox.directory)),
            // Dropped first: its file is where this process still is.
            ahead => {
                drop(ahead);
                Self::enter(&sandbox.directory)
            }
        }
    }

    /// Enters `directory` and listens there.
    pub(super) fn enter(directory: &Path) -> Result<Self, Error> {
        std::env::set_current_dir(directory).doing(|| format!("enter {}", directory.display()))?;
        Self::bind(socket_in(directory))
    }

    /// For attempt `number` of this supervisor, which is not known yet, where the one before was. No other attempt in
    /// this directory has such a name, so that who comes late for the one before finds nobody.
    pub(super) fn ahead(mut self, supervisor: &ProcessIdentity, number: usize) -> Option<Self> {
        let name = format!("{}-{}-{number}{SOCKET_SUFFIX}", supervisor.pid, supervisor.start_ticks);
        fs::rename(&self.name, &name).ok()?;
        self.name = name;
        self.mark = Mark::Before;
        // Who came in time for the one before is sent away.
        while self.accept().is_ok() {}
        Some(self)
    }

    fn bind(name: String) -> Result<Self, Error> {
        let listener = UnixListener::bind(&name).doing(|| format!("listen at {name}"))?;
        let listener = Self {
            listener,
            name,
            mark: Mark::Nothing,
        };
        let nonblocking = listener.listener.set_nonblocking(true);
        nonblocking.doing(|| "make the listener non-blocking")?;
        Ok(listener)
    }

    /// Its name in the directory.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Leaves its file there whatever happens from now on.
    pub(super) fn stay(&mut self) {
        self.mark = Mark::Started;
    }

    /// Closes it in a process that is not its supervisor any more: the file is that one's.
    pub(super) fn close(mut self) {
        self.mark = Mark::Started;
    }

    /// The next one that knocked.
    pub(super) fn accept(&self) -> std::io::Result<UnixStream> {
        self.listener.accept().map(|(stream, _)| stream)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let is_mark = match self.mark {
            Mark::Nothing => false,
            Mark::Started => true,
            Mark::Before => !is_of_next(&self.name),
        };
        if !is_mark {
            drop(fs::remove_file(&self.name));
        }
    }
}

/// Whether the directory has become that of the attempt to which this socket belongs: nothing of it has started.
fn is_of_next(socket: &str) -> bool {
    let name: Option<Name> = fs::read(NAME).ok().and_then(|text| serde_json::from_slice(&text).ok());
    name.is_some_and(|name| name.socket.as_deref() == Some(socket))
}
