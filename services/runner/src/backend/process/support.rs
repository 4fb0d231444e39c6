//! Whether this machine can do it, and what to change where it cannot.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use tidemill_messages::envelope::VERSION;
use tidemill_messages::plan::{Plan, PlanStep};
use tidemill_messages::{RunKind, RunReference, StartTask, TaskRunIdentity};
use tidemill_resources::task::TaskSpec;
use uuid::Uuid;

use crate::backend::{Error, Play};

/// A kernel setting that keeps ordinary users from making namespaces: where it lies, the value that
/// forbids, and what to do.
const SETTINGS: [(&str, &str, &str); 4] = [
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "user namespaces are switched off: `sysctl -w user.max_user_namespaces=15000`",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "ordinary users may not make user namespaces: `sysctl -w kernel.unprivileged_userns_clone=1`",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor keeps programs without a profile from user namespaces: `sysctl -w \
         kernel.apparmor_restrict_unprivileged_userns=0`, or a profile with `userns,` for tidemill-step",
    ),
    (
        "/proc/sys/user/max_pid_namespaces",
        "0",
        "PID namespaces are switched off: `sysctl -w user.max_pid_namespaces=15000`",
    ),
];

/// A pod of one step that does nothing.
pub(super) fn smallest_pod() -> (Pod, Plan) {
    let step = Container {
        name: "step-probe".to_owned(),
        command: Some(vec!["true".to_owned()]),
        ..Container::default()
    };
    let spec = PodSpec {
        containers: vec![step],
        ..PodSpec::default()
    };
    let pod = Pod {
        spec: Some(spec),
        ..Pod::default()
    };
    let plan = Plan {
        version: VERSION,
        steps: vec![PlanStep::new("step-probe")],
        sidecars: Vec::new(),
        results: Vec::new(),
    };
    (pod, plan)
}

/// An attempt of its own for it.
pub(super) fn play_of(pod: Pod) -> Play {
    let command = StartTask {
        version: VERSION,
        run: RunReference {
            kind: RunKind::TaskRun,
            namespace: String::new(),
            name: "probe".to_owned(),
            uid: format!("probe-{}", Uuid::new_v4()),
        },
        task: "probe".to_owned(),
        attempt: 0,
        task_run: TaskRunIdentity {
            name: "probe".to_owned(),
            uid: String::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        },
        spec: TaskSpec::default(),
        workspaces: Vec::new(),
        service_account_name: String::new(),
        pod_template: None,
        step_specs: Vec::new(),
        sidecar_specs: Vec::new(),
        compute_resources: None,
        traceparent: None,
    };
    Play {
        key: command.key(),
        command: Arc::new(command),
        pod: Arc::new(pod),
    }
}

/// The error with what to do about it.
pub(super) fn explain(action: String, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let said = source.to_string();
    let advice = advice(&said, |path| fs::read_to_string(path).ok());
    Error::Place {
        action,
        source: format!("{said}; {advice}").into(),
    }
}

fn advice(said: &str, read: impl Fn(&str) -> Option<String>) -> String {
    let forbidden = SETTINGS
        .iter()
        .filter(|(path, value, _)| read(path).is_some_and(|found| found.trim() == *value));
    let known: Vec<&str> = forbidden.map(|(_, _, advice)| *advice).collect();
    if !known.is_empty() {
        return known.join("; ");
    }
    if said.contains("/proc of its own") {
        return "the container this runs in covers parts of /proc, and then no other may be mounted: run it with \
                `--security-opt systempaths=unconfined` (Docker) or `procMount: Unmasked` (Kubernetes), or use the \
                docker or kubernetes backend"
            .to_owned();
    }
    if said.contains("namespace") {
        return "the kernel allows no namespaces here although its settings do: in a container, its seccomp or AppArmor \
                profile forbids them; run it with `--security-opt seccomp=unconfined --security-opt \
                apparmor=unconfined`, or use the docker or kubernetes backend"
            .to_owned();
    }
    "the process backend needs Linux with user, mount and PID namespaces".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_forbids_is_named_with_its_remedy() {
        for (path, value, remedy) in SETTINGS {
            let text = advice("cannot make a user namespace", |asked| {
                (asked == path).then(|| format!("{value}\n"))
            });
            assert_eq!(text, remedy);
        }
    }

    #[test]
    fn a_container_that_forbids_is_told_apart() {
        let nothing = |_: &str| None;
        assert!(advice("cannot mount a /proc of its own: EPERM", nothing).contains("procMount"));
        assert!(advice("cannot make a user, a mount and a PID namespace: EPERM", nothing).contains("seccomp"));
    }
}
