//! How an attempt ends, in words.

use jiff::{SignedDuration, Timestamp};
use tidemill_engine::Fact;
use tidemill_messages::{AttemptOutcome, Ending, ReleaseName, ReleaseReport, ReleaseStatus, Rollback};
use tidemill_resources::ParamValue;
use tidemill_resources::task_run::{StepState, TaskRunResult};

/// `step.result=value`.
fn step_state(words: &str) -> Option<StepState> {
    let (path, value) = words.split_once('=')?;
    let (name, result) = path.split_once('.')?;
    Some(StepState {
        name: name.to_owned(),
        results: vec![TaskRunResult {
            name: result.to_owned(),
            kind: None,
            value: value.into(),
        }],
        ..StepState::default()
    })
}

/// An outcome in words: `succeeds [name=value ...]`, `fails [Reason] [name=value ...]`, `lost`,
/// `cancelled`, `timed-out`. `step.name=value` is a result of a step. A value in brackets is a list.
pub(crate) fn outcome(words: &str, at: Timestamp) -> AttemptOutcome {
    let mut parts = words.split_whitespace();
    let verb = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let reason = rest
        .iter()
        .find(|word| !word.contains('='))
        .copied()
        .unwrap_or("Failed");
    let ending = match verb {
        "succeeds" => Ending::Succeeded,
        "fails" => Ending::Failed {
            reason: reason.to_owned(),
            message: "as told".to_owned(),
        },
        "lost" => Ending::Lost {
            message: "the machine is gone".to_owned(),
        },
        "cancelled" => Ending::Cancelled,
        "timed-out" => Ending::TimedOut,
        other => panic!("unknown outcome {other:?}"),
    };
    let is_of_step = |word: &&str| word.split_once('=').is_some_and(|(name, _)| name.contains('.'));
    let (of_steps, of_task): (Vec<&str>, Vec<&str>) = rest.into_iter().partition(is_of_step);
    let results = of_task
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| TaskRunResult {
            name: name.to_owned(),
            kind: None,
            value: match value.strip_prefix('[').and_then(|value| value.strip_suffix(']')) {
                Some("") => ParamValue::Array(Vec::new()),
                Some(items) => ParamValue::Array(items.split(',').map(str::to_owned).collect()),
                None => value.into(),
            },
        });
    AttemptOutcome {
        ending,
        pod_name: "pod".to_owned(),
        started_at: Some(at),
        completed_at: at,
        steps: of_steps.into_iter().filter_map(step_state).collect(),
        step_times_us: Vec::new(),
        sidecars: Vec::new(),
        results: results.collect(),
    }
}

/// What the deployer says of a task's release: `task status revision`, then how going back stands:
/// nothing, `running 4` (for 5 minutes), `done 4`, `refused`. Status `none`: there is no release.
pub(crate) fn release(words: &str, attempt: u32, at: Timestamp) -> Fact {
    let words: Vec<&str> = words.split_whitespace().collect();
    let number = |index: usize| words[index].parse().unwrap();
    let rollback = match words.get(3).copied() {
        None => Rollback::None,
        Some("running") => Rollback::Running {
            task_run: "back".to_owned(),
            to: number(4),
            until: at + SignedDuration::from_mins(5),
        },
        Some("done") => Rollback::Done { to: number(4) },
        Some("refused") => Rollback::Failed {
            message: "no revision was verified".to_owned(),
        },
        Some(other) => panic!("unknown state of a rollback {other:?}"),
    };
    let report = ReleaseReport {
        release: ReleaseName {
            namespace: "ops".to_owned(),
            name: "demo".to_owned(),
        },
        revision: number(2),
        status: ReleaseStatus::of(words[1]),
        cause: "as seen".to_owned(),
        rollback,
    };
    Fact::ReleaseObserved {
        at,
        task: words[0].to_owned(),
        attempt,
        stage: None,
        report,
    }
}
