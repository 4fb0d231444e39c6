//! The last fence (P2): nothing starts for a run that is over, gone, or has this attempt cancelled.

use tidemill_bus::{Bus, Error};
use tidemill_messages::envelope::RUN_OVER;
use tidemill_messages::{AttemptKey, CancelReason, CancelTask, decode, stream, subject};

use crate::lease::Hold;
use crate::retry::{LetGo, until_answered};

/// What the leader says about an attempt's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    /// It may start.
    Open,
    /// The run is over: the attempt is of no use to anybody.
    RunOver,
    /// There is no such run any more.
    RunGone,
    /// The attempt is to end.
    Cancelled(CancelReason),
}

/// Reads the run's last decision and the attempt's cancel command, both at once.
pub(crate) async fn read(bus: &Bus, hold: &Hold, key: &AttemptKey) -> Result<Fence, LetGo> {
    let decision = subject::decision(&key.run_uid);
    let (decision, cancel) = futures::join!(
        until_answered(hold, || bus.last(stream::RUNS, &decision)),
        until_answered(hold, || cancelled(bus, key))
    );
    let Some(decision) = decision? else {
        return Ok(Fence::RunGone);
    };
    if decision.header(RUN_OVER) == Some("true") {
        return Ok(Fence::RunOver);
    }
    Ok(cancel?.map_or(Fence::Open, Fence::Cancelled))
}

/// The cancel command of an attempt, if there is one.
pub(crate) async fn cancelled(bus: &Bus, key: &AttemptKey) -> Result<Option<CancelReason>, Error> {
    let subject = subject::cancel(key);
    let stored = bus.last(stream::RUNS, &subject).await?;
    Ok(stored.map(|stored| reason(&subject, &stored.payload)))
}

/// Why a cancel command was given. One that cannot be read is one all the same.
pub(crate) fn reason(subject: &str, payload: &[u8]) -> CancelReason {
    decode::<CancelTask>(subject, payload).map_or(CancelReason::Cancelled, |command| command.reason)
}
