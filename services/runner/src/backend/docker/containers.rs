//! The containers of one attempt: made, started, looked at, removed.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use tidemill_messages::AttemptKey;
use tidemill_messages::sandbox::UNSTARTED;
use tokio::time::{Instant, sleep};

use super::design::Planned;
use super::directory::Directory;
use super::engine::{Condition, Engine};
use super::names::{Names, Place};
use super::watch::why_silent;
use crate::backend::Error;

/// How long a container whose first process has closed its socket may take to end.
pub(super) const END_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at a container or an engine.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// Everything the engine has of one attempt.
#[derive(Clone)]
pub(super) struct Containers {
    engine: Engine,
    names: Arc<Names>,
    directory: Directory,
}

impl Containers {
    /// Of `key`, whether there are any or not.
    pub(super) fn new(engine: Engine, place: &Place, key: &AttemptKey, directory: Directory) -> Self {
        Self {
            engine,
            names: Arc::new(Names::new(place, key)),
            directory,
        }
    }

    /// The attempt's directory.
    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Name of the supervisor's container.
    pub(super) fn supervisor_name(&self) -> String {
        self.names.supervisor()
    }

    /// Makes a container.
    pub(super) async fn create(&self, planned: Planned) -> Result<(), Error> {
        self.engine.create(&planned.name, planned.body).await
    }

    /// Makes several at once.
    pub(super) async fn create_all(&self, planned: Vec<Planned>) -> Result<(), Error> {
        try_join_all(planned.into_iter().map(|one| self.create(one)))
            .await
            .map(drop)
    }

    /// Starts the container of the supervisor.
    pub(super) async fn start_supervisor(&self) -> Result<(), Error> {
        self.engine.start(&self.names.supervisor()).await
    }

    /// Starts the container of a step or sidecar.
    pub(super) async fn start(&self, container: &str) -> Result<(), Error> {
        self.engine.start(&self.names.of(container)).await
    }

    /// Why the engine does not answer; `None` if it does.
    pub(super) async fn why_silent(&self) -> Option<String> {
        why_silent(&self.engine).await
    }

    /// What became of the supervisor's container.
    pub(super) async fn supervisor(&self) -> Result<Condition, Error> {
        self.engine.condition(&self.names.supervisor()).await
    }

    /// Whether the supervisor's container ends within [`END_LIMIT`]: one that has closed its sockets does.
    pub(super) async fn supervisor_ends(&self) -> Result<bool, Error> {
        let until = Instant::now() + END_LIMIT;
        while let Condition::Running = self.supervisor().await? {
            if Instant::now() >= until {
                return Ok(false);
            }
            sleep(LOOK).await;
        }
        Ok(true)
    }

    /// Whether the supervisor has ended and says that nothing had started.
    pub(super) async fn ended_unstarted(&self) -> Result<bool, Error> {
        let unstarted = Some(i64::from(UNSTARTED));
        Ok(matches!(self.supervisor().await?, Condition::Ended(state) if state.exit_code == unstarted))
    }

    /// Whether the kernel ended the container of a step for want of memory, as far as the engine knows.
    pub(super) async fn is_out_of_memory(&self, container: &str) -> bool {
        let found = self.engine.condition(&self.names.of(container)).await;
        matches!(found, Ok(Condition::Ended(state)) if state.oom_killed == Some(true))
    }

    /// Ends all containers; they stay to be looked at.
    pub(super) async fn end(&self) -> Result<(), Error> {
        let all = self.engine.containers(&self.names.label()).await?;
        let ended = join_all(all.iter().map(|(name, _)| self.engine.kill(name))).await;
        ended.into_iter().collect()
    }

    /// Removes containers, volumes and directory, in this order: what is left is found again by the
    /// directory or by a label.
    pub(super) async fn remove(&self) -> Result<(), Error> {
        let label = self.names.label();
        let all = self.engine.containers(&label).await?;
        // The supervisor's last: the others use its network.
        let (supervisor, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(name, _)| *name == self.names.supervisor());
        for group in [others, supervisor] {
            let removed = join_all(group.iter().map(|(name, _)| self.engine.remove(name))).await;
            removed.into_iter().collect::<Result<(), _>>()?;
        }
        self.directory.remove().await?;
        let volumes = self.engine.volumes(&label).await?;
        try_join_all(volumes.iter().map(|(name, _)| self.engine.remove_volume(name)))
            .await
            .map(drop)
    }
}
