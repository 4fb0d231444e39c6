//! Asking interceptors that run elsewhere.
//!
//! One that hangs must cost nobody else anything: an event that waits for an answer holds no place
//! among those that are evaluated, so many wait at once for one address and in all, and what comes
//! beyond that is put off rather than given up.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use tidemill_triggers::{Call, Found};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::client::{Client, Post};
use crate::{Error, Settings};

/// Events that wait for answers at once; each holds its payload in memory.
pub(crate) const WAITING_MAX: usize = 64;
/// Of these, events that wait for one address.
const AT_ONE_ADDRESS_MAX: usize = 16;
/// Pauses before one that did not answer is asked again.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// How long an event is put off at least, and at most.
const PUT_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How much longer for each event that is put off already.
const PUT_OFF_EACH: Duration = Duration::from_millis(3);

/// Calls under way, and the events that wait for their turn to make one.
pub(crate) struct Calls {
    client: Arc<Client>,
    limit: Duration,
    answer_bytes: usize,
    all: Semaphore,
    addresses: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// Sequences of events that were put off: they come again, but are no suspects.
    put_off: Mutex<HashSet<u64>>,
}

impl Calls {
    pub(crate) fn new(settings: &Settings, client: Arc<Client>) -> Self {
        Self {
            client,
            limit: settings.interceptor_timeout.duration(),
            answer_bytes: usize::try_from(settings.interceptor_answer.bytes()).unwrap_or(usize::MAX),
            all: Semaphore::new(WAITING_MAX),
            addresses: Mutex::default(),
            put_off: Mutex::default(),
        }
    }

    /// The answer, or why there is none.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait already: the event has to come again.
    pub(crate) async fn ask(&self, call: &Call) -> Result<Found, Error> {
        let busy = || Error::Busy { url: call.url.clone() };
        let address = address(&call.url);
        let room = {
            let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
            // Who is asked by nobody now needs no entry.
            if addresses.len() > WAITING_MAX {
                addresses.retain(|_, room| room.available_permits() < AT_ONE_ADDRESS_MAX);
            }
            let room = addresses.entry(address);
            room.or_insert_with(|| Arc::new(Semaphore::new(AT_ONE_ADDRESS_MAX)))
                .clone()
        };
        let _one = room.try_acquire().map_err(|_| busy())?;
        let _all = self.all.try_acquire().map_err(|_| busy())?;
        let post = Post {
            url: &call.url,
            headers: &call.headers,
            body: Bytes::from(call.body.clone()),
            ca_bundle: &call.ca_bundle,
            limit: self.limit,
            answer_bytes: self.answer_bytes,
        };
        let mut pauses = PAUSES.into_iter();
        loop {
            match self.client.post(&post).await {
                Ok(reply) => return Ok(Found::Reply(reply)),
                Err(failure) => match pauses.next() {
                    Some(pause) if failure.is_transient() => sleep(pause).await,
                    _ => return Ok(Found::Failed(failure.to_string())),
                },
            }
        }
    }

    /// Remembers that the event is put off; gives for how long.
    pub(crate) fn put_off(&self, sequence: u64) -> Duration {
        let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        put_off.insert(sequence);
        let longer = u32::try_from(put_off.len()).unwrap_or(u32::MAX);
        (PUT_OFF.0 + PUT_OFF_EACH.saturating_mul(longer)).min(PUT_OFF.1)
    }

    /// Whether the event comes again because it was put off.
    pub(crate) fn was_put_off(&self, sequence: u64) -> bool {
        let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        put_off.remove(&sequence)
    }
}

fn address(url: &str) -> String {
    let uri: Option<Uri> = url.parse().ok();
    uri.and_then(|uri| Some(uri.authority()?.to_string()))
        .unwrap_or_default()
}
