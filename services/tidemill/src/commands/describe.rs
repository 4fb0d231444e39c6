//! `tidemill describe`: one object as a page.

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;
use tidemill_resources::Kind;

use super::kind_and_name;
use crate::cli::Global;
use crate::client::{Address, Client, LogQuery, encode};
use crate::describe::{self, Failure, View};
use crate::error::{Error, Exit};
use crate::output::{Format, print_object};
use crate::{json, names, say};

/// Lines of a failed step's log in which the reason is looked for.
const LOG_LINES: usize = 200;
/// Failed tasks of which the log is read; beyond that only their exit codes are shown.
const READ_LOGS: usize = 20;
/// Runs shown of a Pipeline or Task.
const SHOWN_RUNS: usize = 10;

/// Show one object and what belongs to it
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill describe pipelinerun good")]
pub(crate) struct Describe {
    /// Kind and name; a name alone is a pipelinerun's
    #[arg(required = true, num_args = 1..=2, value_name = "KIND NAME")]
    what: Vec<String>,
    /// Write the object itself instead
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

impl Describe {
    /// Prints the page.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        let (kind, name) = kind_and_name(&self.what, "pipelinerun")?;
        let client = global.client().await?;
        let address = Address::object(kind, client.namespace(), &name);
        let object = client.get(&address).await?;
        let text = match self.output {
            Some(format) => print_object(&object, format)?,
            None => page(&client, kind, &object).await?,
        };
        say::data(&text);
        Ok(Exit::Success)
    }
}

async fn page(client: &Client, kind: &'static Kind, object: &Value) -> Result<String, Error> {
    let view = View {
        palette: say::stdout().palette,
        now: Timestamp::now(),
        columns: say::stdout().columns(),
    };
    match kind.kind {
        "PipelineRun" => {
            let children = task_runs_of(client, object).await?;
            let failures = read_failures(client, &children).await;
            Ok(describe::pipeline_run(view, object, &children, &failures))
        }
        "TaskRun" => {
            let failures = read_failures(client, std::slice::from_ref(object)).await;
            Ok(describe::task_run(view, object, &failures))
        }
        "Pipeline" => {
            let runs = runs_of(client, "pipelinerun", "tekton.dev/pipeline", object).await?;
            Ok(describe::pipeline(view, object, &runs))
        }
        "Task" => {
            let runs = runs_of(client, "taskrun", "tekton.dev/task", object).await?;
            Ok(describe::task(view, object, &runs))
        }
        _ => describe::object(view, object),
    }
}

/// The TaskRuns of a PipelineRun, in the order of its child references.
pub(crate) async fn task_runs_of(client: &Client, run: &Value) -> Result<Vec<Value>, Error> {
    let collection = Address::collection_of(super::kind("taskrun")?, Some(json::namespace(run)));
    let selector = format!("{}={}", names::PIPELINE_RUN, json::name(run));
    let list = client
        .list(&collection, &format!("labelSelector={}", encode(&selector)))
        .await?;
    let mut children = json::list(&list, "/items").to_vec();
    let order: Vec<&str> = json::list(run, "/status/childReferences")
        .iter()
        .map(|child| json::text(child, "/name"))
        .collect();
    let place = |child: &Value| {
        order
            .iter()
            .position(|name| *name == json::name(child))
            .unwrap_or(order.len())
    };
    children.sort_by_key(place);
    Ok(children)
}

/// The newest runs of a definition, newest first.
async fn runs_of(client: &Client, kind: &str, label: &str, of: &Value) -> Result<Vec<Value>, Error> {
    let collection = Address::collection_of(super::kind(kind)?, Some(json::namespace(of)));
    let selector = format!("{label}={}", json::name(of));
    let list = client
        .list(&collection, &format!("labelSelector={}", encode(&selector)))
        .await?;
    let mut runs = json::list(&list, "/items").to_vec();
    runs.sort_by_key(|run| std::cmp::Reverse(json::time(run, "/metadata/creationTimestamp")));
    runs.truncate(SHOWN_RUNS);
    Ok(runs)
}

/// What failed, with the end of each log; a log that cannot be read is left empty.
pub(crate) async fn read_failures(client: &Client, task_runs: &[Value]) -> Vec<Failure> {
    let mut failures = describe::failures(task_runs);
    for failure in failures.iter_mut().take(READ_LOGS) {
        if failure.container.is_empty() || failure.pod.is_empty() {
            continue;
        }
        let query = LogQuery {
            namespace: failure.namespace.clone(),
            pod: failure.pod.clone(),
            container: failure.container.clone(),
            tail: Some(LOG_LINES),
            ..LogQuery::default()
        };
        if let Ok(lines) = client.log(&query).await {
            failure.log = lines.collect(LOG_LINES).await;
        }
    }
    failures
}
