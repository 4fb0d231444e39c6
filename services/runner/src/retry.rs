//! Calls on the bus that are repeated until they are answered, as long as the lease holds.

use std::future::Future;
use std::time::Duration;

use tidemill_bus::{Error, Retry};
use tokio::time::sleep;

use crate::lease::Hold;

/// First pause between two tries; it doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The lease was lost: nothing may be started or reported any more.
#[derive(Debug)]
pub(crate) struct LetGo;

/// Repeats `call` until it gives a value. For reads, and for writes that may be done twice.
pub(crate) async fn until_answered<T, F>(hold: &Hold, mut call: impl FnMut() -> F) -> Result<T, LetGo>
where
    F: Future<Output = Result<T, Error>>,
{
    let answered = async {
        let mut pause = PAUSE;
        loop {
            match call().await {
                Ok(value) => return value,
                Err(error) => {
                    // A refusal is a fault of the set-up: said aloud, since only people can mend it.
                    if error.retry() == Retry::Never {
                        tracing::warn!(%error, "The bus refused a call; it is tried again.");
                    }
                    sleep(pause_after(&error, pause)).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    };
    tokio::select! {
        value = answered => Ok(value),
        () = hold.lost() => Err(LetGo),
    }
}

fn pause_after(error: &Error, pause: Duration) -> Duration {
    match error.retry() {
        Retry::After(least) => pause.max(least),
        Retry::Never => PAUSE_MAX,
        Retry::ReadBack | Retry::Reload => pause,
    }
}
