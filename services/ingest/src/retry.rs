//! Trying again, until it works or ingest stops.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::Error;

/// The first pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Calls until the outcome is no transient error.
pub(crate) async fn until_done<T, F>(stopping: &CancellationToken, mut call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        match call().await {
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "The call is tried again.");
                tokio::select! {
                    () = stopping.cancelled() => return Err(Error::Stopping),
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                }
            }
            outcome => return outcome,
        }
    }
}
