//! Spans of a run, its attempts and their steps. Pure.

use jiff::{SignedDuration, Timestamp};
use tidemill_engine::RunState;
use tidemill_engine::trace::{self, AttemptView, RunView};
use tidemill_messages::release::{ANNOTATION_RELEASE_EVENT, ANNOTATION_ROLLBACK_OF};
use tidemill_messages::stream::RUNS;
use tidemill_messages::trace::Span as Of;
use tidemill_messages::{Ending, RunKind, Traceparent};
use tidemill_resources::meta::ConditionStatus;
use tidemill_resources::task_run::{StepState, TerminationReason};
use tidemill_telemetry::span::{Kind, Link, Parent, Span};

/// The scope of these spans.
const SCOPE: &str = "tidemill.run";
/// Annotation with the key of the event that a run was made for.
const ANNOTATION_EVENT: &str = "tidemill.dev/event";

/// Spans of a run that is over: its own, and the search for what it refers to.
pub(crate) fn run(state: &RunState) -> Vec<Span> {
    let Some(view) = trace::run(state) else {
        return Vec::new();
    };
    let context = trace::run_context(state);
    let parent = trace::parent_context(state);
    let mut span = Span::new(
        SCOPE,
        format!("RUN {}", view.pipeline),
        context,
        (view.seen_at, view.ended_at),
    )
    .under(parent.map(|context| Parent {
        context,
        is_remote: true,
    }))
    .role(Kind::Server)
    .with("cicd.pipeline.action.name", "RUN")
    .with("cicd.pipeline.name", view.pipeline)
    .with("cicd.pipeline.run.id", state.uid())
    .with("cicd.pipeline.result", result(&view))
    .with("k8s.namespace.name", state.namespace())
    .with("tidemill.run.kind", kind(view.kind))
    .with("tidemill.run.name", state.name())
    .with("tidemill.run.reason", view.reason)
    .failed((view.status == ConditionStatus::False).then(|| view.message.to_owned()));
    if view.status == ConditionStatus::False {
        span = span.with("error.type", view.reason);
    }
    span.links = links(state, &context);
    let resolution = view.started_at.map(|started| {
        let itself = context.span(Of::Resolution { uid: state.uid() });
        Span::new(SCOPE, "resolve", itself, (view.seen_at, started)).below(context)
    });
    std::iter::once(span).chain(resolution).collect()
}

/// The event it was made for; that of the release that came of; the run it undoes.
fn links(state: &RunState, context: &Traceparent) -> Vec<Link> {
    let Some(run) = state.run() else { return Vec::new() };
    let event = run.annotation(ANNOTATION_EVENT).map(|key| Link {
        context: context.span(Of::Event { key }),
        attributes: vec![("tidemill.link", "triggered by".into())],
    });
    let undone = run.annotation(ANNOTATION_ROLLBACK_OF).and_then(|attempt| {
        let (uid, _) = attempt.split_once('/')?;
        Some(Link {
            context: context.span(Of::Run { uid }),
            attributes: vec![("tidemill.link", "undoes".into())],
        })
    });
    let release = run.annotation(ANNOTATION_RELEASE_EVENT).and_then(|context| {
        Some(Link {
            context: context.parse().ok()?,
            attributes: vec![("tidemill.link", "triggered by release".into())],
        })
    });
    event.into_iter().chain(release).chain(undone).collect()
}

/// Spans of an attempt that is over: its own, its wait for a runner, the start of its pod, its steps.
pub(crate) fn attempt(state: &RunState, task: &str, attempt: u32) -> Vec<Span> {
    let Some(view) = trace::attempt(state, task, attempt) else {
        return Vec::new();
    };
    let uid = state.uid();
    let context = trace::attempt_context(state, task, attempt);
    let end = view.outcome.completed_at;
    let (result, error) = ending(&view);
    let mut span = Span::new(SCOPE, view.pipeline_task, context, (view.since, end))
        .below(trace::run_context(state))
        .with("cicd.pipeline.task.name", view.pipeline_task)
        .with("cicd.pipeline.task.run.id", view.task_run_uid.as_str())
        .with("cicd.pipeline.task.run.result", result)
        .with("cicd.pipeline.task.type", if view.deploys { "deploy" } else { "" })
        .with("cicd.pipeline.run.id", uid)
        .with("k8s.namespace.name", state.namespace())
        .with("k8s.pod.name", view.outcome.pod_name.as_str())
        .with("tidemill.task.key", task)
        .with("tidemill.task.run.name", view.task_run.as_str())
        .with("tidemill.task.attempt", attempt)
        .with("tidemill.task.class", view.class.as_str());
    if let Some((kind, message)) = error {
        span = span.with("error.type", kind).failed(Some(message));
    }
    if let Some(before) = attempt.checked_sub(1) {
        span.links.push(Link {
            context: trace::attempt_context(state, task, before),
            attributes: vec![("tidemill.link", "retries".into())],
        });
    }
    let mut spans = vec![span];
    spans.extend(parts(uid, task, attempt, &view, &context));
    spans
}

/// What an attempt consists of.
fn parts(uid: &str, task: &str, attempt: u32, view: &AttemptView<'_>, context: &Traceparent) -> Vec<Span> {
    let outcome = view.outcome;
    // Runner and planner may have clocks of their own.
    let left = outcome.started_at.unwrap_or(outcome.completed_at).max(view.since);
    let queue = Span::new(
        SCOPE,
        "queue",
        context.span(Of::Queue { uid, task, attempt }),
        (view.since, left),
    )
    .below(*context)
    .role(Kind::Consumer)
    .with("messaging.system", "nats")
    .with("messaging.operation.name", "receive")
    .with("messaging.operation.type", "receive")
    .with("messaging.destination.name", RUNS)
    .with("messaging.destination.subscription.name", view.class.as_str());
    let mut spans = vec![queue];
    let Some(started) = outcome.started_at else {
        return spans;
    };
    let times: Vec<_> = (0..outcome.steps.len())
        .map(|index| step_times(view, started, index))
        .collect();
    let first = times.iter().flatten().map(|(start, _)| *start).min();
    let pod = context.span(Of::PodStart { uid, task, attempt });
    spans.push(
        Span::new(
            SCOPE,
            "start pod",
            pod,
            (started, first.unwrap_or(outcome.completed_at)),
        )
        .below(*context)
        .with("k8s.pod.name", outcome.pod_name.as_str()),
    );
    for (step, times) in outcome.steps.iter().zip(times) {
        let Some(times) = times else { continue };
        let itself = context.span(Of::Step {
            uid,
            task,
            attempt,
            step: &step.container,
        });
        spans.push(step_span(step, itself, times).below(*context));
    }
    spans
}

/// When a step ran; `None`: it did not. States have whole seconds, so the attempt's own times count.
fn step_times(view: &AttemptView<'_>, started: Timestamp, index: usize) -> Option<(Timestamp, Timestamp)> {
    let step = view.outcome.steps.get(index)?;
    if step.termination_reason == Some(TerminationReason::Skipped) {
        return None;
    }
    if let Some((from, to)) = view.outcome.step_times_us.get(index) {
        let at = |micros: i64| started.checked_add(SignedDuration::from_micros(micros)).ok();
        return Some((at(*from)?, at(*to)?));
    }
    let terminated = step.terminated.as_ref()?;
    let (from, to) = (terminated.started_at.as_ref()?.0, terminated.finished_at.as_ref()?.0);
    Some((from.max(started), to.max(started)))
}

fn step_span(step: &StepState, context: Traceparent, times: (Timestamp, Timestamp)) -> Span {
    let code = step.terminated.as_ref().map_or(0, |state| state.exit_code);
    let reason = step
        .termination_reason
        .map(|reason| format!("{reason:?}"))
        .unwrap_or_default();
    let mut span = Span::new(SCOPE, format!("step {}", step.name), context, times)
        .with("container.name", step.container.as_str())
        .with("container.image.name", step.image_id.as_str())
        .with("process.exit.code", i64::from(code))
        .with("tidemill.step.name", step.name.as_str())
        .with("tidemill.step.reason", reason.as_str());
    let is_bad = code != 0
        || matches!(
            step.termination_reason,
            Some(TerminationReason::Error | TerminationReason::TimeoutExceeded | TerminationReason::Cancelled)
        );
    if is_bad {
        span = span
            .with("error.type", reason)
            .failed(Some(format!("exit code {code}")));
    }
    span
}

fn kind(kind: RunKind) -> &'static str {
    match kind {
        RunKind::PipelineRun => "PipelineRun",
        RunKind::TaskRun => "TaskRun",
    }
}

/// In OpenTelemetry's words.
fn result(view: &RunView<'_>) -> &'static str {
    match (view.status, view.reason) {
        (ConditionStatus::True, _) => "success",
        (_, reason) if reason.contains("Cancel") => "cancellation",
        (_, reason) if reason.contains("Timeout") || reason.contains("TimedOut") => "timeout",
        (_, reason) if reason == "Failed" || reason.starts_with("Roll") => "failure",
        _ => "error",
    }
}

/// The result in OpenTelemetry's words, and for what did not succeed a word and a sentence.
fn ending(view: &AttemptView<'_>) -> (&'static str, Option<(String, String)>) {
    let bad = |result, kind: &str, message: &str| (result, Some((kind.to_owned(), message.to_owned())));
    match &view.outcome.ending {
        Ending::Succeeded => ("success", None),
        Ending::Failed { reason, message } => bad("failure", reason, message),
        Ending::Cancelled => bad("cancellation", "Cancelled", "it was told to end"),
        Ending::TimedOut => bad("timeout", "TimedOut", "its time was up"),
        Ending::Lost { message } => bad("error", "RunnerLost", message),
    }
}
