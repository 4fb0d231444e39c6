//! What was said about releases: the stream `releases`, and saying things once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidemill_bus::{Bus, Message, Stored};
use tidemill_messages::envelope::{TRACEPARENT, VERSION};
use tidemill_messages::release::Watching;
use tidemill_messages::stream::RELEASES;
use tidemill_messages::trace::Span;
use tidemill_messages::{ReleaseEvent, ReleaseName, ReleaseStatus, Traceparent, decode, encode, subject};

use tidemill_telemetry::metrics::catalogue::RELEASES as TRANSITIONS;

use crate::Error;

/// Header of an event: UID of the record it was read from.
const RECORD: &str = "Tidemill-Record";
/// All events.
const ALL: &str = "release.>";
/// How often a publish is tried against others who publish on the same subject.
const TRIES: u32 = 16;

/// The last event on a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) sequence: u64,
    /// UID of the record.
    pub(crate) uid: String,
}

type Place = (ReleaseName, u32, ReleaseStatus);

/// What was said, and the way to say more.
pub(crate) struct Ledger {
    bus: Bus,
    said: Mutex<HashMap<Place, Said>>,
}

impl Ledger {
    pub(crate) fn new(bus: Bus) -> Self {
        Self {
            bus,
            said: Mutex::default(),
        }
    }

    /// Reads what was said so far; gives the sequence to follow from.
    pub(crate) async fn load(&self) -> Result<u64, Error> {
        let next = self.bus.last_sequence(RELEASES).await? + 1;
        for stored in self.bus.read_all(RELEASES, ALL, 0, true).await? {
            self.note(&stored);
        }
        Ok(next)
    }

    /// Keeps in step with what other deployers say.
    pub(crate) async fn follow(&self, from: u64) -> Result<(), Error> {
        let mut reader = self.bus.reader(RELEASES, ALL, from, true).await?;
        loop {
            self.note(&reader.next().await?);
        }
    }

    fn note(&self, stored: &Stored) {
        let uid = stored.header(RECORD).unwrap_or_default().to_owned();
        if let Some(place) = subject::parse_release(&stored.subject) {
            let said = Said {
                sequence: stored.sequence,
                uid,
            };
            let mut all = self.lock();
            let known = all.entry(place).or_insert_with(|| said.clone());
            if known.sequence < said.sequence {
                *known = said;
            }
        }
    }

    /// The last event of a revision in this status.
    pub(crate) fn said(&self, release: &ReleaseName, revision: u32, status: ReleaseStatus) -> Option<Said> {
        self.lock().get(&(release.clone(), revision, status)).cloned()
    }

    /// Whether it was said of this record.
    pub(crate) fn knows(&self, release: &ReleaseName, revision: u32, status: ReleaseStatus, uid: &str) -> bool {
        self.said(release, revision, status).is_some_and(|said| said.uid == uid)
    }

    /// The last event of every revision that there was, but for those said to be removed.
    pub(crate) fn last_of_each(&self) -> Vec<(ReleaseName, u32, Said)> {
        let mut last: HashMap<(ReleaseName, u32), (ReleaseStatus, Said)> = HashMap::new();
        for ((release, revision, status), said) in self.lock().iter() {
            let known = last
                .entry((release.clone(), *revision))
                .or_insert_with(|| (*status, said.clone()));
            if known.1.sequence < said.sequence {
                *known = (*status, said.clone());
            }
        }
        last.into_iter()
            .filter(|(_, (status, _))| *status != ReleaseStatus::Removed)
            .map(|((release, revision), (_, said))| (release, revision, said))
            .collect()
    }

    /// Says it, once for each record. `false`: it was said before.
    pub(crate) async fn say(&self, event: &ReleaseEvent) -> Result<bool, Error> {
        self.say_if(event, |said, _| said.is_none_or(|said| said.uid != event.record_uid))
            .await
    }

    /// Says that a revision is degraded or has recovered: again and again, but never twice in a row.
    pub(crate) async fn say_in_turn(&self, event: &ReleaseEvent, after: &[ReleaseStatus]) -> Result<bool, Error> {
        let last = |ledger: &Self| {
            let others = after
                .iter()
                .filter_map(|status| ledger.said(&event.release, event.revision, *status));
            let of_record = others.filter(|said| said.uid == event.record_uid);
            of_record.map(|said| said.sequence).max()
        };
        self.say_if(event, |said, ledger| {
            let own = said.filter(|said| said.uid == event.record_uid);
            last(ledger) > own.map(|said| said.sequence)
        })
        .await
    }

    async fn say_if(&self, event: &ReleaseEvent, is_new: impl Fn(Option<&Said>, &Self) -> bool) -> Result<bool, Error> {
        let subject = subject::release(&event.release, event.revision, event.status);
        let payload = encode(&subject, event)?;
        let traceparent = context(event).to_string();
        for _ in 0..TRIES {
            let said = self.said(&event.release, event.revision, event.status);
            if !is_new(said.as_ref(), self) {
                return Ok(false);
            }
            let message = Message::new(subject.clone(), payload.clone())
                .header(RECORD, &event.record_uid)
                .header(TRACEPARENT, &traceparent)
                .expecting(said.map_or(0, |said| said.sequence));
            match self.bus.publish(message).await {
                Ok(sequence) => {
                    self.keep(event, sequence);
                    TRANSITIONS.of(&[event.status.as_str()]).increment();
                    tracing::info!(release = %event.release, revision = event.revision, status = %event.status, "A release changed.");
                    return Ok(true);
                }
                // Whoever was first, or our own publish whose answer was lost.
                Err(error) if error.is_conflict() => self.refresh(event).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    fn keep(&self, event: &ReleaseEvent, sequence: u64) {
        let place = (event.release.clone(), event.revision, event.status);
        let said = Said {
            sequence,
            uid: event.record_uid.clone(),
        };
        self.lock().insert(place, said);
    }

    /// Reads what was said of a revision from the leader.
    async fn refresh(&self, event: &ReleaseEvent) -> Result<(), Error> {
        for status in ReleaseStatus::ALL {
            let subject = subject::release(&event.release, event.revision, status);
            if let Some(stored) = self.bus.last(RELEASES, &subject).await? {
                self.note(&stored);
            }
        }
        Ok(())
    }

    /// Since when a namespace is watched, as a resource version: what is stored first counts.
    pub(crate) async fn watched_since(&self, namespace: &str, version: &str) -> Result<String, Error> {
        let subject = subject::watching(namespace);
        let watching = Watching {
            version: VERSION,
            since: self.bus.now(),
            resource_version: version.to_owned(),
        };
        let itself = Span::Release {
            record: namespace,
            revision: 0,
            status: "watching",
        };
        let message = Message::new(subject.clone(), encode(&subject, &watching)?)
            .header(TRACEPARENT, Traceparent::root(itself).to_string())
            .expecting(0);
        match self.bus.publish(message).await {
            Ok(_) => return Ok(version.to_owned()),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
        match self.bus.last(RELEASES, &subject).await? {
            Some(stored) => Ok(decode::<Watching>(&subject, &stored.payload)?.resource_version),
            None => Ok(version.to_owned()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Said>> {
        // Nothing that holds the lock can panic half-way.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Part of the trace of the attempt at work on the release; what others did is a trace of its own.
fn context(event: &ReleaseEvent) -> Traceparent {
    let carried = event.actor.as_ref().map(|actor| actor.traceparent.as_str());
    Traceparent::continued(carried, event.span())
}
