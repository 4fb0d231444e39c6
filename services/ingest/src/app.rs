//! What everything in ingest shares.

use tidemill_bus::Bus;
use tidemill_objects::Objects;
use tokio::sync::{RwLock, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::calls::Calls;
use crate::notice::Notices;
use crate::rate::Rate;
use crate::{Error, Sealer, Settings};

/// What requests and evaluations share.
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) bus: Bus,
    pub(crate) objects: Objects,
    pub(crate) sealer: Sealer,
    pub(crate) rate: Rate,
    /// Redeliveries and refusals, to be written.
    pub(crate) notices: Notices,
    /// Requests that may be under way.
    pub(crate) requests: Semaphore,
    /// Interceptors that run elsewhere.
    pub(crate) calls: Calls,
    /// Events that may be evaluated at once.
    pub(crate) places: Semaphore,
    /// Held alone by what was tried before: should it end the process, nothing else is suspected.
    pub(crate) suspicion: RwLock<()>,
    pub(crate) stopping: CancellationToken,
    #[cfg(test)]
    pub(crate) crash: crate::tests::Crash,
}

impl App {
    pub(crate) fn new(settings: Settings, bus: Bus, objects: Objects) -> Result<Self, Error> {
        Ok(Self {
            sealer: Sealer::new(&settings.seal_key)?,
            rate: Rate::new(settings.rate),
            notices: Notices::new(),
            requests: Semaphore::new(settings.requests),
            calls: Calls::new(&settings),
            places: Semaphore::new(settings.evaluations),
            suspicion: RwLock::new(()),
            stopping: CancellationToken::new(),
            settings,
            bus,
            objects,
            #[cfg(test)]
            crash: crate::tests::Crash::default(),
        })
    }

    /// Where a test may end the process: after each write.
    #[cfg_attr(
        not(test),
        expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests crash here")
    )]
    pub(crate) fn written(&self) -> Result<(), Error> {
        #[cfg(test)]
        self.crash.after_write()?;
        Ok(())
    }
}
