//! A PipelineRun and its TaskRuns.

use serde_json::Value;

use super::failure::Failure;
use super::page::{Heading, Page, started_by, status_cell};
use super::{View, failure};
use crate::json;
use crate::output::{age, between};

/// The page of `run` with its TaskRuns (in any order) and what is known of its failures.
pub(crate) fn pipeline_run(view: View, run: &Value, task_runs: &[Value], failures: &[Failure]) -> String {
    let mut page = Page::new(view);
    head(&mut page, run);
    status(&mut page, run, task_runs);
    failure::section(&mut page, failures);
    page.values(Heading::Params, json::list(run, "/spec/params"));
    page.values(Heading::Results, json::list(run, "/status/results"));
    page.bindings(json::list(run, "/spec/workspaces"));
    releases(&mut page, run);
    children(&mut page, task_runs);
    skipped(&mut page, json::list(run, "/status/skippedTasks"));
    page.finish()
}

fn head(page: &mut Page, run: &Value) {
    let text = |pointer| json::text(run, pointer).to_owned();
    let account = ["/spec/taskRunTemplate/serviceAccountName", "/spec/serviceAccountName"]
        .into_iter()
        .map(text)
        .find(|account| !account.is_empty());
    page.head(&[
        ("Name", json::name(run).to_owned()),
        ("Namespace", json::namespace(run).to_owned()),
        ("Pipeline Ref", text("/spec/pipelineRef/name")),
        ("Service Account", account.unwrap_or_default()),
        ("Timeout", text("/spec/timeouts/pipeline")),
        ("Started By", started_by(run)),
        ("Trace", json::trace_id(run).unwrap_or_default().to_owned()),
    ]);
    page.pairs("Labels", &json::pairs(run, "/metadata/labels"));
}

fn status(page: &mut Page, run: &Value, task_runs: &[Value]) {
    let start = json::time(run, "/status/startTime");
    let view = page.view;
    page.heading(Heading::Status);
    page.bare_table(
        ["STARTED", "DURATION", "STATUS"],
        [
            age(start, view.now),
            between(start, json::time(run, "/status/completionTime")),
            status_cell(view, run),
        ],
    );
    let (status, _, message) = json::condition(run);
    if status != "False" || message.is_empty() {
        return;
    }
    page.heading(Heading::Message);
    let failed = task_runs.iter().find(|task_run| json::condition(task_run).0 == "False");
    match failed
        .map(|task_run| json::condition(task_run).2)
        .filter(|cause| !cause.is_empty())
    {
        Some(cause) => page.lines(&format!("{message} ({cause})")),
        None => page.lines(message),
    }
}

/// The releases its tasks deployed, and what became of those that failed.
fn releases(page: &mut Page, run: &Value) {
    let told = json::text(run, "/metadata/annotations/tidemill.dev~1releases");
    if told.is_empty() {
        return;
    }
    page.heading(Heading::Releases);
    let rows = told
        .split("; ")
        .map(|one| {
            let (name, what) = one.split_once(' ').unwrap_or((one, "---"));
            [name.to_owned(), what.to_owned()]
        })
        .collect();
    page.table(["NAME", "WHAT BECAME OF IT"], rows);
}

/// The newest first, as `tkn` has it.
fn children(page: &mut Page, task_runs: &[Value]) {
    if task_runs.is_empty() {
        return;
    }
    let view = page.view;
    let mut sorted: Vec<&Value> = task_runs.iter().collect();
    sorted.reverse();
    // A child without a start comes first: it is the newest of all.
    sorted.sort_by_key(|run| {
        let start = json::time(run, "/status/startTime");
        std::cmp::Reverse((start.is_none(), start))
    });
    page.heading(Heading::TaskRuns);
    let rows = sorted
        .into_iter()
        .map(|run| {
            let start = json::time(run, "/status/startTime");
            [
                json::name(run).to_owned(),
                json::task_of(run),
                age(start, view.now),
                between(start, json::time(run, "/status/completionTime")),
                status_cell(view, run),
            ]
        })
        .collect();
    page.table(["NAME", "TASK NAME", "STARTED", "DURATION", "STATUS"], rows);
}

fn skipped(page: &mut Page, skipped: &[Value]) {
    if skipped.is_empty() {
        return;
    }
    page.heading(Heading::Skipped);
    let usual = |task: &Value| matches!(json::text(task, "/reason"), "" | "When Expressions evaluated to false");
    if skipped.iter().all(usual) {
        let rows = skipped
            .iter()
            .map(|task| [json::text(task, "/name").to_owned()])
            .collect();
        page.table(["NAME"], rows);
        return;
    }
    let rows = skipped
        .iter()
        .map(|task| {
            [
                json::text(task, "/name").to_owned(),
                json::text(task, "/reason").to_owned(),
            ]
        })
        .collect();
    page.table(["NAME", "REASON"], rows);
}
