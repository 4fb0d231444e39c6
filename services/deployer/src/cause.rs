//! Why a release is not ready: the first thing in the cluster that says so.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use tidemill_messages::release::Cause;

use crate::Error;
use crate::cluster::Cluster;
use crate::manifest::Workload;

/// Reasons for which containers wait that do not pass by waiting.
const STUCK: [&str; 9] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "ImageInspectError",
];

/// The first cause among the workloads that are not ready; `None`: there is nothing to see.
pub(crate) async fn of(cluster: &Cluster, workloads: &[Workload], log_lines: u32) -> Result<Option<Cause>, Error> {
    let stands = cluster.readiness(workloads).await?;
    let mut vague = None;
    for (workload, stand) in workloads.iter().zip(stands).filter(|(_, stand)| !stand.ready) {
        if stand.cause.is_some() {
            return Ok(stand.cause);
        }
        if let Some(selector) = &stand.selector {
            for pod in cluster.pods(&workload.namespace, selector).await? {
                let Some((mut cause, certain)) = of_pod(&pod) else {
                    continue;
                };
                if !cause.container.is_empty() && log_lines > 0 {
                    cause.log = cluster.last_lines(&pod, &cause.container, log_lines).await;
                }
                if certain {
                    return Ok(Some(cause));
                }
                vague.get_or_insert(cause);
            }
        }
        vague.get_or_insert_with(|| Cause {
            reason: "NotReady".to_owned(),
            object: format!("{} {}", workload.kind.as_str(), workload.name),
            container: String::new(),
            message: String::new(),
            log: Vec::new(),
        });
    }
    Ok(vague)
}

/// What a pod says is wrong, and whether waiting will not mend it.
fn of_pod(pod: &Pod) -> Option<(Cause, bool)> {
    let status = pod.status.as_ref()?;
    let object = format!("pod {}", pod.metadata.name.as_deref().unwrap_or_default());
    let cause = |reason: &str, container: &str, message: String| Cause {
        reason: reason.to_owned(),
        object: object.clone(),
        container: container.to_owned(),
        message,
        log: Vec::new(),
    };
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = unscheduled {
        let reason = condition.reason.clone().unwrap_or_else(|| "Unschedulable".to_owned());
        return Some((cause(&reason, "", condition.message.clone().unwrap_or_default()), true));
    }
    let init = status.init_container_statuses.iter().flatten();
    let mut containers: Vec<&ContainerStatus> = init.chain(status.container_statuses.iter().flatten()).collect();
    containers.sort_by_key(|one| std::cmp::Reverse(stuck(one).is_some()));
    for one in containers {
        if let Some((reason, message)) = stuck(one) {
            let message = exit(one).unwrap_or(message);
            return Some((cause(&reason, &one.name, message), true));
        }
        if let Some(text) = exit(one).filter(|_| !one.ready) {
            return Some((cause("Error", &one.name, text), false));
        }
        let runs = one.state.as_ref().is_some_and(|state| state.running.is_some());
        if runs && !one.ready {
            return Some((
                cause("NotReady", &one.name, "it runs and is not ready".to_owned()),
                false,
            ));
        }
    }
    None
}

/// Why a container waits, if that does not pass.
fn stuck(one: &ContainerStatus) -> Option<(String, String)> {
    let waiting = one.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.clone()?;
    STUCK
        .contains(&reason.as_str())
        .then(|| (reason, waiting.message.clone().unwrap_or_default()))
}

/// How it ended the last time, if badly.
fn exit(one: &ContainerStatus) -> Option<String> {
    let ended = [one.state.as_ref(), one.last_state.as_ref()];
    let ended = ended
        .into_iter()
        .flatten()
        .find_map(|state| state.terminated.as_ref())?;
    if ended.exit_code == 0 {
        return None;
    }
    let reason = ended.reason.clone().filter(|reason| reason != "Error");
    Some(match reason {
        Some(reason) => format!("exit {} ({reason})", ended.exit_code),
        None => format!("exit {}", ended.exit_code),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: Value) -> Option<String> {
        let pod = serde_json::from_value(json!({"metadata": {"name": "demo-7c9d"}, "status": status})).unwrap();
        of_pod(&pod).map(|(cause, certain)| format!("{cause} {certain}"))
    }

    fn container(state: Value, last: Value, ready: bool) -> Value {
        json!({"containerStatuses": [{"name": "demo", "image": "i", "imageID": "", "restartCount": 1, "ready": ready,
            "state": state, "lastState": last}]})
    }

    #[test]
    fn what_a_pod_says_is_read() {
        let exit = json!({"terminated": {"exitCode": 2, "reason": "Error"}});
        let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "back-off 10s"}});
        for (status, said) in [
            (
                container(waiting("CrashLoopBackOff"), exit.clone(), false),
                Some("pod demo-7c9d: container demo: CrashLoopBackOff: exit 2 true"),
            ),
            (
                container(waiting("ImagePullBackOff"), json!({}), false),
                Some("pod demo-7c9d: container demo: ImagePullBackOff: back-off 10s true"),
            ),
            (container(waiting("ContainerCreating"), json!({}), false), None),
            (
                container(json!({"running": {}}), json!({}), false),
                Some("pod demo-7c9d: container demo: NotReady: it runs and is not ready false"),
            ),
            (container(json!({"running": {}}), exit, true), None),
            (
                json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]}),
                Some("pod demo-7c9d: Unschedulable: 0/1 nodes true"),
            ),
        ] {
            assert_eq!(pod(status.clone()).as_deref(), said, "{status}");
        }
    }
}
