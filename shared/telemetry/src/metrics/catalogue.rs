//! Every metric there is. Dashboard and alerts name these; a test compares.
//!
//! Names are Tekton's where it has one for the same thing, those that it had before as well. Its
//! `taskruns_pod_latency_milliseconds` is left out, since a label of it is the pod: `tidemill_queue_wait_seconds` and
//! `tidemill_step_start_seconds` tell the same.

use super::family::{Family, Kind, Label};

/// How a run or attempt ended, in Tekton's words.
const STATUS: Label = ("status", &["success", "failed", "cancelled"]);
/// Who runs a task; classes of a user's own are `other`.
const CLASS: Label = ("class", &["process", "docker", "kubernetes", "other"]);
/// What became of an event.
const OUTCOME: Label = (
    "outcome",
    &["accepted", "filtered", "refused", "failed", "dead", "other"],
);
/// Which messages came again.
const STREAM: Label = ("stream", &["facts", "tasks", "events", "other"]);
/// Where a release stands.
const RELEASE: Label = (
    "status",
    &[
        "deployed",
        "superseded",
        "failed",
        "uninstalled",
        "verified",
        "degraded",
        "recovered",
        "unlocked",
        "rollback-started",
        "rolled-back",
        "rollback-failed",
        "other",
    ],
);

/// Times of PipelineRuns.
pub static PIPELINE_RUN_DURATION: Family = Family::new(
    "tekton_pipelines_controller_pipelinerun_duration_seconds",
    Kind::Seconds,
    &[STATUS],
    "How long PipelineRuns took.",
);
/// PipelineRuns that ended.
pub static PIPELINE_RUNS: Family = Family::new(
    "tekton_pipelines_controller_pipelinerun_total",
    Kind::Counter,
    &[STATUS],
    "PipelineRuns that ended.",
)
.also(&["tekton_pipelines_controller_pipelinerun_count"]);
/// Times of the TaskRuns of PipelineRuns.
pub static PIPELINE_TASK_DURATION: Family = Family::new(
    "tekton_pipelines_controller_pipelinerun_taskrun_duration_seconds",
    Kind::Seconds,
    &[STATUS],
    "How long attempts of the tasks of PipelineRuns took.",
);
/// Times of TaskRuns.
pub static TASK_RUN_DURATION: Family = Family::new(
    "tekton_pipelines_controller_taskrun_duration_seconds",
    Kind::Seconds,
    &[STATUS],
    "How long attempts of TaskRuns outside of PipelineRuns took.",
);
/// Attempts that ended.
pub static TASK_RUNS: Family = Family::new(
    "tekton_pipelines_controller_taskrun_total",
    Kind::Counter,
    &[STATUS],
    "Attempts of TaskRuns that ended.",
)
.also(&["tekton_pipelines_controller_taskrun_count"]);
/// Runs under way.
pub static RUNNING_RUNS: Family = Family::new(
    "tekton_pipelines_controller_running_pipelineruns",
    Kind::Gauge,
    &[],
    "Runs under way, as this planner knows them.",
)
.also(&["tekton_pipelines_controller_running_pipelineruns_count"]);
/// Waits for a runner.
pub static QUEUE_WAIT: Family = Family::new(
    "tidemill_queue_wait_seconds",
    Kind::Seconds,
    &[CLASS],
    "From the dispatch of an attempt until its sandbox or pod is started.",
);
/// Starts of steps.
pub static STEP_START: Family = Family::new(
    "tidemill_step_start_seconds",
    Kind::Seconds,
    &[CLASS],
    "From the start of a sandbox or pod until its first step runs.",
);
/// Decisions.
pub static DISPATCH: Family = Family::new(
    "tidemill_dispatch_seconds",
    Kind::Seconds,
    &[],
    "From facts in hand until the decision is stored and what follows from it is dispatched.",
);
/// Places of a runner.
pub static SLOTS: Family = Family::new(
    "tidemill_runner_slots",
    Kind::Gauge,
    &[],
    "Tasks this runner runs at once.",
);
/// Places that are taken.
pub static SLOTS_BUSY: Family = Family::new(
    "tidemill_runner_slots_busy",
    Kind::Gauge,
    &[],
    "Tasks this runner runs now.",
)
.also(&[
    "tekton_pipelines_controller_running_taskruns",
    "tekton_pipelines_controller_running_taskruns_count",
]);
/// What became of events.
pub static EVENTS: Family = Family::new(
    "tidemill_events_total",
    Kind::Counter,
    &[OUTCOME],
    "Webhooks that came to their end, by what became of them.",
);
/// Events that came again.
pub static EVENTS_REPEATED: Family = Family::new(
    "tidemill_events_repeated_total",
    Kind::Counter,
    &[],
    "Webhooks that came again and started nothing.",
);
/// Messages that came again.
pub static REDELIVERIES: Family = Family::new(
    "tidemill_redeliveries_total",
    Kind::Counter,
    &[STREAM],
    "Messages that came again because nobody acknowledged them.",
);
/// Transitions of releases.
pub static RELEASES: Family = Family::new(
    "tidemill_release_transitions_total",
    Kind::Counter,
    &[RELEASE],
    "Transitions of releases that this deployer was first to see.",
);
/// Spans that were taken.
pub static SPANS_EXPORTED: Family = Family::new(
    "tidemill_trace_spans_exported_total",
    Kind::Counter,
    &[],
    "Spans the collector has taken.",
);
/// Spans nobody took.
pub static SPANS_DROPPED: Family = Family::new(
    "tidemill_trace_spans_dropped_total",
    Kind::Counter,
    &[],
    "Spans dropped because the collector did not take them in time.",
);
/// Which Tidemill this is.
pub static BUILD_INFO: Family = Family::new(
    "tidemill_build_info",
    Kind::Gauge,
    &[("version", &[env!("CARGO_PKG_VERSION")])],
    "Always 1; the label tells the version.",
);

/// All of them.
pub static ALL: &[&Family] = &[
    &PIPELINE_RUN_DURATION,
    &PIPELINE_RUNS,
    &PIPELINE_TASK_DURATION,
    &TASK_RUN_DURATION,
    &TASK_RUNS,
    &RUNNING_RUNS,
    &QUEUE_WAIT,
    &STEP_START,
    &DISPATCH,
    &SLOTS,
    &SLOTS_BUSY,
    &EVENTS,
    &EVENTS_REPEATED,
    &REDELIVERIES,
    &RELEASES,
    &SPANS_EXPORTED,
    &SPANS_DROPPED,
    &BUILD_INFO,
];
