//! Evaluating an event again, because a person asked for it.
//!
//! A trigger that made its objects keeps what it decided, so that nothing is made twice. All others
//! decide anew, by the listener as it is now.

use tidemill_bus::Stored;
use tidemill_messages::event::{Outcome, Stage, Verdict};
use tidemill_messages::stream::EVENTS;
use tidemill_messages::subject;

use crate::app::App;
use crate::judge::judge;
use crate::{Error, record};

/// Writes to one outcome in one go; more means that others write it too.
const ROUNDS_MAX: u32 = 16;

/// Does what `request` asks for. Safe to repeat: an outcome later than the request answers it.
///
/// # Errors
/// As [`judge`].
pub(crate) async fn again(app: &App, request: &Stored, is_suspect: bool) -> Result<(), Error> {
    let Some(subject) = subject::event_of_retry(&request.subject) else {
        tracing::error!(subject = request.subject, "A message is no request; it is dropped.");
        return Ok(());
    };
    let Some(event) = app.bus.last(EVENTS, &subject).await? else {
        tracing::warn!(subject, "An event is gone that should be evaluated again.");
        return Ok(());
    };
    reopen(app, &subject, request.sequence).await?;
    judge(app, &event, is_suspect).await
}

/// Makes an event that has come to its end one that is still to be decided.
async fn reopen(app: &App, event: &str, requested: u64) -> Result<(), Error> {
    let Some(subject) = subject::outcome_of_event(event) else {
        return Ok(());
    };
    for _ in 0..ROUNDS_MAX {
        let Some((sequence, outcome)) = record::last(&app.bus, &subject).await? else {
            return Ok(());
        };
        let is_over = matches!(outcome.stage, Stage::Done | Stage::Dead);
        if !is_over || sequence > requested {
            return Ok(());
        }
        let open = Outcome {
            stage: Stage::Trying,
            at: app.bus.now(),
            retries: 0,
            reason: String::new(),
            triggers: outcome.triggers.into_iter().filter(is_settled).collect(),
            ..outcome
        };
        if record::write(&app.bus, &subject, &open, sequence).await?.is_some() {
            return app.written();
        }
    }
    Err(Error::Contended { rounds: ROUNDS_MAX })
}

/// Whether a trigger made all it was to make.
fn is_settled(verdict: &Verdict) -> bool {
    verdict.error.is_empty() && !verdict.made.is_empty()
}

/// What triggers decided now, where they had not made their objects before.
pub(crate) fn merged(mut settled: Vec<Verdict>, decided: Vec<Verdict>) -> Vec<Verdict> {
    let mut all: Vec<Verdict> = decided
        .into_iter()
        .map(|verdict| {
            let same = |old: &Verdict| (&old.namespace, &old.trigger) == (&verdict.namespace, &verdict.trigger);
            match settled.iter().position(same) {
                Some(index) => settled.remove(index),
                None => verdict,
            }
        })
        .collect();
    // Of triggers that are no more: what they made is still there.
    all.append(&mut settled);
    all
}
