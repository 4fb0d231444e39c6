//! One event, from its arrival to its end.

use tidemill_bus::Stored;
use tidemill_messages::event::{Outcome, SUMMARY, Stage};
use tidemill_messages::{envelope, subject};
use tidemill_telemetry::metrics::catalogue::EVENTS;
use tidemill_triggers::event_id;

use crate::again::merged;
use crate::app::App;
use crate::decide::{Decided, decide};
use crate::turn::Turn;
use crate::{Error, emit, make, record};

/// Tries of one event that did not come to their end before it is given up.
pub(crate) const TRIES_MAX: u32 = 5;
/// Writes to one outcome in one go; more means that others write it too.
const ROUNDS_MAX: u32 = 16;

/// Brings an event to its end. Safe to repeat and to run twice: every step is stored by
/// compare-and-set, and starts from what is stored. `is_suspect`: it was delivered before.
///
/// # Errors
/// What may pass by itself, [`Error::Busy`] and [`Error::Panicked`]: the event has to come again.
pub(crate) async fn judge(app: &App, stored: &Stored, is_suspect: bool) -> Result<(), Error> {
    let Some(subject) = subject::outcome_of_event(&stored.subject) else {
        tracing::error!(subject = stored.subject, "A message is no event; it is dropped.");
        return Ok(());
    };
    let mut turn = Turn::begin(app, is_suspect).await;
    let mut is_counted = !is_suspect;
    // What was written last, as long as nobody else wrote. Of an event that comes for the first time
    // nothing was: should that be wrong, the first write says so.
    let mut known = (!is_suspect).then(|| (0, blank(app, stored)));
    for _ in 0..ROUNDS_MAX {
        let (sequence, before) = match known.take() {
            Some(written) => written,
            None => record::last(&app.bus, &subject)
                .await?
                .unwrap_or_else(|| (0, blank(app, stored))),
        };
        if matches!(before.stage, Stage::Done | Stage::Dead) {
            return Ok(());
        }
        let next = if is_counted {
            advance(app, stored, before, &mut turn).await?
        } else {
            counted(before)
        };
        let next = Outcome {
            at: app.bus.now(),
            ..next
        };
        if next.cloud_events && matches!(next.stage, Stage::Done | Stage::Dead) {
            tell_listener(app, stored, &next).await?;
        }
        if let Some(sequence) = record::write(&app.bus, &subject, &next, sequence).await? {
            app.written()?;
            is_counted = true;
            tell(&next);
            known = Some((sequence, next));
        }
    }
    Err(Error::Contended { rounds: ROUNDS_MAX })
}

/// The same with one try more, or given up after too many.
fn counted(before: Outcome) -> Outcome {
    if before.retries >= TRIES_MAX {
        let reason = format!("it did not come to its end in {TRIES_MAX} tries");
        return Outcome {
            stage: Stage::Dead,
            reason,
            ..before
        };
    }
    Outcome {
        retries: before.retries + 1,
        ..before
    }
}

async fn advance(app: &App, stored: &Stored, mut before: Outcome, turn: &mut Turn<'_>) -> Result<Outcome, Error> {
    if before.stage == Stage::Decided {
        make::make(app, key_of(stored), &mut before.triggers).await?;
        return Ok(Outcome {
            stage: Stage::Done,
            ..before
        });
    }
    match decide(app, stored, turn).await {
        Ok(Decided { triggers, cloud_events }) => {
            let triggers = merged(before.triggers, triggers);
            let is_done = triggers.iter().all(|verdict| verdict.objects.is_empty());
            let stage = if is_done { Stage::Done } else { Stage::Decided };
            Ok(Outcome {
                stage,
                triggers,
                cloud_events,
                ..before
            })
        }
        Err(error)
            if error.is_transient() || matches!(error, Error::Panicked | Error::Stopping | Error::Busy { .. }) =>
        {
            Err(error)
        }
        Err(error) => Ok(Outcome {
            stage: Stage::Dead,
            reason: tidemill_telemetry::Chain(&error).to_string(),
            ..before
        }),
    }
}

/// Tells the listener's sink what became of the event, before that is noted as done.
async fn tell_listener(app: &App, stored: &Stored, outcome: &Outcome) -> Result<(), Error> {
    let summary = stored.header(SUMMARY).and_then(|text| serde_json::from_str(text).ok());
    match summary {
        Some(summary) => emit::decided(app, &summary, outcome).await,
        None => Ok(()),
    }
}

fn blank(app: &App, stored: &Stored) -> Outcome {
    Outcome {
        version: envelope::VERSION,
        id: event_id(key_of(stored)),
        stage: Stage::Trying,
        at: app.bus.now(),
        retries: 0,
        cloud_events: false,
        reason: String::new(),
        triggers: Vec::new(),
    }
}

/// The dedupe key, which is the last token of the subject.
fn key_of(stored: &Stored) -> &str {
    stored.subject.rsplit('.').next().unwrap_or_default()
}

fn tell(outcome: &Outcome) {
    if matches!(outcome.stage, Stage::Done | Stage::Dead) {
        let class = outcome.classes().first().map_or("other", |class| class.as_str());
        EVENTS.of(&[class]).increment();
    }
    match outcome.stage {
        Stage::Done => tracing::info!(id = outcome.id, "An event came to its end."),
        Stage::Dead => tracing::error!(id = outcome.id, reason = outcome.reason, "An event was given up."),
        Stage::Trying | Stage::Decided => {}
    }
}
