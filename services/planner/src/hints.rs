//! Ends of attempts, heard while they are being stored.
//!
//! A runner says how an attempt ended at the moment it begins to store that fact. A planner that has the
//! run in memory decides at once, so that fact and decision reach the disk at the same time. Nothing
//! depends on it: the fact comes by the stream too, is known by then and acknowledged. Should it never be
//! stored, because the runner and the server died at once, the decision holds what it said.

use std::sync::Arc;

use tidemill_messages::subject;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::actor::Input;
use crate::planner::Planner;
use crate::retry::until_done;

/// Hands what is heard to the runs in memory, until `shutdown`.
pub(crate) async fn run(planner: Arc<Planner>, shutdown: CancellationToken) -> Result<(), Error> {
    let subscribe = || async { Ok(planner.bus.subscribe(subject::ALL_ENDING_HINTS, None).await?) };
    let mut hints = until_done(&shutdown, subscribe).await?;
    loop {
        let hint = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            hint = hints.next() => hint?,
        };
        if let Some(run_uid) = subject::run_uid_of(&hint.subject) {
            planner.runs.nudge(&run_uid, Input::Heard(Box::new(hint)));
        }
    }
}
