//! A TaskRun and its steps.

use serde_json::Value;

use super::View;
use super::failure::{self, Failure};
use super::page::{Heading, Page, started_by, status_cell};
use crate::json;
use crate::output::{age, between};

/// The page of `run` with what is known of its failure.
pub(crate) fn task_run(view: View, run: &Value, failures: &[Failure]) -> String {
    let mut page = Page::new(view);
    head(&mut page, run);
    status(&mut page, run);
    failure::section(&mut page, failures);
    page.values(Heading::Params, json::list(run, "/spec/params"));
    page.values(Heading::Results, json::list(run, "/status/results"));
    page.bindings(json::list(run, "/spec/workspaces"));
    steps(&mut page, json::list(run, "/status/steps"));
    retries(&mut page, json::list(run, "/status/retriesStatus"));
    page.finish()
}

fn head(page: &mut Page, run: &Value) {
    let text = |pointer| json::text(run, pointer).to_owned();
    page.head(&[
        ("Name", json::name(run).to_owned()),
        ("Namespace", json::namespace(run).to_owned()),
        ("Task Ref", text("/spec/taskRef/name")),
        ("Service Account", text("/spec/serviceAccountName")),
        ("Timeout", text("/spec/timeout")),
        ("Pod", text("/status/podName")),
        ("Started By", started_by(run)),
        ("Trace", json::trace_id(run).unwrap_or_default().to_owned()),
    ]);
    page.pairs("Labels", &json::pairs(run, "/metadata/labels"));
}

fn status(page: &mut Page, run: &Value) {
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
    if status == "False" && !message.is_empty() {
        page.heading(Heading::Message);
        page.lines(message);
    }
}

fn steps(page: &mut Page, steps: &[Value]) {
    if steps.is_empty() {
        return;
    }
    page.heading(Heading::Steps);
    let rows = steps
        .iter()
        .map(|step| {
            let (start, end) = (
                json::time(step, "/terminated/startedAt").or_else(|| json::time(step, "/running/startedAt")),
                json::time(step, "/terminated/finishedAt"),
            );
            [
                json::text(step, "/name").to_owned(),
                between(start, end),
                step_status(step),
            ]
        })
        .collect();
    page.table(["NAME", "DURATION", "STATUS"], rows);
}

/// `Completed`, `Error (exit code 2)`, `Running`, `PodInitializing`.
fn step_status(step: &Value) -> String {
    if let Some(ended) = step.get("terminated").filter(|ended| !ended.is_null()) {
        let reason = match json::text(step, "/terminationReason") {
            "" => json::text(ended, "/reason"),
            reason => reason,
        };
        return match ended.get("exitCode").and_then(Value::as_i64) {
            Some(code) if code != 0 && reason != "Skipped" => format!("{reason} (exit code {code})"),
            _ => reason.to_owned(),
        };
    }
    if step.get("running").is_some_and(|running| !running.is_null()) {
        return "Running".to_owned();
    }
    match json::text(step, "/waiting/reason") {
        "" => "---".to_owned(),
        reason => reason.to_owned(),
    }
}

fn retries(page: &mut Page, retries: &[Value]) {
    if retries.is_empty() {
        return;
    }
    page.heading(Heading::Retries);
    let now = page.view.now;
    let rows = retries
        .iter()
        .enumerate()
        .map(|(position, attempt)| {
            let start = json::time(attempt, "/startTime");
            [
                (position + 1).to_string(),
                age(start, now),
                between(start, json::time(attempt, "/completionTime")),
                json::text(attempt, "/conditions/0/message").to_owned(),
            ]
        })
        .collect();
    page.table(["ATTEMPT", "STARTED", "DURATION", "MESSAGE"], rows);
}
