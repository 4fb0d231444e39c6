//! The streams and what lies in each.

/// One message an object; subject [`crate::subject::object`]. A deletion is a tombstone kept 1 h.
pub const OBJECTS: &str = "objects";
/// What happened: written by the gateway's intake, runners, the deployer.
pub const FACTS: &str = "facts";
/// What was decided: decisions, tasks, cancels. Written by the planner only.
pub const RUNS: &str = "runs";
/// Who holds which attempt, and the runners' leases.
pub const CLAIMS: &str = "claims";
/// Schedules that wake a run.
pub const TIMERS: &str = "timers";
/// What is too large for a message, under its SHA-256.
pub const BLOBS: &str = "blobs";
/// What the steps wrote.
pub const LOGS: &str = "logs";
/// Webhooks that came in, and what became of them. Written by ingest; the gateway asks for retries.
pub const EVENTS: &str = "events";
/// What became of releases. Written by the deployer only.
pub const RELEASES: &str = "releases";
/// When listeners fire by themselves. Written by ingest only.
pub const SCHEDULES: &str = "schedules";
/// What happened to runs and at listeners, as CloudEvents. Written by ingest only.
pub const CLOUD_EVENTS: &str = "cloudevents";

/// The subjects of each stream.
pub const SUBJECTS: [(&str, &[&str]); 11] = [
    (OBJECTS, &["object.>"]),
    (FACTS, &["fact.>"]),
    (RUNS, &["run.>"]),
    (CLAIMS, &["claim.>", "runner.*"]),
    (TIMERS, &["timer.>", "due.>"]),
    (BLOBS, &["blob.>"]),
    (LOGS, &["log.>"]),
    (EVENTS, &["event.>", "outcome.>", "retry.>", "notice.>"]),
    (RELEASES, &["release.>", "watching.*"]),
    (CLOUD_EVENTS, &["cloudevent.>"]),
    (SCHEDULES, &["schedule.>", "tick.>", "fired.>"]),
];
