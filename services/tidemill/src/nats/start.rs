//! A nats-server that runs: started here or found, watched, ended.

use std::time::Duration;

use rustix::process::Signal;
use tokio::process::Child;

use super::info::{self, Info};
use super::server::loopback;
use crate::state::Process;

/// How long it may take to end when asked to, before it is killed.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Start {
    /// The process.
    pub(crate) process: Process,
    /// Where it listens.
    pub(crate) port: u16,
    /// What it says about itself.
    pub(crate) info: Info,
    /// Whether it was found running.
    pub(crate) adopted: bool,
    pub(super) child: Option<Child>,
}

impl Start {
    /// Returns when it has ended.
    pub(super) async fn gone(&mut self) {
        let ended = match &mut self.child {
            Some(child) => child.wait().await.map(drop),
            None => self.process.gone().await,
        };
        // Without a pidfd there is nothing to wait on; then its end is only seen by its clients.
        if ended.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Asks it to end and waits for that; kills it when it takes too long.
    pub(super) async fn end(mut self) {
        end(self.process).await;
        if let Some(child) = &mut self.child {
            // Only to leave no zombie.
            let _status = child.wait().await;
        }
    }
}

/// The server behind a recorded process, if it answers where it should.
pub(super) async fn adopt(process: Process, port: u16) -> Option<Start> {
    let info = info::ask(loopback(port)).await.ok().filter(|info| info.jetstream)?;
    Some(Start {
        process,
        port,
        info,
        adopted: true,
        child: None,
    })
}

pub(super) async fn end(process: Process) {
    process.signal(Signal::TERM);
    // One that was stopped must go on to end.
    process.signal(Signal::CONT);
    if tokio::time::timeout(END_LIMIT, process.gone()).await.is_err() {
        tracing::warn!(pid = process.pid, "nats-server did not end in time and is killed");
        process.signal(Signal::KILL);
        // What was killed ends; a process stuck in the kernel must not keep us from ending.
        let _stuck = tokio::time::timeout(END_LIMIT, process.gone()).await;
    }
}
