//! The services of a process, by name, and their end in order.

use std::future::Future;
use std::time::Duration;

use tidemill_runner::Runner;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// How long services may take to end before they are dropped, which ends them as a crash would.
const END_LIMIT: Duration = Duration::from_secs(10);

type Outcome = (&'static str, Result<(), Box<dyn std::error::Error + Send + Sync>>);

/// Services that run. Dropped, they are dropped.
#[derive(Default)]
pub(crate) struct Parts {
    fronts: JoinSet<Outcome>,
    workers: JoinSet<Outcome>,
    front_shutdown: CancellationToken,
    worker_shutdown: CancellationToken,
    drain: CancellationToken,
}

impl Parts {
    /// Starts what workers need to the last: gateway, planner.
    pub(crate) fn front<F, E>(&mut self, name: &'static str, run: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        self.fronts.spawn(outcome(name, run(self.front_shutdown.clone())));
    }

    /// Starts what ends first: the runner.
    pub(crate) fn worker<F, E>(&mut self, name: &'static str, run: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        self.workers.spawn(outcome(name, run(self.worker_shutdown.clone())));
    }

    /// Starts a runner, which can also be drained.
    pub(crate) fn runner(&mut self, runner: Runner) {
        let runner = runner.with_drain(self.drain.clone());
        self.worker("runner", |shutdown| runner.run(shutdown));
    }

    /// Lets the workers finish what they are at and take nothing more; waits for that.
    pub(crate) async fn drain(&mut self) {
        self.drain.cancel();
        join_all(&mut self.workers).await;
    }

    /// Returns when one of them ended without being asked to.
    pub(crate) async fn failed(&mut self) -> Error {
        tokio::select! {
            Some(ended) = self.fronts.join_next() => why(ended),
            Some(ended) = self.workers.join_next() => why(ended),
            else => std::future::pending().await,
        }
    }

    /// Asks the workers to end and waits until they have.
    async fn end_workers(&mut self) {
        self.worker_shutdown.cancel();
        join_all(&mut self.workers).await;
    }

    /// Asks all to end, workers first, and waits until they have, for [`END_LIMIT`] at most.
    pub(crate) async fn end(mut self) {
        let end = async {
            self.end_workers().await;
            self.front_shutdown.cancel();
            join_all(&mut self.fronts).await;
        };
        if tokio::time::timeout(END_LIMIT, end).await.is_err() {
            tracing::warn!("services did not end within {} s and are dropped", END_LIMIT.as_secs());
        }
    }
}

async fn outcome<E>(name: &'static str, run: impl Future<Output = Result<(), E>>) -> Outcome
where
    E: std::error::Error + Send + Sync + 'static,
{
    (name, run.await.map_err(Into::into))
}

async fn join_all(tasks: &mut JoinSet<Outcome>) {
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok((_, Ok(()))) => {}
            other => tracing::error!("{}", why(other).render().trim_end()),
        }
    }
}

fn why(ended: Result<Outcome, JoinError>) -> Error {
    match ended {
        Ok((service, Err(source))) => Error::Service { service, source },
        Ok((service, Ok(()))) => Error::Service {
            service,
            source: "it ended without being asked to".into(),
        },
        Err(source) => Error::internal("go on: a service panicked", source),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio_util::sync::CancellationToken;

    use super::Parts;

    #[tokio::test]
    async fn workers_end_before_what_they_need() {
        let ended = Arc::new(Mutex::new(Vec::new()));
        let service = |name: &'static str| {
            let ended = Arc::clone(&ended);
            move |shutdown: CancellationToken| async move {
                shutdown.cancelled().await;
                ended.lock().unwrap().push(name);
                Ok::<(), std::io::Error>(())
            }
        };
        let mut parts = Parts::default();
        parts.front("gateway", service("gateway"));
        parts.worker("runner", service("runner"));
        parts.end().await;
        assert_eq!(*ended.lock().unwrap(), ["runner", "gateway"]);
    }

    #[tokio::test]
    async fn a_part_that_fails_is_named() {
        let mut parts = Parts::default();
        parts.front("gateway", |shutdown| async move {
            shutdown.cancelled().await;
            Ok::<(), std::io::Error>(())
        });
        parts.worker("runner", |_| async { Err(std::io::Error::other("no namespaces")) });
        assert_eq!(
            parts.failed().await.render(),
            "error: the runner failed: no namespaces\n"
        );
    }
}
