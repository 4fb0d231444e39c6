//! The last lines: how the run ended, and what to look at.

use serde_json::Value;

use super::model::Model;
use super::task::Phase;
use crate::describe::Failure;
use crate::json;
use crate::output::{Mark, Palette, clip, exact, plain, short};

/// Log lines shown of a failed step.
pub(crate) const SHOWN_LOG_LINES: usize = 8;
/// Failed tasks that are told one by one; of the others only how many there are.
const SHOWN_FAILURES: usize = 5;
/// Reasons that say no more than how the run ended.
const PLAIN_REASONS: [&str; 5] = ["Succeeded", "Completed", "Failed", "Cancelled", "TaskRunCancelled"];

/// The summary of a run that is over; `failures` with the last lines of their logs.
pub(crate) fn summary(model: &Model, run: &Value, failures: &[Failure], palette: Palette, columns: usize) -> String {
    let mut text = format!(" {}\n", ending(model, run, palette));
    let (status, reason, message) = json::condition(run);
    if !PLAIN_REASONS.contains(&reason) && !message.is_empty() {
        text.push_str(&format!("   {reason}: {}\n", plain(message)));
    }
    for failure in failures.iter().take(SHOWN_FAILURES) {
        text.push_str(&told(failure, palette, columns));
    }
    if failures.len() > SHOWN_FAILURES {
        text.push_str(&format!("   and {} more failed\n", failures.len() - SHOWN_FAILURES));
    }
    if status == "False" {
        text.push_str(&hint(run, failures, palette));
    }
    text
}

/// `✘ Failed   1m12s   5 tasks: 4 succeeded, 1 failed, 1 skipped`
fn ending(model: &Model, run: &Value, palette: Palette) -> String {
    let (status, reason, _) = json::condition(run);
    let (mark, word) = match (status, reason) {
        ("True", _) => (Mark::Succeeded, palette.green("Succeeded")),
        (_, "Cancelled" | "TaskRunCancelled") => (Mark::Cancelled, palette.yellow("Cancelled")),
        _ => (Mark::Failed, palette.red("Failed")),
    };
    let mut line = format!("{} {word}", palette.mark(mark));
    let (start, end) = (
        json::time(run, "/status/startTime"),
        json::time(run, "/status/completionTime"),
    );
    if let (Some(start), Some(end)) = (start, end) {
        let took = end.duration_since(start);
        // Whole seconds are all the object knows, unless it knows more.
        let took = if took.subsec_nanos() == 0 {
            exact(took)
        } else {
            short(took)
        };
        line.push_str(&format!("   {took}"));
    }
    let counts: Vec<String> = [Phase::Succeeded, Phase::Failed, Phase::Cancelled, Phase::Skipped]
        .into_iter()
        .filter(|phase| model.count(*phase) > 0)
        .map(|phase| format!("{} {}", model.count(phase), phase.word()))
        .collect();
    if !counts.is_empty() {
        let total = model.tasks.len();
        let plural = if total == 1 { "" } else { "s" };
        line.push_str(&format!("   {total} task{plural}: {}", counts.join(", ")));
    }
    line
}

fn told(failure: &Failure, palette: Palette, columns: usize) -> String {
    let step = if failure.step.is_empty() {
        String::new()
    } else {
        format!(" / {}", failure.step)
    };
    let log: Vec<String> = failure
        .log
        .iter()
        .map(|line| plain(line))
        .filter(|line| !line.trim().is_empty())
        .collect();
    let end = if log.is_empty() { "" } else { ":" };
    let separator = if failure.step.is_empty() { ": " } else { " " };
    let mut text = format!(
        "   {}{step}{separator}{}{end}\n",
        palette.bold(&failure.task),
        plain(&failure.what)
    );
    for line in log.iter().rev().take(SHOWN_LOG_LINES).rev() {
        text.push_str(&format!(
            "     {}\n",
            clip(line.trim_end(), columns.saturating_sub(6), palette.unicode)
        ));
    }
    text
}

fn hint(run: &Value, failures: &[Failure], palette: Palette) -> String {
    let name = json::name(run);
    let place = match json::namespace(run) {
        "" | "default" => String::new(),
        namespace => format!(" -n {namespace}"),
    };
    let between = palette.sign("   ·   ", "   ");
    if json::text(run, "/kind") == "TaskRun" {
        return format!("   hint: tidemill logs taskrun {name}{place}{between}tidemill describe tr {name}{place}\n");
    }
    let logs = failures.iter().find(|failure| !failure.pod.is_empty());
    let logs = logs.map(|failure| format!("tidemill logs {name}{place} --task {}{between}", failure.task));
    format!(
        "   hint: {}tidemill describe pr {name}{place}\n",
        logs.unwrap_or_default()
    )
}
