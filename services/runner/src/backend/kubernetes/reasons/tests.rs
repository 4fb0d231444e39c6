use serde_json::{Value, json};

use super::*;

fn pod(status: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "x-pod", "namespace": "shop"},
        "spec": {
            "nodeName": "n1",
            "initContainers": [{"name": "sidecar-db", "restartPolicy": "Always"}],
            "containers": [{"name": "step-build", "image": "i"}],
        },
        "status": status,
    }))
    .unwrap()
}

fn container(name: &str, state: Value) -> Value {
    json!({"name": name, "image": "registry.example/i:1", "imageID": "", "ready": false, "restartCount": 0, "state": state})
}

fn step(state: Value) -> Value {
    json!({"phase": "Pending", "containerStatuses": [container("step-build", state)]})
}

fn reason_of(verdict: Verdict) -> (String, String) {
    match verdict {
        Verdict::Failed(trouble) | Verdict::Ended(trouble) | Verdict::Waiting(_, trouble) => {
            (trouble.reason, trouble.message)
        }
        Verdict::Well => panic!("nothing is wrong"),
    }
}

#[test]
fn what_keeps_a_container_from_starting_is_told_at_once_with_its_cause() {
    for (waiting, expected) in [
        ("ErrImagePull", "TaskRunImagePullFailed"),
        ("ImagePullBackOff", "TaskRunImagePullFailed"),
        ("InvalidImageName", "TaskRunImagePullFailed"),
        ("CreateContainerConfigError", "CreateContainerConfigError"),
        ("CreateContainerError", "PodCreationFailed"),
    ] {
        let verdict = judge(&pod(step(
            json!({"waiting": {"reason": waiting, "message": "the cause"}}),
        )));
        assert!(matches!(verdict, Verdict::Failed(_)), "{waiting}");
        let (reason, message) = reason_of(verdict);
        assert_eq!(reason, expected);
        assert!(
            message.contains("step-build") && message.contains("the cause") && message.contains("registry.example/i:1")
        );
    }
    assert_eq!(
        judge(&pod(step(json!({"waiting": {"reason": "PodInitializing"}})))),
        Verdict::Well
    );
}

#[test]
fn a_sidecars_image_counts_as_well() {
    let state = json!({"waiting": {"reason": "ImagePullBackOff", "message": "no"}});
    let status = json!({"phase": "Pending", "initContainerStatuses": [container("sidecar-db", state)]});
    assert_eq!(reason_of(judge(&pod(status))).0, "TaskRunImagePullFailed");
}

#[test]
fn memory_is_told_of_steps_sidecars_and_init_containers() {
    let killed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
    let of = |list: &str, name: &str| json!({"phase": "Failed", list: [container(name, killed.clone())]});
    for (list, name, expected) in [
        ("containerStatuses", "step-build", "StepOOM"),
        ("initContainerStatuses", "sidecar-db", "SidecarOOM"),
        ("initContainerStatuses", "prepare", "InitContainerOOM"),
    ] {
        let (reason, message) = reason_of(judge(&pod(of(list, name))));
        assert_eq!(reason, expected);
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn an_eviction_is_told_whoever_did_it() {
    let kubelet = json!({"phase": "Failed", "reason": "Evicted", "message": "the node was low on memory"});
    let api = json!({
        "phase": "Failed",
        "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "drained"}],
    });
    for (status, cause) in [(kubelet, "low on memory"), (api, "drained")] {
        let verdict = judge(&pod(status));
        assert!(matches!(verdict, Verdict::Ended(_)));
        let (reason, message) = reason_of(verdict);
        assert_eq!(reason, "PodEvicted");
        assert!(message.contains(cause), "{message}");
    }
}

#[test]
fn what_time_may_mend_is_waited_for() {
    let unschedulable = json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"},
    ]});
    let verdict = judge(&pod(unschedulable));
    assert!(matches!(verdict, Verdict::Waiting(Wait::Node, _)));
    let (reason, message) = reason_of(verdict);
    assert!(
        reason == "ExceededNodeResources" && message.contains("0/1 nodes"),
        "{message}"
    );
    let creating = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]});
    assert!(matches!(judge(&pod(creating)), Verdict::Waiting(Wait::Parts, _)));
}

#[test]
fn a_step_that_had_no_last_word_fails_with_its_exit_code() {
    let status = json!({"phase": "Failed", "containerStatuses": [container("step-build", json!({"terminated": {"exitCode": 75, "reason": "Error"}}))]});
    let (reason, message) = reason_of(judge(&pod(status)));
    assert!(reason == "Failed" && message.contains("75"), "{message}");
}

#[test]
fn a_node_is_silent_when_ready_containers_are_not_ready() {
    let mut ready = container("step-build", json!({"running": {}}));
    ready["ready"] = true.into();
    let status = |phase: &str, value: &str| {
        json!({
            "phase": phase, "containerStatuses": [ready.clone()], "conditions": [{"type": "Ready", "status": value}],
        })
    };
    assert_eq!(silent_node(&pod(status("Running", "False"))), Some("n1"));
    assert_eq!(silent_node(&pod(status("Running", "True"))), None);
}

#[test]
fn sidecars_hold_the_first_step_until_they_are_ready_or_have_ended() {
    let with = |state: Value, ready: bool, restarts: u32| {
        let mut status = container("sidecar-db", state);
        status["ready"] = ready.into();
        status["restartCount"] = restarts.into();
        sidecars_are_ready(&pod(json!({"phase": "Running", "initContainerStatuses": [status]})))
    };
    assert!(!with(json!({"running": {}}), false, 0));
    assert!(with(json!({"running": {}}), true, 0));
    assert!(with(json!({"terminated": {"exitCode": 1}}), false, 0));
    assert!(with(json!({"waiting": {"reason": "CrashLoopBackOff"}}), false, 1));
    assert!(!sidecars_are_ready(&pod(json!({"phase": "Pending"}))));
}
