//! Trying again, until it works or the planner stops.

use std::time::Duration;

use tidemill_bus::{Bus, Message, Retry};
use tokio_util::sync::CancellationToken;

use crate::Error;

/// The first pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Grows from [`FIRST_PAUSE`] to [`LONGEST_PAUSE`].
pub(crate) struct Pause {
    next: Duration,
}

impl Default for Pause {
    fn default() -> Self {
        Self { next: FIRST_PAUSE }
    }
}

impl Pause {
    /// Waits; [`Error::Stopping`] ends the wait.
    pub(crate) async fn wait(&mut self, stopping: &CancellationToken) -> Result<(), Error> {
        let pause = self.next;
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = stopping.cancelled() => Err(Error::Stopping),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }
}

/// Calls until the outcome is no transient error.
pub(crate) async fn until_done<T, F>(stopping: &CancellationToken, mut call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut pause = Pause::default();
    loop {
        match call().await {
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "The call is tried again.");
                pause.wait(stopping).await?;
            }
            outcome => return outcome,
        }
    }
}

/// Publishes a message that carries an expectation, so that trying again stores nothing twice.
/// `false`: the subject holds something else already.
pub(crate) async fn publish(bus: &Bus, message: Message, stopping: &CancellationToken) -> Result<bool, Error> {
    let mut pause = Pause::default();
    let mut outcome = bus.publish_pipelined(message.clone()).await;
    loop {
        match outcome {
            Ok(_) => return Ok(true),
            Err(error) if error.is_conflict() => return Ok(false),
            Err(error) if error.retry() == Retry::Never => return Err(error.into()),
            Err(_) => pause.wait(stopping).await?,
        }
        outcome = bus.publish(message.clone()).await;
    }
}
