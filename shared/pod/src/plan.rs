//! The plan: what Tekton knows of the containers and a Pod cannot say.

use tidemill_messages::plan::{Plan, PlanSidecar, PlanStep};
use tidemill_messages::{StartTask, envelope};
use tidemill_resources::step::{OnError, OutputConfig, Sidecar, Step};

use crate::names;

/// The plan of the task's pod.
pub(crate) fn of(command: &StartTask) -> Plan {
    let spec = &command.spec;
    Plan {
        version: envelope::VERSION,
        steps: spec.steps.iter().enumerate().map(step).collect(),
        sidecars: spec.sidecars.iter().enumerate().map(sidecar).collect(),
        results: spec.results.clone(),
    }
}

fn step((position, step): (usize, &Step)) -> PlanStep {
    let limit = step.timeout.filter(|limit| !limit.is_zero());
    PlanStep {
        script: script(&step.script),
        on_error: step.on_error.clone().unwrap_or(OnError::StopAndFail),
        // A limit below a millisecond is still a limit.
        timeout_ms: limit.map(|limit| u64::try_from(limit.as_millis()).unwrap_or_default().max(1)),
        when: step.when.clone(),
        results: step.results.clone(),
        stdout_path: path(step.stdout_config.as_ref()),
        stderr_path: path(step.stderr_config.as_ref()),
        ..PlanStep::new(names::step_container(&step.name, position))
    }
}

fn sidecar((position, sidecar): (usize, &Sidecar)) -> PlanSidecar {
    PlanSidecar {
        container: names::sidecar_container(&sidecar.name, position),
        script: script(&sidecar.script),
    }
}

fn script(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn path(config: Option<&OutputConfig>) -> Option<String> {
    config.map(|config| config.path.clone()).filter(|path| !path.is_empty())
}
