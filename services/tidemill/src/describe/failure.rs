//! What failed, found in the TaskRuns, and the line of its log that says why.

use serde_json::Value;

use super::page::{Heading, Page};
use crate::json;
use crate::output::{exact, plain};
use crate::progress::Phase;

/// Words by which a line looks like the reason of a failure.
const TELLING: [&str; 9] = [
    "error",
    "fatal",
    "failed",
    "panic",
    "denied",
    "not found",
    "no such",
    "refused",
    "cannot",
];

/// One failed task.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Failure {
    /// The pipeline task, or the TaskRun's own name.
    pub(crate) task: String,
    /// The step that failed; empty when none did, such as for a task that timed out in the queue.
    pub(crate) step: String,
    /// Its container.
    pub(crate) container: String,
    /// Pod of the last attempt.
    pub(crate) pod: String,
    /// Namespace of the pod.
    pub(crate) namespace: String,
    /// `exited 1 after 31s`, or the condition's message.
    pub(crate) what: String,
    /// Last lines of its log, to be filled in by who can read it.
    pub(crate) log: Vec<String>,
}

/// The failed ones of `task_runs`, in order. What was cancelled did not fail.
pub(crate) fn failures(task_runs: &[Value]) -> Vec<Failure> {
    task_runs
        .iter()
        .filter(|run| Phase::of(run) == Phase::Failed)
        .map(failure)
        .collect()
}

fn failure(run: &Value) -> Failure {
    let mut failure = Failure {
        task: json::task_of(run),
        pod: json::text(run, "/status/podName").to_owned(),
        namespace: json::namespace(run).to_owned(),
        ..Failure::default()
    };
    let (_, reason, message) = json::condition(run);
    let step = json::list(run, "/status/steps").iter().find(|step| is_culprit(step));
    if let Some(step) = step {
        failure.step = json::text(step, "/name").to_owned();
        failure.container = match json::text(step, "/container") {
            "" => format!("step-{}", failure.step),
            container => container.to_owned(),
        };
    }
    failure.what = match step {
        Some(step) if is_plain_failure(reason) => exited(step),
        _ if message.is_empty() => reason.to_owned(),
        _ => message.to_owned(),
    };
    failure
}

/// Whether the exit code says all; a timeout or an unreadable result is told by the condition.
fn is_plain_failure(reason: &str) -> bool {
    matches!(reason, "Failed" | "StepFailed" | "")
}

/// The step that made the task fail: not one that was only skipped because of it.
fn is_culprit(step: &Value) -> bool {
    let code = step
        .pointer("/terminated/exitCode")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    code != 0 && !matches!(json::text(step, "/terminationReason"), "Skipped" | "Continued")
}

fn exited(step: &Value) -> String {
    let code = step
        .pointer("/terminated/exitCode")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let start = json::time(step, "/terminated/startedAt");
    let end = json::time(step, "/terminated/finishedAt");
    match (start, end) {
        (Some(start), Some(end)) => format!("exited {code} after {}", exact(end.duration_since(start))),
        _ => format!("exited {code}"),
    }
}

/// The first line that looks like a reason, else the last that is not empty.
pub(crate) fn useful_line(log: &[String]) -> Option<String> {
    let lines: Vec<String> = log.iter().map(|line| plain(line).trim().to_owned()).collect();
    let telling = lines.iter().find(|line| {
        let lower = line.to_lowercase();
        TELLING.iter().any(|word| lower.contains(word))
    });
    telling
        .or_else(|| lines.iter().rev().find(|line| !line.is_empty()))
        .cloned()
}

pub(super) fn section(page: &mut Page, failures: &[Failure]) {
    if failures.is_empty() {
        return;
    }
    page.heading(Heading::Failures);
    let rows = failures
        .iter()
        .map(|failure| {
            [
                failure.task.clone(),
                if failure.step.is_empty() {
                    "---".to_owned()
                } else {
                    failure.step.clone()
                },
                failure.what.clone(),
                useful_line(&failure.log).unwrap_or_else(|| "---".to_owned()),
            ]
        })
        .collect();
    page.table(["TASK", "STEP", "WHAT", "LOG"], rows);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{failures, useful_line};

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn the_useful_line_names_a_reason() {
        let log = lines(&["+ helm upgrade", "\x1b[31mError: UPGRADE FAILED\x1b[0m", "goodbye", ""]);
        assert_eq!(useful_line(&log).as_deref(), Some("Error: UPGRADE FAILED"));
        assert_eq!(useful_line(&lines(&["one", "two", ""])).as_deref(), Some("two"));
        assert_eq!(useful_line(&[]), None);
    }

    #[test]
    fn the_step_that_failed_is_named_not_those_skipped_after_it() {
        let run = json!({
            "metadata": {"name": "r-deploy", "namespace": "ci", "labels": {"tekton.dev/pipelineTask": "deploy"}},
            "status": {
                "podName": "r-deploy-pod",
                "conditions": [{"status": "False", "reason": "Failed", "message": "a step failed"}],
                "steps": [
                    {"name": "a", "container": "step-a", "terminationReason": "Completed",
                     "terminated": {"exitCode": 0}},
                    {"name": "b", "container": "step-b", "terminationReason": "Error", "terminated": {
                        "exitCode": 3, "startedAt": "2026-11-23T13:05:02Z", "finishedAt": "2026-11-23T13:05:33Z"}},
                    {"name": "c", "container": "step-c", "terminationReason": "Skipped",
                     "terminated": {"exitCode": 1}},
                ],
            },
        });
        let found = failures(&[run]);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].task.as_str(), found[0].container.as_str()),
            ("deploy", "step-b")
        );
        assert_eq!(found[0].what, "exited 3 after 31s");
    }

    #[test]
    fn a_timeout_is_told_by_its_message() {
        let run = json!({
            "metadata": {"name": "r"},
            "status": {"conditions": [{"status": "False", "reason": "TaskRunTimeout", "message": "took longer than 1s"}]},
        });
        assert_eq!(failures(&[run])[0].what, "took longer than 1s");
    }
}
