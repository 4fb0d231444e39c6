//! Removing what lies in the streams of a run.

use tidemill_messages::stream::{CLAIMS, FACTS, LOGS, RUNS, TIMERS};
use tidemill_messages::subject;
use tidemill_objects::{Key, RUN_FINALIZER};

use crate::Error;
use crate::planner::Planner;
use crate::retry::until_done;

impl Planner {
    /// Removes everything of a run, its object last (P4). May be repeated at any point: the fact
    /// that asked for it stays until the object is gone.
    pub(crate) async fn purge_run(&self, key: &Key, run_uid: &str) -> Result<(), Error> {
        let deletion = self.deletion_fact(run_uid).await?;
        self.purge(RUNS, &subject::tasks_of_run(run_uid), None).await?;
        self.purge(FACTS, &subject::facts_of_run(run_uid), deletion).await?;
        self.purge_timer(run_uid).await?;
        self.purge(RUNS, &subject::run_all(run_uid), None).await?;
        self.purge(CLAIMS, &subject::claims_of_run(run_uid), None).await?;
        self.purge(LOGS, &subject::logs_of_run(run_uid), None).await?;
        until_done(&self.stopping, || async {
            Ok(self.objects.remove_finalizer(key, run_uid, RUN_FINALIZER).await?)
        })
        .await?;
        self.purge(FACTS, &subject::facts_of_run(run_uid), None).await
    }

    /// Removes what a run needs no more once it is over. Its tasks stay: their subjects must not be
    /// empty as long as somebody may publish them again.
    pub(crate) async fn purge_ended(&self, run_uid: &str) -> Result<(), Error> {
        self.purge(CLAIMS, &subject::claims_of_run(run_uid), None).await?;
        self.purge_timer(run_uid).await
    }

    /// Removes one message that nobody answers, with what came before it on its subject.
    pub(crate) async fn purge_message(&self, stream: &str, subject: &str, sequence: u64) -> Result<(), Error> {
        self.purge(stream, subject, Some(sequence + 1)).await
    }

    async fn purge_timer(&self, run_uid: &str) -> Result<(), Error> {
        self.purge(TIMERS, &subject::timer(run_uid), None).await?;
        self.purge(TIMERS, &subject::due(run_uid), None).await
    }

    async fn deletion_fact(&self, run_uid: &str) -> Result<Option<u64>, Error> {
        let subject = subject::run_fact(run_uid, "spec.deletion");
        let fact = until_done(&self.stopping, || async { Ok(self.bus.last(FACTS, &subject).await?) }).await?;
        Ok(fact.map(|fact| fact.sequence))
    }

    async fn purge(&self, stream: &str, filter: &str, before: Option<u64>) -> Result<(), Error> {
        until_done(&self.stopping, || async {
            self.bus.purge(stream, filter, before).await?;
            Ok(())
        })
        .await
    }
}
