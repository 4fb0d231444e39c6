//! Whether a workload is ready, by what the cluster says of it. Pure.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use tidemill_messages::release::Cause;

use crate::manifest::Workload;

/// Where a workload stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Readiness {
    /// Everything it should have is there and ready.
    pub(crate) ready: bool,
    /// What the workload itself says is wrong, such as a quota.
    pub(crate) cause: Option<Cause>,
    /// Its pods, for a closer look.
    pub(crate) selector: Option<LabelSelector>,
}

impl Readiness {
    fn of(ready: bool) -> Self {
        Self {
            ready,
            cause: None,
            selector: None,
        }
    }

    /// A workload that is not there.
    pub(crate) fn missing(workload: &Workload) -> Self {
        Self {
            cause: Some(Cause {
                reason: "Missing".to_owned(),
                object: format!("{} {}", workload.kind.as_str(), workload.name),
                container: String::new(),
                message: "it does not exist".to_owned(),
                log: Vec::new(),
            }),
            ..Self::of(false)
        }
    }
}

pub(crate) fn of_deployment(one: &Deployment) -> Readiness {
    let spec = one.spec.as_ref();
    let status = one.status.clone().unwrap_or_default();
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let current = status.observed_generation >= one.metadata.generation;
    let ready = current
        && status.updated_replicas.unwrap_or(0) >= wanted
        && status.available_replicas.unwrap_or(0) >= wanted
        && status.replicas.unwrap_or(0) <= status.updated_replicas.unwrap_or(0);
    let blocked = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True");
    Readiness {
        cause: blocked.map(|condition| {
            let message = condition.message.clone().unwrap_or_default();
            blocked_cause("deployment", one.metadata.name.as_deref(), &message)
        }),
        selector: spec.map(|spec| spec.selector.clone()),
        ..Readiness::of(ready)
    }
}

/// A workload that may not have pods.
fn blocked_cause(kind: &str, name: Option<&str>, message: &str) -> Cause {
    let reason = if message.contains("exceeded quota") {
        "QuotaExceeded"
    } else {
        "FailedCreate"
    };
    Cause {
        reason: reason.to_owned(),
        object: format!("{kind} {}", name.unwrap_or_default()),
        container: String::new(),
        message: message.to_owned(),
        log: Vec::new(),
    }
}

pub(crate) fn of_stateful_set(one: &StatefulSet) -> Readiness {
    let spec = one.spec.as_ref();
    let status = one.status.clone().unwrap_or_default();
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let current = status.observed_generation >= one.metadata.generation;
    let ready = current
        && status.ready_replicas.unwrap_or(0) >= wanted
        && (status.update_revision == status.current_revision || status.updated_replicas.unwrap_or(0) >= wanted);
    Readiness {
        selector: spec.map(|spec| spec.selector.clone()),
        ..Readiness::of(ready)
    }
}

pub(crate) fn of_daemon_set(one: &DaemonSet) -> Readiness {
    let status = one.status.clone().unwrap_or_default();
    let wanted = status.desired_number_scheduled;
    let current = status.observed_generation >= one.metadata.generation;
    let ready = current && status.number_ready >= wanted && status.updated_number_scheduled.unwrap_or(0) >= wanted;
    Readiness {
        selector: one.spec.as_ref().map(|spec| spec.selector.clone()),
        ..Readiness::of(ready)
    }
}

/// A job that runs is as ready as one that is done; one that failed is not.
pub(crate) fn of_job(one: &Job) -> Readiness {
    let conditions = one.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let failed = conditions
        .into_iter()
        .find(|condition| condition.type_ == "Failed" && condition.status == "True");
    Readiness {
        cause: failed.map(|condition| Cause {
            reason: condition.reason.clone().unwrap_or_else(|| "Failed".to_owned()),
            object: format!("job {}", one.metadata.name.as_deref().unwrap_or_default()),
            container: String::new(),
            message: condition.message.clone().unwrap_or_default(),
            log: Vec::new(),
        }),
        selector: one.spec.as_ref().and_then(|spec| spec.selector.clone()),
        ..Readiness::of(failed.is_none())
    }
}

pub(crate) fn of_pod(one: &Pod) -> Readiness {
    let status = one.status.clone().unwrap_or_default();
    let has = |kind: &str| {
        status
            .conditions
            .iter()
            .flatten()
            .any(|condition| condition.type_ == kind && condition.status == "True")
    };
    let done = status.phase.as_deref() == Some("Succeeded");
    Readiness {
        selector: one.metadata.labels.clone().map(|labels| LabelSelector {
            match_labels: Some(labels),
            ..LabelSelector::default()
        }),
        ..Readiness::of(done || has("Ready"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(status: serde_json::Value) -> Readiness {
        of_deployment(
            &serde_json::from_value(json!({
                "metadata": {"name": "demo", "generation": 3},
                "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "demo"}}, "template": {}},
                "status": status,
            }))
            .unwrap(),
        )
    }

    #[test]
    fn a_deployment_is_ready_when_the_new_pods_are_and_the_old_are_gone() {
        let whole = json!({"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
        assert!(deployment(whole.clone()).ready);
        for (field, value) in [
            ("observedGeneration", 2),
            ("replicas", 3),
            ("updatedReplicas", 1),
            ("availableReplicas", 1),
        ] {
            let mut part = whole.clone();
            part[field] = value.into();
            assert!(!deployment(part).ready, "{field}");
        }
    }

    #[test]
    fn a_quota_is_named() {
        let blocked = deployment(json!({"conditions": [{"type": "ReplicaFailure", "status": "True",
            "reason": "FailedCreate", "message": "pods \"demo\" is forbidden: exceeded quota: few"}]}));
        assert_eq!(blocked.cause.unwrap().reason, "QuotaExceeded");
    }

    #[test]
    fn a_job_is_not_ready_only_when_it_failed() {
        let job =
            |status| of_job(&serde_json::from_value(json!({"metadata": {"name": "j"}, "status": status})).unwrap());
        assert!(job(json!({"active": 1})).ready);
        assert!(job(json!({"conditions": [{"type": "Complete", "status": "True"}]})).ready);
        let failed =
            job(json!({"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}));
        assert_eq!(
            (failed.ready, failed.cause.unwrap().reason.as_str()),
            (false, "BackoffLimitExceeded")
        );
    }
}
