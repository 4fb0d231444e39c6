//! Cancel commands as they are given (R7): subscribed to before the first claim.

use tidemill_bus::Subscription;
use tidemill_messages::{AttemptKey, CancelReason, subject};
use tokio::sync::mpsc;

use crate::fence;

/// Hands cancel commands on until the core or the connection is gone. What is lost on the way is
/// read again after the claim and after each reconnect.
pub(crate) async fn listen(mut commands: Subscription, cancels: mpsc::Sender<(AttemptKey, CancelReason)>) {
    loop {
        let command = tokio::select! {
            command = commands.next() => command,
            () = cancels.closed() => return,
        };
        let Ok(command) = command else { return };
        if let Some(key) = subject::attempt_of_command(&command.subject) {
            let reason = fence::reason(&command.subject, &command.payload);
            if cancels.send((key, reason)).await.is_err() {
                return;
            }
        }
    }
}
