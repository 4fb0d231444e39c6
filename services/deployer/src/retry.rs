//! Trying again, until it works or the deployer stops.

use std::time::Duration;

use tidemill_telemetry::Chain;
use tokio_util::sync::CancellationToken;

use crate::Error;

/// The first pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Calls until the outcome is no transient error. A call that gives no answer counts as one; all of
/// them may be made again.
pub(crate) async fn until_done<T, F>(stopping: &CancellationToken, mut call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        match tokio::time::timeout(CALL_LIMIT, call()).await {
            Ok(Err(error)) if error.is_transient() => {
                tracing::warn!(error = %Chain(&error), "The call is tried again.");
            }
            Ok(outcome) => return outcome,
            Err(_) => tracing::warn!("A call without answer is tried again."),
        }
        tokio::select! {
            () = stopping.cancelled() => return Err(Error::Stopping),
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}
