//! The chain of claims (R1): who owns an attempt.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use tidemill_bus::{Bus, Error, Message, Stored};
use tidemill_messages::claim::Claim;
use tidemill_messages::envelope::{RUNNER, TRACEPARENT, VERSION};
use tidemill_messages::{AttemptKey, decode, encode, stream, subject};

use crate::identity::Identity;
use crate::lease::Hold;
use crate::retry::{LetGo, until_answered};

/// Header: number of the try within the runner's life. It tells a claim whose answer was lost from
/// an earlier one of the same runner.
const TRY: &str = "Tidemill-Try";

static TRIES: AtomicU64 = AtomicU64::new(0);

/// A claim with its place in the chain.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Link {
    pub(crate) sequence: u64,
    pub(crate) claim: Claim,
    /// When it was stored.
    pub(crate) at: Timestamp,
    /// Number of the try.
    number: Option<u64>,
}

/// What became of a try to claim.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The attempt is ours.
    Mine {
        /// Sequence of our claim.
        sequence: u64,
        /// It was answered at once: what was read after it was sent is newer than it.
        at_once: bool,
    },
    /// Somebody's claim is newer than what we expected.
    Held(Link),
}

/// What is claimed.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) key: &'a AttemptKey,
    pub(crate) class: &'a str,
    /// Where the attempt's command lies; 0: it is not stored yet.
    pub(crate) command_sequence: u64,
    /// See [`Claim::command_subject`].
    pub(crate) command_subject: &'a str,
    /// Sequence of the claim to replace; 0 for the first.
    pub(crate) expected: u64,
    /// See [`Claim::boot_id`].
    pub(crate) boot_id: &'a str,
    pub(crate) traceparent: &'a str,
}

/// Claims; the message is sent when the future is first polled.
pub(crate) async fn take(bus: &Bus, hold: &Hold, me: &Identity, wanted: Wanted<'_>) -> Result<Outcome, LetGo> {
    let number = TRIES.fetch_add(1, Ordering::Relaxed);
    let mut at_once = true;
    loop {
        let answer = bus.publish_pipelined(message(me, wanted, number)).await;
        if let Ok(sequence) = answer {
            return Ok(Outcome::Mine { sequence, at_once });
        }
        at_once = false;
        let newest = until_answered(hold, || read(bus, wanted.key)).await?;
        match newest {
            Some(link) if is_this_try(&link, me, number) => {
                let sequence = link.sequence;
                return Ok(Outcome::Mine { sequence, at_once });
            }
            Some(link) if link.sequence != wanted.expected => return Ok(Outcome::Held(link)),
            // Not stored (or purged with its run, which the fence will tell): once more.
            Some(_) => {}
            None if wanted.expected == 0 => {}
            None => {
                return Box::pin(take(bus, hold, me, Wanted { expected: 0, ..wanted })).await;
            }
        }
        if !hold.is_held() {
            return Err(LetGo);
        }
    }
}

/// The newest claim of an attempt, from the leader.
pub(crate) async fn read(bus: &Bus, key: &AttemptKey) -> Result<Option<Link>, Error> {
    let subject = subject::claim(key);
    let stored = bus.last(stream::CLAIMS, &subject).await?;
    Ok(stored.map(|stored| link(&subject, &stored)))
}

/// A claim that cannot be read is held by somebody of a later version: nobody we may replace.
fn link(subject: &str, stored: &Stored) -> Link {
    let claim = decode(subject, &stored.payload).unwrap_or_else(|error| {
        tracing::warn!(%error, "A claim cannot be read; its attempt is left alone.");
        Claim {
            version: VERSION,
            runner: stored.header(RUNNER).unwrap_or_default().to_owned(),
            incarnation: String::new(),
            class: String::new(),
            command_sequence: u64::MAX,
            command_subject: String::new(),
            boot_id: String::new(),
        }
    });
    Link {
        sequence: stored.sequence,
        at: stored.time,
        number: stored.header(TRY).and_then(|number| number.parse().ok()),
        claim,
    }
}

/// Whether a claim found is the one just sent, whose answer was lost.
fn is_this_try(link: &Link, me: &Identity, number: u64) -> bool {
    link.number == Some(number) && link.claim.runner == me.id && link.claim.incarnation == me.incarnation
}

fn message(me: &Identity, wanted: Wanted<'_>, number: u64) -> Message {
    let subject = subject::claim(wanted.key);
    let claim = Claim {
        version: VERSION,
        runner: me.id.clone(),
        incarnation: me.incarnation.clone(),
        class: wanted.class.to_owned(),
        command_sequence: wanted.command_sequence,
        command_subject: wanted.command_subject.to_owned(),
        boot_id: wanted.boot_id.to_owned(),
    };
    // Texts and numbers always are JSON.
    let payload = encode(&subject, &claim).unwrap_or_default();
    Message::new(subject, payload)
        .header(RUNNER, me.header())
        .header(TRACEPARENT, wanted.traceparent)
        .header(TRY, number.to_string())
        .expecting(wanted.expected)
}

#[cfg(test)]
mod tests;
