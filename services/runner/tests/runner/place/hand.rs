//! The place as a backend, and an owner's hold on one of its sandboxes.

use async_trait::async_trait;
use tidemill_messages::report::Report;
use tidemill_messages::{AttemptKey, AttemptOutcome, CancelReason, Ending};
use tidemill_runner::backend::{Adoption, Backend, Error, Event, Play, Playing};
use tokio::sync::mpsc;

use super::{Place, outcome, send};

#[async_trait]
impl Backend for Place {
    fn class(&self) -> &str {
        "process"
    }

    fn ends_with_boot(&self) -> bool {
        true
    }

    fn prepares_ahead(&self) -> bool {
        true
    }

    async fn prepare(&self, play: Play, events: mpsc::Sender<Event>) -> Result<Box<dyn Playing>, Error> {
        self.make(&play.key, events)?;
        Ok(self.hand(&play.key))
    }

    async fn adopt(&self, play: Play, events: mpsc::Sender<Event>) -> Result<Adoption, Error> {
        let adopted = self.change(|state| {
            state.adopted.push(play.key.clone());
            match state.sandboxes.get_mut(&play.key) {
                None => Adopted::NotStarted,
                Some(sandbox) if !sandbox.is_started => {
                    state.sandboxes.remove(&play.key);
                    Adopted::NotStarted
                }
                Some(sandbox) if sandbox.is_gone => Adopted::Gone,
                Some(sandbox) => {
                    sandbox.events = Some(events.clone());
                    Adopted::Playing(
                        sandbox.unstored.iter().cloned().collect(),
                        sandbox.outcome.clone().map(Box::new),
                    )
                }
            }
        });
        let (reports, outcome) = match adopted {
            Adopted::NotStarted => return Ok(Adoption::NotStarted),
            Adopted::Gone => {
                let message = "nothing of it is left".to_owned();
                return Ok(Adoption::Gone { message });
            }
            Adopted::Playing(reports, outcome) => (reports, outcome),
        };
        tokio::spawn(async move {
            for report in reports {
                send(Some(events.clone()), Event::Report(report)).await;
            }
            if let Some(outcome) = outcome {
                send(Some(events), Event::Finished(outcome)).await;
            }
        });
        Ok(Adoption::Playing(self.hand(&play.key)))
    }

    async fn found(&self) -> Result<Vec<AttemptKey>, Error> {
        Ok(self.look(|state| state.sandboxes.keys().cloned().collect()))
    }

    async fn kept(&self) -> Result<Vec<AttemptKey>, Error> {
        Ok(self.look(|state| state.kept.clone()))
    }

    async fn forget(&self, key: &AttemptKey) -> Result<(), Error> {
        self.change(|state| state.kept.retain(|kept| kept != key));
        Ok(())
    }

    async fn discard(&self, key: &AttemptKey) -> Result<(), Error> {
        self.change(|state| {
            state.sandboxes.remove(key);
            state.discarded.push(key.clone());
        });
        Ok(())
    }
}

enum Adopted {
    NotStarted,
    Gone,
    Playing(Vec<Report>, Option<Box<AttemptOutcome>>),
}

impl Place {
    fn hand(&self, key: &AttemptKey) -> Box<dyn Playing> {
        Box::new(Hand {
            place: self.clone(),
            key: key.clone(),
        })
    }
}

/// One owner's hold on a sandbox; dropped, the sandbox goes on.
struct Hand {
    place: Place,
    key: AttemptKey,
}

#[async_trait]
impl Playing for Hand {
    async fn start(&mut self) -> Result<(), Error> {
        self.place.let_run(&self.key);
        Ok(())
    }

    async fn stored(&mut self, sequence: u64) {
        self.place.change(|state| {
            if let Some(sandbox) = state.sandboxes.get_mut(&self.key) {
                assert!(sequence > sandbox.stored, "answers grow");
                sandbox.stored = sequence;
                sandbox.unstored.retain(|report| report.sequence > sequence);
            }
        });
    }

    async fn kill(&mut self, reason: CancelReason) {
        self.place.change(|state| state.killed.push((self.key.clone(), reason)));
        let ending = match reason {
            CancelReason::Cancelled => Ending::Cancelled,
            CancelReason::TimedOut => Ending::TimedOut,
        };
        self.place.end(&self.key, outcome(ending)).await;
    }

    async fn remove(self: Box<Self>) -> Result<(), Error> {
        self.place.change(|state| {
            state.sandboxes.remove(&self.key);
            state.removed.push(self.key.clone());
        });
        Ok(())
    }

    async fn release(self: Box<Self>) {
        self.place.change(|state| {
            state.released.push(self.key.clone());
            if let Some(sandbox) = state.sandboxes.get_mut(&self.key) {
                sandbox.events = None;
            }
        });
    }
}
