//! What a pod's status says that its steps cannot say themselves, in Tekton's words. Pure.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod, PodStatus};
use tidemill_messages::plan::{SIDECAR_PREFIX, STEP_PREFIX};

/// What is to be thought of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is wrong.
    Well,
    /// It cannot run; time does not mend it.
    Failed(Trouble),
    /// It cannot run now; something else may mend it.
    Waiting(Wait, Trouble),
    /// It has ended. Its steps have said what there is to say, or never will.
    Ended(Trouble),
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// A node.
    Node,
    /// Its volumes, its network.
    Parts,
}

/// A reason and the words with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) reason: String,
    pub(super) message: String,
}

/// Waiting reasons of containers that end the attempt, with Tekton's reason.
const STUCK: [(&str, &str); 9] = [
    ("ErrImagePull", "TaskRunImagePullFailed"),
    ("ImagePullBackOff", "TaskRunImagePullFailed"),
    ("ErrImageNeverPull", "TaskRunImagePullFailed"),
    ("InvalidImageName", "TaskRunImagePullFailed"),
    ("ImageInspectError", "TaskRunImagePullFailed"),
    ("RegistryUnavailable", "TaskRunImagePullFailed"),
    ("CreateContainerConfigError", "CreateContainerConfigError"),
    ("CreateContainerError", "PodCreationFailed"),
    ("RunContainerError", "PodCreationFailed"),
];

/// Judges a pod.
pub(super) fn judge(pod: &Pod) -> Verdict {
    let Some(status) = &pod.status else {
        return Verdict::Well;
    };
    if let Some(trouble) = evicted(pod, status) {
        return Verdict::Ended(trouble);
    }
    if let Some(trouble) = statuses(status).find_map(stuck) {
        return Verdict::Failed(trouble);
    }
    if let Some(trouble) = init_failed(status) {
        return Verdict::Failed(trouble);
    }
    match status.phase.as_deref() {
        Some("Failed") => Verdict::Ended(failed(pod, status)),
        Some("Succeeded") => Verdict::Ended(trouble("Failed", "its steps ended without a word".to_owned())),
        Some("Pending") => pending(status),
        _ => Verdict::Well,
    }
}

/// The node the pod is on, if the cluster says that it does not answer any more.
pub(super) fn silent_node(pod: &Pod) -> Option<&str> {
    let status = pod.status.as_ref()?;
    let ready = condition(status, "Ready")?;
    let running = status.phase.as_deref() == Some("Running");
    let all_run = status
        .container_statuses
        .iter()
        .flatten()
        .any(|container| state(container).is_some_and(|state| state.running.is_some()) && container.ready);
    // The node's controller, not its kubelet, says that a pod whose containers are ready is not.
    let silent = running && ready.status == "False" && all_run && pod.metadata.deletion_timestamp.is_none();
    pod.spec.as_ref()?.node_name.as_deref().filter(|_| silent)
}

/// Whether no sidecar holds the first step back: each is ready, or has ended once.
pub(super) fn sidecars_are_ready(pod: &Pod) -> bool {
    let sidecars = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    let names = sidecars
        .map(|container| &container.name)
        .filter(|name| name.starts_with(SIDECAR_PREFIX));
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.init_container_statuses.as_ref());
    names.into_iter().all(|name| {
        let status = statuses.into_iter().flatten().find(|status| status.name == *name);
        status.is_some_and(|status| status.ready || status.restart_count > 0 || has_ended(status))
    })
}

/// Whether a step's own process was started.
pub(super) fn has_step_started(pod: &Pod) -> bool {
    let containers = pod
        .status
        .iter()
        .flat_map(|status| status.container_statuses.iter().flatten());
    let mut steps = containers.filter(|container| container.name.starts_with(STEP_PREFIX));
    steps.any(|step| state(step).is_some_and(|state| state.running.is_some()) || has_ended(step))
}

fn has_ended(status: &ContainerStatus) -> bool {
    let ended = |state: &Option<ContainerState>| state.as_ref().is_some_and(|state| state.terminated.is_some());
    ended(&status.state) || ended(&status.last_state)
}

fn evicted(pod: &Pod, status: &PodStatus) -> Option<Trouble> {
    let disrupted = condition(status, "DisruptionTarget").filter(|condition| condition.status == "True");
    let gone = matches!(status.phase.as_deref(), Some("Failed")) || pod.metadata.deletion_timestamp.is_some();
    let own = status.reason.as_deref().filter(|reason| {
        matches!(
            *reason,
            "Evicted" | "Preempting" | "NodeLost" | "Shutdown" | "Terminated" | "NodeShutdown"
        )
    });
    match (own, disrupted) {
        (Some(reason), _) => Some(trouble(
            "PodEvicted",
            format!("the pod was evicted ({reason}): {}", text(&status.message)),
        )),
        (None, Some(condition)) if gone => Some(trouble(
            "PodEvicted",
            format!(
                "the pod was evicted ({}): {}",
                text(&condition.reason),
                text(&condition.message)
            ),
        )),
        _ => None,
    }
}

fn stuck(container: &ContainerStatus) -> Option<Trouble> {
    let waiting = state(container)?.waiting.as_ref()?;
    let found = waiting.reason.as_deref()?;
    let (_, reason) = STUCK.iter().find(|(known, _)| *known == found)?;
    let of = format!("container {} with image {:?}", container.name, container.image);
    Some(trouble(reason, format!("{of}: {found}: {}", text(&waiting.message))))
}

/// An init container that is no sidecar has failed.
fn init_failed(status: &PodStatus) -> Option<Trouble> {
    let containers = status.init_container_statuses.iter().flatten();
    let mut plain = containers.filter(|container| !container.name.starts_with(SIDECAR_PREFIX));
    plain.find_map(|container| {
        let ended = state(container)?
            .terminated
            .as_ref()
            .filter(|ended| ended.exit_code != 0)?;
        let reason = match ended.reason.as_deref() {
            Some("OOMKilled") => "InitContainerOOM",
            _ => "InitContainerFailed",
        };
        let message = format!(
            "init container {} exited with code {}: {}",
            container.name,
            ended.exit_code,
            text(&ended.message)
        );
        Some(trouble(reason, message))
    })
}

fn failed(pod: &Pod, status: &PodStatus) -> Trouble {
    let ended = |container: &ContainerStatus| {
        let ended = state(container)?
            .terminated
            .clone()
            .filter(|ended| ended.exit_code != 0)?;
        Some((container.name.clone(), ended))
    };
    let all = || statuses(status).filter_map(ended);
    let oom = all().find(|(_, ended)| ended.reason.as_deref() == Some("OOMKilled"));
    if let Some((name, ended)) = oom {
        let reason = if name.starts_with(STEP_PREFIX) {
            "StepOOM"
        } else {
            "SidecarOOM"
        };
        return trouble(
            reason,
            format!(
                "container {name} was ended for want of memory (OOMKilled, exit code {})",
                ended.exit_code
            ),
        );
    }
    if let Some((name, ended)) = all().find(|(name, _)| name.starts_with(STEP_PREFIX)) {
        let message = format!(
            "container {name} exited with code {} ({}) before its step could say so",
            ended.exit_code,
            text(&ended.reason)
        );
        return trouble("Failed", message);
    }
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let (reason, message) = (text(&status.reason), text(&status.message));
    trouble("Failed", format!("pod {name} failed: {reason}: {message}"))
}

fn pending(status: &PodStatus) -> Verdict {
    let unscheduled = condition(status, "PodScheduled").filter(|condition| condition.status == "False");
    if let Some(condition) = unscheduled.filter(|condition| condition.reason.as_deref() == Some("Unschedulable")) {
        let message = format!("no node takes the pod: {}", text(&condition.message));
        return Verdict::Waiting(Wait::Node, trouble("ExceededNodeResources", message));
    }
    let scheduled = condition(status, "PodScheduled").is_some_and(|condition| condition.status == "True");
    let nothing_runs = !statuses(status)
        .any(|container| state(container).is_some_and(|state| state.running.is_some() || state.terminated.is_some()));
    if scheduled && nothing_runs {
        let message = "its volumes or its network cannot be made ready".to_owned();
        return Verdict::Waiting(Wait::Parts, trouble("PodCreationFailed", message));
    }
    Verdict::Well
}

fn statuses(status: &PodStatus) -> impl Iterator<Item = &ContainerStatus> {
    let init = status.init_container_statuses.iter().flatten();
    init.chain(status.container_statuses.iter().flatten())
}

fn state(container: &ContainerStatus) -> Option<&ContainerState> {
    container.state.as_ref()
}

fn condition<'a>(status: &'a PodStatus, name: &str) -> Option<&'a k8s_openapi::api::core::v1::PodCondition> {
    status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == name)
}

fn text(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

fn trouble(reason: &str, message: String) -> Trouble {
    Trouble {
        reason: reason.to_owned(),
        message: message.trim_end_matches([':', ' ']).to_owned(),
    }
}

#[cfg(test)]
mod tests;
