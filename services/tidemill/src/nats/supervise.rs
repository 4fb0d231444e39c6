//! Keeping the private nats-server alive.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::server::Private;
use super::start::Start;
use crate::error::Error;

/// So many ends within [`WINDOW`] and it is given up: something is wrong that a start does not mend.
const RESTARTS_MAX: usize = 10;
/// The time over which ends are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// The task that watches the server.
pub(crate) struct Supervisor {
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
    pid: watch::Receiver<i32>,
}

/// Watches `start` and starts the server again on the same port whenever it ends.
pub(crate) fn supervise(private: Private, start: Start) -> Supervisor {
    let stop = CancellationToken::new();
    let (sender, pid) = watch::channel(start.process.pid);
    let task = tokio::spawn(keep_alive(private, start, stop.clone(), sender));
    Supervisor { stop, task, pid }
}

impl Supervisor {
    /// The server's process id, which changes when it is started again.
    #[cfg(test)]
    pub(crate) fn pid(&self) -> watch::Receiver<i32> {
        self.pid.clone()
    }

    /// Returns only when the server was given up.
    ///
    /// # Errors
    /// Always: why it was given up.
    pub(crate) async fn given_up(&mut self) -> Error {
        match (&mut self.task).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) => Error::usage("nats-server was ended"),
            Err(source) => Error::internal("watch nats-server", source),
        }
    }

    /// Ends the server gracefully. Its last process id must not be used after.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        let pid = *self.pid.borrow();
        if let Err(error) = self.task.await {
            tracing::error!(pid, %error, "nats-server was left running");
        }
    }
}

async fn keep_alive(
    private: Private,
    mut start: Start,
    stop: CancellationToken,
    pid: watch::Sender<i32>,
) -> Result<(), Error> {
    let mut ends: VecDeque<Instant> = VecDeque::new();
    loop {
        tokio::select! {
            () = start.gone() => {}
            () = stop.cancelled() => {
                start.end().await;
                return Ok(());
            }
        }
        tracing::warn!(pid = start.process.pid, "nats-server ended and is started again");
        let now = Instant::now();
        ends.push_back(now);
        ends.retain(|end| now.duration_since(*end) < WINDOW);
        if ends.len() > RESTARTS_MAX {
            return Err(Error::NatsServer {
                message: format!("nats-server ended {} times within {} s", ends.len(), WINDOW.as_secs()),
                hint: "see `nats/nats.log` in the state directory".to_owned(),
            });
        }
        start = private.start().await?;
        pid.send_replace(start.process.pid);
    }
}
