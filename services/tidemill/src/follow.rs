//! The logs of the steps of several TaskRuns, as they are written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::client::{Client, LogQuery};
use crate::json;

/// Lines that wait to be shown; who writes faster than we show waits.
pub(crate) const QUEUE_LENGTH: usize = 256;
/// Steps of one TaskRun whose logs wait to be read after each other.
const STEPS_MAX: usize = 1024;

/// A line, or the end of a step's log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogLine {
    /// The pipeline task.
    pub(crate) task: String,
    /// The step.
    pub(crate) step: String,
    /// The line; `None` is the end.
    pub(crate) text: Option<String>,
}

/// One log that can be read.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    task: String,
    step: String,
    query: LogQuery,
}

/// Which logs are wanted, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Only this task.
    pub(crate) task: Option<String>,
    /// Only this step.
    pub(crate) step: Option<String>,
    /// Go on while the step runs.
    pub(crate) follow: bool,
    /// Only so many of the last lines of each step.
    pub(crate) tail: Option<usize>,
    /// Only what was written then or later.
    pub(crate) since: Option<jiff::Timestamp>,
    /// Only what was written before then.
    pub(crate) until: Option<jiff::Timestamp>,
    /// Only lines that hold this.
    pub(crate) text: Option<String>,
    /// The time in front of each line.
    pub(crate) timestamps: bool,
}

/// Reads the logs of every TaskRun it is shown. The steps of one TaskRun come after each other,
/// TaskRuns side by side, at most `readers` of them at a time.
pub(crate) struct Follower {
    client: Client,
    wanted: Wanted,
    readers: Arc<Semaphore>,
    seen: HashSet<(String, String)>,
    queues: HashMap<String, mpsc::Sender<Log>>,
    sender: mpsc::Sender<LogLine>,
    tasks: JoinSet<()>,
}

impl Follower {
    /// A follower, and where its lines come out. The lines end after [`Follower::finish`].
    pub(crate) fn new(client: &Client, wanted: Wanted, readers: usize) -> (Self, mpsc::Receiver<LogLine>) {
        let (sender, lines) = mpsc::channel(QUEUE_LENGTH);
        let follower = Self {
            client: client.clone(),
            wanted,
            readers: Arc::new(Semaphore::new(readers)),
            seen: HashSet::new(),
            queues: HashMap::new(),
            sender,
            tasks: JoinSet::new(),
        };
        (follower, lines)
    }

    /// Takes in a TaskRun: logs of steps that have begun since the last time are read.
    pub(crate) fn observe(&mut self, run: &Value) {
        for log in logs_of(run, &self.wanted) {
            if self.seen.insert((log.query.pod.clone(), log.query.container.clone())) {
                self.enqueue(log);
            }
        }
    }

    /// No more TaskRuns will come: the lines end when the last log has.
    pub(crate) fn finish(self) -> JoinSet<()> {
        // The queues and the sender are dropped here; the readers hold theirs until they are done.
        self.tasks
    }

    fn enqueue(&mut self, log: Log) {
        let queue = self.queues.entry(log.task.clone()).or_insert_with(|| {
            let (queue, logs) = mpsc::channel(STEPS_MAX);
            let reader = Reader {
                client: self.client.clone(),
                readers: Arc::clone(&self.readers),
                sender: self.sender.clone(),
            };
            self.tasks.spawn(reader.read_all(logs));
            queue
        });
        if let Err(error) = queue.try_send(log) {
            let task = error.into_inner().task;
            tracing::warn!(task, "more than {STEPS_MAX} logs wait to be read; one is left out");
        }
    }
}

/// The logs of a TaskRun that are wanted and there, those of earlier attempts first.
pub(crate) fn logs_of(run: &Value, wanted: &Wanted) -> Vec<Log> {
    let task = json::task_of(run);
    let base = json::text(run, "/metadata/labels/tekton.dev~1pipelineTask");
    if wanted
        .task
        .as_ref()
        .is_some_and(|wanted| *wanted != task && *wanted != base)
    {
        return Vec::new();
    }
    let attempts = json::list(run, "/status/retriesStatus").iter().chain(run.get("status"));
    let mut logs = Vec::new();
    for status in attempts {
        let pod = json::text(status, "/podName");
        let steps = json::list(status, "/steps").iter().filter(|step| has_begun(step));
        for step in steps.filter(|_| !pod.is_empty()) {
            let name = json::text(step, "/name");
            if wanted.step.as_ref().is_some_and(|wanted| wanted != name) {
                continue;
            }
            let container = match json::text(step, "/container") {
                "" => format!("step-{name}"),
                container => container.to_owned(),
            };
            let query = LogQuery {
                namespace: json::namespace(run).to_owned(),
                pod: pod.to_owned(),
                container,
                follow: wanted.follow,
                tail: wanted.tail,
                since: wanted.since,
                until: wanted.until,
                text: wanted.text.clone(),
                timestamps: wanted.timestamps,
            };
            logs.push(Log {
                task: task.clone(),
                step: name.to_owned(),
                query,
            });
        }
    }
    logs
}

/// Whether there is a log: a step that was skipped has none.
fn has_begun(step: &Value) -> bool {
    let is = |key: &str| step.get(key).is_some_and(|value| !value.is_null());
    (is("running") || is("terminated")) && json::text(step, "/terminationReason") != "Skipped"
}

/// Reads the logs of one task, one after another.
struct Reader {
    client: Client,
    readers: Arc<Semaphore>,
    sender: mpsc::Sender<LogLine>,
}

impl Reader {
    async fn read_all(self, mut logs: mpsc::Receiver<Log>) {
        while let Some(log) = logs.recv().await {
            let Ok(_permit) = self.readers.acquire().await else {
                return;
            };
            read(&self.client, &log, &self.sender).await;
        }
    }
}

/// Reads one log to its end; what keeps it from being read is a line of it.
pub(crate) async fn read(client: &Client, log: &Log, sender: &mpsc::Sender<LogLine>) {
    match client.log(&log.query).await {
        Ok(mut lines) => {
            while let Some(text) = lines.next().await {
                log.send(Some(text), sender).await;
            }
        }
        Err(error) => {
            log.send(Some(format!("[the log cannot be read: {error}]")), sender)
                .await
        }
    }
    log.send(None, sender).await;
}

impl Log {
    /// The step that wrote it.
    pub(crate) fn step(&self) -> &str {
        &self.step
    }

    async fn send(&self, text: Option<String>, sender: &mpsc::Sender<LogLine>) {
        let line = LogLine {
            task: self.task.clone(),
            step: self.step.clone(),
            text,
        };
        // Nobody looks any more: the rest is read for nothing, which is short.
        let _gone = sender.send(line).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Wanted, logs_of};

    #[test]
    fn logs_come_by_attempt_and_step_and_only_where_there_are_some() {
        let run = json!({
            "metadata": {"name": "r-a", "namespace": "ci", "labels": {"tekton.dev/pipelineTask": "a"}},
            "status": {
                "podName": "r-a-pod-retry1",
                "steps": [
                    {"name": "x", "container": "step-x", "terminated": {}},
                    {"name": "y", "running": {}},
                    {"name": "z", "waiting": {}},
                ],
                "retriesStatus": [{"podName": "r-a-pod", "steps": [
                    {"name": "x", "container": "step-x", "terminated": {}},
                    {"name": "y", "container": "step-y", "terminated": {}, "terminationReason": "Skipped"},
                ]}],
            },
        });
        let found: Vec<String> = logs_of(&run, &Wanted::default())
            .iter()
            .map(|log| format!("{} {}/{}", log.task, log.query.pod, log.query.container))
            .collect();
        assert_eq!(
            found,
            ["a r-a-pod/step-x", "a r-a-pod-retry1/step-x", "a r-a-pod-retry1/step-y"]
        );
        let only = |task: &str, step: &str| Wanted {
            task: Some(task.to_owned()),
            step: Some(step.to_owned()),
            ..Wanted::default()
        };
        assert_eq!(logs_of(&run, &only("a", "y")).len(), 1);
        assert_eq!(logs_of(&run, &only("b", "y")).len(), 0);
    }
}
