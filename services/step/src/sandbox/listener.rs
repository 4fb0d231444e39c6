//! The socket in an attempt's directory at which its supervisor takes owners.
//!
//! Its file says more: of an attempt in processes it is there as long as a step may have started. So it goes with a
//! supervisor that ends before that, whatever ends it; only one that is killed leaves it, and is then taken for one that had
//! started. The path of a Unix socket holds 107 bytes, so it is bound by its name in the working directory, whatever the
//! directory is called.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use tidemill_messages::sandbox::{ProcessIdentity, SOCKET_SUFFIX, Sandbox, socket_in};

use crate::error::{Doing, Error};

/// A socket that is listened at; its file goes when it is dropped, unless it has to stay.
pub(super) struct Listener {
    listener: UnixListener,
    name: String,
    stays: bool,
}

impl Listener {
    /// The one of this attempt, in whose directory this process is from then on; `ahead` is what was made before.
    pub(super) fn of(sandbox: &Sandbox, ahead: Option<Self>) -> Result<Self, Error> {
        match ahead {
            Some(ahead) if sandbox.is_entered => Ok(ahead),
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

    /// Listens where this process is, for its attempt `number`, which is not known yet. No other attempt in this
    /// directory has such a name.
    pub(super) fn ahead(supervisor: &ProcessIdentity, number: usize) -> Result<Self, Error> {
        Self::bind(format!(
            "{}-{}-{number}{SOCKET_SUFFIX}",
            supervisor.pid, supervisor.start_ticks
        ))
    }

    fn bind(name: String) -> Result<Self, Error> {
        let listener = UnixListener::bind(&name).doing(|| format!("listen at {name}"))?;
        let listener = Self {
            listener,
            name,
            stays: false,
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
        self.stays = true;
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
        if !self.stays {
            drop(fs::remove_file(&self.name));
        }
    }
}
