//! What a scenario must end in.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// `expected.yaml` of a scenario. What is not named is not looked at, but `tasks`: when given, it
/// names every TaskRun of the run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expected {
    /// Kind of the run: `PipelineRun` or `TaskRun`.
    pub kind: String,
    /// Name of the run.
    pub run: String,
    /// The file is refused with an error that holds this text; nothing is stored.
    pub refused: Option<String>,
    /// Something to do while it runs.
    pub act: Option<Act>,
    /// Status of the condition.
    pub status: String,
    /// Reason of the condition.
    pub reason: String,
    /// Text within the condition's message.
    pub message: Option<String>,
    /// Reason of each task's TaskRun, by pipeline task (with `-<index>` for a matrix).
    pub tasks: Option<BTreeMap<String, String>>,
    /// Text within the message of a task's TaskRun.
    pub task_messages: BTreeMap<String, String>,
    /// Reason by skipped task: when given, every one.
    pub skipped: Option<BTreeMap<String, String>>,
    /// Results of the run: when given, every one.
    pub results: Option<BTreeMap<String, Value>>,
    /// Results of a task.
    pub task_results: BTreeMap<String, BTreeMap<String, Value>>,
    /// Termination reasons of a task's steps.
    pub steps: BTreeMap<String, Vec<String>>,
    /// Exit codes of a task's steps.
    pub exit_codes: BTreeMap<String, Vec<i64>>,
    /// Number of attempts of a task.
    pub attempts: BTreeMap<String, usize>,
    /// Text within a task's log; `{namespace}` is the scenario's.
    pub logs: BTreeMap<String, String>,
    /// Texts that must not be in a task's log.
    pub logs_without: BTreeMap<String, Vec<String>>,
}

/// Something to do while the run goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Do it when this task (or TaskRun) runs.
    #[serde(default)]
    pub when_running: Option<String>,
    /// Do it when the run's condition has this reason.
    #[serde(default)]
    pub when_reason: Option<String>,
    /// Set `spec.status`.
    #[serde(default)]
    pub cancel: Option<String>,
    /// Merge this into the run.
    #[serde(default)]
    pub patch: Option<Value>,
}

impl Default for Expected {
    fn default() -> Self {
        Self {
            kind: "PipelineRun".to_owned(),
            run: "run".to_owned(),
            refused: None,
            act: None,
            status: String::new(),
            reason: String::new(),
            message: None,
            tasks: None,
            task_messages: BTreeMap::new(),
            skipped: None,
            results: None,
            task_results: BTreeMap::new(),
            steps: BTreeMap::new(),
            exit_codes: BTreeMap::new(),
            attempts: BTreeMap::new(),
            logs: BTreeMap::new(),
            logs_without: BTreeMap::new(),
        }
    }
}
