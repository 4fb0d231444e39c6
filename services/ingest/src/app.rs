//! What everything in ingest shares.

use std::sync::Arc;
use std::time::Duration;

use tidemill_bus::Bus;
use tidemill_objects::Objects;
use tokio::sync::{Mutex, OnceCell, RwLock, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::calls::Calls;
use crate::client::Client;
use crate::notice::Notices;
use crate::rate::Rate;
use crate::remembered::Remembered;
use crate::requests::Requests;
use crate::{Error, Sealer, Settings};

/// How old an EventListener may be that a request is taken for.
const CURRENT: Duration = Duration::from_secs(1);

/// What requests and evaluations share.
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) bus: Bus,
    pub(crate) objects: Objects,
    /// EventListeners, so that not each event has to read its own.
    pub(crate) remembered: Remembered,
    cluster: OnceCell<kube::Client>,
    pub(crate) sealer: Sealer,
    pub(crate) rate: Rate,
    /// Redeliveries and refusals, to be written.
    pub(crate) notices: Notices,
    /// Requests that may be under way.
    pub(crate) requests: Requests,
    /// Asks services of others.
    pub(crate) client: Arc<Client>,
    /// Whether somebody wants to be told of runs; `None` until that is known.
    pub(crate) run_events: watch::Sender<Option<bool>>,
    /// Interceptors that run elsewhere.
    pub(crate) calls: Calls,
    /// Events that may be evaluated at once.
    pub(crate) places: Semaphore,
    /// When the index of the objects was last known to be current.
    current: Mutex<Option<Instant>>,
    /// Held alone by what was tried before: should it end the process, nothing else is suspected.
    pub(crate) suspicion: RwLock<()>,
    pub(crate) stopping: CancellationToken,
    #[cfg(test)]
    pub(crate) crash: crate::tests::Crash,
}

impl App {
    pub(crate) fn new(settings: Settings, bus: Bus, objects: Objects) -> Result<Self, Error> {
        let client = Arc::new(Client::default());
        Ok(Self {
            sealer: Sealer::new(&settings.seal_key)?,
            cluster: OnceCell::new(),
            rate: Rate::new(settings.rate),
            notices: Notices::new(),
            requests: Requests::new(settings.requests),
            calls: Calls::new(&settings, client.clone()),
            client,
            run_events: watch::Sender::new(None),
            places: Semaphore::new(settings.evaluations),
            current: Mutex::default(),
            suspicion: RwLock::new(()),
            stopping: CancellationToken::new(),
            settings,
            bus,
            objects,
            remembered: Remembered::default(),
            #[cfg(test)]
            crash: crate::tests::Crash::default(),
        })
    }

    /// Sees to it that the index of the objects was current a moment ago, so that not every request
    /// has to ask the leader.
    pub(crate) async fn be_current(&self) -> Result<(), Error> {
        // Held while one asks: the others wait for its answer.
        let mut current = self.current.lock().await;
        if current.is_none_or(|at| at.elapsed() > CURRENT) {
            let now = Instant::now();
            self.objects.catch_up().await?;
            *current = Some(now);
        }
        Ok(())
    }

    /// The cluster in which listeners have Services, and Secrets; `None` without the setting `service`.
    pub(crate) async fn cluster(&self) -> Result<Option<kube::Client>, Error> {
        if self.settings.service.is_none() {
            return Ok(None);
        }
        let client = self.cluster.get_or_try_init(kube::Client::try_default).await;
        match client {
            Ok(client) => Ok(Some(client.clone())),
            Err(source) => Err(Error::Cluster(Box::new(source))),
        }
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
