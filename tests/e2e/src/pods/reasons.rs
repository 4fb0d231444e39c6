//! What cannot run says so at once, in Tekton's words with the cause.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Place, timed};
use crate::Test;

/// Far below any time limit of a task.
const AT_ONCE: Duration = Duration::from_secs(45);

pub(super) fn tests() -> Vec<Test> {
    vec![Test::new("pods::what_cannot_run_says_why_at_once", all)]
}

/// Name, spec, reason, a part of the message.
const CASES: [(&str, &str, &str, &str); 6] = [
    (
        "pull",
        "  taskSpec: {steps: [{name: a, image: 'registry.invalid/none:1', script: 'true'}]}",
        "TaskRunImagePullFailed",
        "registry.invalid/none:1",
    ),
    (
        "memory",
        "  taskSpec: {steps: [{name: a, image: IMAGE, computeResources: {limits: {memory: 24Mi}}, script: 'x=a; while true; do x=$x$x; done'}]}",
        "StepOOM",
        "memory",
    ),
    (
        "room",
        "  taskSpec: {steps: [{name: a, image: IMAGE, computeResources: {requests: {cpu: '1000'}}, script: 'true'}]}",
        "ExceededNodeResources",
        "Insufficient cpu",
    ),
    (
        "config",
        "  taskSpec: {steps: [{name: a, image: IMAGE, env: [{name: X, valueFrom: {secretKeyRef: {name: nowhere, key: x}}}], script: 'true'}]}",
        "CreateContainerConfigError",
        "nowhere",
    ),
    (
        "invalid",
        "  podTemplate: {nodeSelector: {'not a label': x}}\n  taskSpec: {steps: [{name: a, image: IMAGE, script: 'true'}]}",
        "PodCreationFailed",
        "not a label",
    ),
    (
        "fails",
        "  taskSpec: {steps: [{name: a, image: IMAGE, script: 'exit 7'}, {name: b, image: IMAGE, script: 'true'}]}",
        "Failed",
        "code 7",
    ),
];

fn all() -> Result<()> {
    let place = Place::new("pods-reasons")?;
    for (name, spec, reason, message) in CASES {
        place.create("TaskRun", name, spec)?;
        let (ended, took) = timed(|| place.ended("taskrun", name))?;
        ensure!(ended.0 == reason && ended.1.contains(message), "{name}: {ended:?}");
        ensure!(took < AT_ONCE, "{name} took {took:?}");
    }
    let failed = place.object("taskrun", "fails")?;
    ensure!(
        failed["status"]["steps"][1]["terminationReason"] == "Skipped",
        "{}",
        failed["status"]["steps"]
    );
    place.in_cluster("apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: none}\nspec: {hard: {pods: '0'}}\n")?;
    let spec = "  taskSpec: {steps: [{name: a, image: IMAGE, script: 'true'}]}";
    place.create("TaskRun", "quota", spec)?;
    let ended = place.ended("taskrun", "quota")?;
    ensure!(
        ended.0 == "ExceededResourceQuota" && ended.1.contains("exceeded quota"),
        "{ended:?}"
    );
    place
        .cluster
        .kubectl(&["delete", "resourcequota", "none", "-n", &place.namespace])?;
    let label = "pod-security.kubernetes.io/enforce=restricted";
    place
        .cluster
        .kubectl(&["label", "namespace", &place.namespace, label])?;
    place.create("TaskRun", "admission", spec)?;
    let ended = place.ended("taskrun", "admission")?;
    ensure!(
        ended.0 == "PodAdmissionFailed" && ended.1.contains("PodSecurity"),
        "{ended:?}"
    );
    place.must_be_clean()
}
