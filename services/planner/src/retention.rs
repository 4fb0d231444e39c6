//! Runs that are over go after a while: the newest of a namespace stay, and none gets too old.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tidemill_bus::blob;
use tidemill_messages::RunKind;
use tidemill_messages::stream::{CLOUD_EVENTS, EVENTS, FACTS, OBJECTS, RUNS};
use tidemill_objects::{DeleteOptions, ListQuery, Scope};
use tidemill_resources::{Object, names};
use tidemill_telemetry::Chain;
use tokio::time::Instant;

use crate::Error;
use crate::facts::{GROUP, run_key};
use crate::planner::Planner;
use crate::retry::until_done;

/// Objects read at once.
const PAGE: usize = 500;

/// All runs are looked at this often even where there are few, for those that got too old.
const FULL_EVERY: std::time::Duration = std::time::Duration::from_secs(3600);

/// A run that is over.
struct Ended {
    completed: Timestamp,
    name: String,
    uid: String,
}

/// Deletes runs that are over by the limits of the settings, and blobs that nothing names, again
/// and again. What deletes is the object: the rest follows from that (P4).
pub(crate) async fn run(planner: Arc<Planner>) -> Result<(), Error> {
    let mut last_full: Option<Instant> = None;
    loop {
        tokio::time::sleep(planner.settings.retention_every.duration()).await;
        let full = last_full.is_none_or(|last| last.elapsed() >= FULL_EVERY);
        if full || planner.objects.count() > planner.settings.retention_runs {
            for kind in [RunKind::PipelineRun, RunKind::TaskRun] {
                report(planner.retire(kind).await)?;
            }
        }
        if full {
            last_full = Some(Instant::now());
        }
        report(planner.sweep_blobs().await)?;
    }
}

/// Retention is no reason to end the planner.
fn report(outcome: Result<(), Error>) -> Result<(), Error> {
    match outcome {
        Err(Error::Stopping) => Err(Error::Stopping),
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "Retention could not be looked after; it is tried again later.");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

impl Planner {
    async fn retire(&self, kind: RunKind) -> Result<(), Error> {
        for (namespace, mut ended) in self.ended(kind).await? {
            ended.sort_by_key(|run| std::cmp::Reverse(run.completed));
            for run in self.surplus(&ended) {
                tracing::info!(namespace, run = run.name, "A finished run is deleted by retention.");
                self.delete_run(kind, &namespace, run).await?;
            }
        }
        Ok(())
    }

    /// Those of `ended` (newest first) that are too many or too old.
    fn surplus<'a>(&self, ended: &'a [Ended]) -> impl Iterator<Item = &'a Ended> {
        let oldest = self.bus.now() - self.settings.retention_age.duration();
        let keep = self.settings.retention_runs;
        let numbered = ended.iter().enumerate();
        numbered.filter_map(move |(index, run)| (index >= keep || run.completed < oldest).then_some(run))
    }

    async fn delete_run(&self, kind: RunKind, namespace: &str, run: &Ended) -> Result<(), Error> {
        let key = run_key(kind, namespace, &run.name);
        let options = DeleteOptions {
            uid: Some(run.uid.clone()),
            ..DeleteOptions::default()
        };
        let deleted = until_done(&self.stopping, || async {
            self.objects.delete(&key, &options).await?;
            Ok(())
        });
        match deleted.await {
            // Somebody was faster, or has made another run of that name.
            Err(Error::Objects(error)) if matches!(error.code(), 404 | 409) => Ok(()),
            outcome => outcome,
        }
    }

    /// All runs of a kind that are over and not being deleted, by namespace.
    async fn ended(&self, kind: RunKind) -> Result<BTreeMap<String, Vec<Ended>>, Error> {
        let key = run_key(kind, "", "");
        // TaskRuns with a PipelineRun above them go with it.
        let labels = match kind {
            RunKind::PipelineRun => String::new(),
            RunKind::TaskRun => format!("!{}", names::LABEL_PIPELINE_RUN),
        };
        let mut query = ListQuery {
            scope: Scope::new(GROUP, &key.resource, None).select(&labels, "")?,
            limit: PAGE,
            ..ListQuery::default()
        };
        let mut ended: BTreeMap<String, Vec<Ended>> = BTreeMap::new();
        loop {
            let page = until_done(&self.stopping, || async { Ok(self.objects.list(&query).await?) }).await?;
            for object in &page.items {
                if let Some(run) = over(object) {
                    ended.entry(object.namespace().to_owned()).or_default().push(run);
                }
            }
            match page.continue_token {
                Some(token) => query.continue_token = Some(token),
                None => return Ok(ended),
            }
        }
    }

    async fn sweep_blobs(&self) -> Result<(), Error> {
        let before = self.bus.now() - self.settings.blob_age.duration();
        let removed = blob::sweep(&self.bus, &[FACTS, RUNS, OBJECTS, EVENTS, CLOUD_EVENTS], before).await?;
        if removed > 0 {
            tracing::info!(removed, "Blobs that nothing names were removed.");
        }
        Ok(())
    }
}

fn over(object: &Object) -> Option<Ended> {
    let metadata = &object.metadata;
    if metadata.deletion_timestamp.is_some() {
        return None;
    }
    let completed = object.rest.get("status")?.get("completionTime")?.as_str()?;
    Some(Ended {
        completed: completed.parse().ok()?,
        name: metadata.name.clone()?,
        uid: metadata.uid.clone()?,
    })
}
