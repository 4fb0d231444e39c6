//! The runner's lease (R2): written by compare-and-set every 3 s; whoever cannot, lets go (R3).

use std::time::Duration;

use tidemill_bus::{Bus, Message};
use tidemill_messages::claim::Lease;
use tidemill_messages::envelope::{RUNNER, VERSION};
use tidemill_messages::{decode, encode, stream, subject};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::identity::Identity;
use crate::slots::Slots;

/// How often the lease is renewed.
pub(crate) const RENEWAL: Duration = Duration::from_secs(3);
/// A runner whose lease did not change for so long is dead.
pub(crate) const EXPIRY: Duration = Lease::EXPIRY;
/// A runner lets go so long after it sent its last renewal: before others can see it dead, however
/// fast their clocks.
const HOLD: Duration = Duration::from_secs(9);
/// Between two tries while the bus does not answer.
const RETRY: Duration = Duration::from_millis(250);

/// Until when this runner may act for its claims; cheap to clone.
#[derive(Clone)]
pub(crate) struct Hold(watch::Receiver<Option<Instant>>);

/// Renews the lease.
pub(crate) struct Keeper {
    bus: Bus,
    me: Identity,
    classes: Vec<String>,
    slots: Slots,
    /// Sequence of the last lease of this id.
    last: u64,
    renewal: u64,
    /// It lived before.
    is_return: bool,
    until: watch::Sender<Option<Instant>>,
}

impl Hold {
    /// Whether the runner may start and report.
    pub(crate) fn is_held(&self) -> bool {
        self.0.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Returns when it may no more.
    pub(crate) async fn lost(&self) {
        let mut changes = self.0.clone();
        loop {
            let until = *changes.borrow_and_update();
            let Some(until) = until.filter(|until| Instant::now() < *until) else {
                return;
            };
            tokio::select! {
                () = sleep_until(until) => {}
                changed = changes.changed() => if changed.is_err() { sleep_until(until).await; },
            }
        }
    }

    /// Returns when it may again.
    pub(crate) async fn regained(&self) {
        let mut changes = self.0.clone();
        while !self.is_held() {
            if changes.changed().await.is_err() {
                futures::future::pending::<()>().await;
            }
        }
    }
}

impl Keeper {
    /// Takes over from the last life of this id, if there was one, and writes the first lease.
    pub(crate) async fn start(bus: Bus, me: Identity, classes: Vec<String>, slots: Slots) -> Result<Self, Error> {
        let mut keeper = Self {
            bus,
            me,
            classes,
            slots,
            last: 0,
            renewal: 0,
            is_return: false,
            until: watch::Sender::new(None),
        };
        if let Some((sequence, _)) = keeper.read().await? {
            keeper.last = sequence;
            keeper.is_return = true;
        }
        keeper.renew(false).await?;
        Ok(keeper)
    }

    /// Sequence of the newest lease of this id.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Whether this id lived before. Even a life that ended in order may have been sent tasks in its
    /// last moment.
    pub(crate) fn is_return(&self) -> bool {
        self.is_return
    }

    pub(crate) fn hold(&self) -> Hold {
        Hold(self.until.subscribe())
    }

    /// Renews until `stop`; then says that the runner leaves.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        loop {
            tokio::select! {
                () = sleep(RENEWAL) => self.renew(false).await?,
                () = stop.cancelled() => return self.renew(true).await,
            }
        }
    }

    /// Writes the next lease; waits out lost connections.
    async fn renew(&mut self, leaving: bool) -> Result<(), Error> {
        self.renewal += 1;
        let subject = subject::lease(&self.me.id);
        let payload = encode(&subject, &self.lease(leaving)).map_err(Error::Message)?;
        loop {
            let message = Message::new(subject.clone(), payload.clone())
                .header(RUNNER, self.me.header())
                .expecting(self.last);
            let sent_at = Instant::now();
            match self.bus.publish(message).await {
                Ok(sequence) => {
                    self.renewed(sequence, sent_at);
                    return Ok(());
                }
                Err(tidemill_bus::Error::Conflict { .. } | tidemill_bus::Error::Unknown { .. }) => {
                    if self.is_stored().await? {
                        return Ok(());
                    }
                }
                Err(error) => tracing::debug!(%error, "The lease could not be renewed."),
            }
            sleep(RETRY).await;
        }
    }

    /// Whether the renewal under way lies there, though its answer was lost. Gives up if another
    /// life of this id does.
    async fn is_stored(&mut self) -> Result<bool, Error> {
        let Some((sequence, lease)) = self.read().await? else {
            // The stream was purged: start over.
            self.last = 0;
            return Ok(false);
        };
        if sequence == self.last {
            return Ok(false);
        }
        if lease.incarnation != self.me.incarnation {
            return Err(Error::Usurped { id: self.me.id.clone() });
        }
        self.last = sequence;
        let is_stored = lease.renewal == self.renewal;
        if is_stored {
            // When it was stored is unknown; the next one counts.
            self.renewed(
                sequence,
                Instant::now().checked_sub(RENEWAL).unwrap_or_else(Instant::now),
            );
        }
        Ok(is_stored)
    }

    fn renewed(&mut self, sequence: u64, sent_at: Instant) {
        self.last = sequence;
        self.until.send_replace(Some(sent_at + HOLD));
    }

    async fn read(&self) -> Result<Option<(u64, Lease)>, Error> {
        let subject = subject::lease(&self.me.id);
        loop {
            match self.bus.last(stream::CLAIMS, &subject).await {
                Ok(None) => return Ok(None),
                Ok(Some(stored)) => {
                    let lease = decode(&subject, &stored.payload).map_err(Error::Message)?;
                    return Ok(Some((stored.sequence, lease)));
                }
                Err(source @ tidemill_bus::Error::Missing { .. }) => {
                    let action = "read the runner's lease";
                    return Err(Error::Bus { action, source });
                }
                Err(error) => tracing::debug!(%error, "The lease could not be read."),
            }
            sleep(RETRY).await;
        }
    }

    fn lease(&self, leaving: bool) -> Lease {
        Lease {
            version: VERSION,
            runner: self.me.id.clone(),
            incarnation: self.me.incarnation.clone(),
            classes: self.classes.clone(),
            place: self.me.place.clone(),
            slots: u32::try_from(self.slots.total()).unwrap_or(u32::MAX),
            busy: u32::try_from(self.slots.busy()).unwrap_or(u32::MAX),
            renewal: self.renewal,
            leaving,
        }
    }
}
