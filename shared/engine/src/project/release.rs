//! What a run says of releases: the reason it failed with, a sentence, and which ones it touched.

use std::borrow::Cow;

use tidemill_messages::{ReleaseName, ReleaseStatus, Rollback};

use crate::deploy;
use crate::plan::Plan;
use crate::state::{Fallen, ReleasePhase, RunState};

/// Annotation of the run: the releases its tasks deployed, and what became of each.
const ANNOTATION_RELEASES: &str = "tidemill.dev/releases";

/// The reason of a run that failed because of a release.
pub(super) fn reason(fallen: &Fallen<'_>) -> Cow<'static, str> {
    match fallen.back_at() {
        Some(to) => format!("RolledBackToRevision{to}").into(),
        None if fallen.is_stuck() => "RollbackFailed".into(),
        None => "Failed".into(),
    }
}

/// What became of the release that was not deployed, as a sentence to add; empty when nothing is
/// known of one.
pub(super) fn told(state: &RunState) -> String {
    if let Some(waiting) = waiting(state) {
        return waiting;
    }
    let Some(fallen) = state.fallen() else {
        return String::new();
    };
    let report = fallen.report;
    let mut text = format!(". Release {}", called(&report.release));
    match (report.status, report.revision) {
        (Some(ReleaseStatus::Failed), 0) | (None, _) => text.push_str(" failed"),
        (Some(ReleaseStatus::Failed), revision) => text.push_str(&format!(" failed at revision {revision}")),
        (Some(status), 0) => text.push_str(&format!(" is {status}")),
        (Some(status), revision) => text.push_str(&format!(" is {status} at revision {revision}")),
    }
    if !report.cause.is_empty() {
        text.push_str(&format!(" ({})", report.cause));
    }
    text.push_str(&ending(state, &fallen));
    text
}

fn ending(state: &RunState, fallen: &Fallen<'_>) -> String {
    let failed = fallen
        .failed
        .and_then(|node| Some(state.plan()?.task_name(node).to_owned()));
    match (&fallen.report.rollback, failed) {
        (Rollback::Done { to }, _) => format!(" and was rolled back to revision {to}"),
        (Rollback::Failed { message }, _) => format!("; it was not rolled back: {message}"),
        (Rollback::Running { task_run, .. }, _) => {
            format!("; it was not rolled back in time, see TaskRun {task_run:?}")
        }
        (_, Some(task)) => format!("; task {task:?}, which was to look after it, failed"),
        _ if fallen.unheard => "; what became of it then was not heard in time".to_owned(),
        _ => String::new(),
    }
}

/// What the run waits for.
fn waiting(state: &RunState) -> Option<String> {
    if !state.awaits_release() {
        return None;
    }
    state.releases.iter().find_map(|release| match &release.phase {
        ReleasePhase::Awaited { .. } => Some(format!(
            ". Waiting to hear what became of the release of {:?}",
            release.task
        )),
        ReleasePhase::RollingBack { report, .. } => match &report.rollback {
            Rollback::Running { task_run, to, .. } => Some(format!(
                ". Release {} failed at revision {}; TaskRun {task_run:?} rolls it back to revision {to}",
                called(&report.release),
                report.revision
            )),
            _ => None,
        },
        ReleasePhase::Closing { report, .. } => Some(format!(
            ". Waiting to hear what became of release {}",
            called(&report.release)
        )),
        _ => None,
    })
}

/// The annotation that names what the run's tasks deployed; none when there is nothing.
pub(super) fn touched(state: &RunState, plan: &Plan) -> Option<(String, String)> {
    let nodes = 0..plan.nodes.len() as u32;
    let told: Vec<String> = nodes
        .filter(|node| {
            plan.nodes[*node as usize].deploys && state.children_of(*node).iter().any(|child| child.exists())
        })
        .filter_map(|node| one(state, plan, node))
        .collect();
    (!told.is_empty()).then(|| (ANNOTATION_RELEASES.to_owned(), told.join("; ")))
}

fn one(state: &RunState, plan: &Plan, node: u32) -> Option<String> {
    let mut text = deploy::release_of(state, plan.task_name(node))?.to_string();
    let Some(report) = state.release(node).and_then(|release| release.report()) else {
        return Some(text);
    };
    if let Some(status) = report.status {
        text.push_str(&format!(" {status}"));
    }
    if report.revision > 0 {
        text.push_str(&format!(" at revision {}", report.revision));
    }
    match &report.rollback {
        Rollback::Done { to } => text.push_str(&format!(", rolled back to revision {to}")),
        Rollback::Failed { .. } => text.push_str(", not rolled back"),
        Rollback::None | Rollback::Running { .. } => {}
    }
    Some(text)
}

fn called(release: &ReleaseName) -> String {
    if release.name.is_empty() {
        "of a task".to_owned()
    } else {
        format!("{:?} in namespace {:?}", release.name, release.namespace)
    }
}
