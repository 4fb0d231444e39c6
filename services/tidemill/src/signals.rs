//! Ctrl-C, and what a service manager sends.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;

/// Both, as one: SIGINT and SIGTERM.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn new() -> Result<Self, Error> {
        let catch = |kind| signal(kind).map_err(Error::io("catch signals"));
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
