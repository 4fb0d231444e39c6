use serde_json::json;
use tidemill_messages::assignment::Line;
use tidemill_messages::envelope::VERSION;
use tidemill_messages::plan::{Plan, PlanStep};
use tidemill_messages::sandbox::{Content, Limits};

use super::*;

fn assignment(key: &AttemptKey, masked: usize) -> Assignment {
    Assignment {
        version: VERSION,
        attempt: key.clone(),
        plan: plan(),
        line: Line::Nats {
            address: "10.0.0.1:4222".to_owned(),
            token: "hunter2".to_owned(),
        },
        gated: false,
        masked: vec![Content(vec![b'x'; masked])],
        credentials: Vec::new(),
        notes: Vec::new(),
        limits: Limits {
            log_bytes: 1,
            result_bytes: 1,
            results_bytes: 1,
            kill_grace_ms: 0,
            orphan_s: 1,
        },
    }
}

fn plan() -> Plan {
    Plan {
        version: VERSION,
        steps: vec![PlanStep::new("step-a")],
        sidecars: Vec::new(),
        results: Vec::new(),
    }
}

fn pod(key: &AttemptKey) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": "r-a-pod", "namespace": "shop",
            "labels": {"tekton.dev/taskRunUID": "t"},
            "annotations": {"tidemill.dev/plan": plan().to_annotation().unwrap(), "tidemill.dev/attempt": key.to_string()},
            "ownerReferences": [{"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": "r-a", "uid": "t"}],
        },
        "spec": {"containers": [{"name": "step-a", "image": "i", "command": ["true"]}]},
    }))
    .unwrap()
}

fn submitted(key: &AttemptKey, claims: &[String]) -> Submission {
    let delivery = Delivery::HostPath {
        path: "/opt/tidemill".to_owned(),
    };
    let wishes = Wishes {
        place: "here",
        delivery: &delivery,
        owner_references: false,
        one_node_claims: claims,
    };
    of(&pod(key), &assignment(key, 0), &wishes).unwrap_or_else(|error| panic!("{error}"))
}

/// The kubelet keeps a Secret that cannot change: one of the same name, made later, is not read.
#[test]
fn a_run_made_again_under_its_name_has_a_secret_of_another() {
    let name = |key: &AttemptKey| submitted(key, &[]).secret.metadata.name.unwrap();
    let (first, again) = (AttemptKey::new("u1", "a", 0), AttemptKey::new("u2", "a", 0));
    assert_ne!(name(&first), name(&again));
    assert_eq!(name(&first), name(&first));
    assert_ne!(name(&first), name(&AttemptKey::new("u1", "a", 1)));
}

#[test]
fn credentials_are_in_the_secret_and_nowhere_in_the_pod() {
    let key = AttemptKey::new("u", "a", 0);
    let Submission { pod, secret } = submitted(&key, &[]);
    let text = serde_json::to_string(&pod).unwrap();
    assert!(
        !text.contains("hunter2") && text.contains(&secret_name("r-a-pod", &key)),
        "{text}"
    );
    let bytes = &secret.data.as_ref().unwrap()["assignment"].0;
    assert_eq!(
        tidemill_messages::decode::<Assignment>("", bytes).unwrap(),
        assignment(&key, 0)
    );
    assert!(pod.metadata.owner_references.is_none());
    for meta in [&pod.metadata, &secret.metadata] {
        let labels = meta.labels.as_ref().unwrap();
        let selected = attempt_selector("here", &key);
        assert!(selected.split(',').all(|part| {
            let (name, value) = part.split_once('=').unwrap();
            labels.get(name).is_some_and(|found| found == value)
        }));
    }
}

#[test]
fn pods_of_a_run_that_mount_a_claim_of_one_node_want_to_be_together() {
    let claims = ["source".to_owned()];
    let of = |run: &str| {
        let pod = submitted(&AttemptKey::new(run, "a", 0), &claims).pod;
        let labels = pod.metadata.labels.unwrap();
        let affinity = pod.spec.unwrap().affinity.unwrap().pod_affinity.unwrap();
        let terms = affinity.required_during_scheduling_ignored_during_execution.unwrap();
        let selected = terms[0].label_selector.clone().unwrap().match_labels.unwrap();
        // It selects itself, else the first pod would never be scheduled.
        assert!(selected.iter().all(|(name, value)| labels.get(name) == Some(value)));
        selected
    };
    assert_eq!(of("one"), of("one"));
    assert_ne!(of("one"), of("two"));
}

#[test]
fn an_assignment_too_large_for_a_secret_is_refused_with_its_size() {
    let key = AttemptKey::new("u", "a", 0);
    let delivery = Delivery::HostPath {
        path: "/opt/tidemill".to_owned(),
    };
    let wishes = Wishes {
        place: "here",
        delivery: &delivery,
        owner_references: false,
        one_node_claims: &[],
    };
    let refused = of(&pod(&key), &assignment(&key, 1 << 20), &wishes).err().unwrap();
    assert!(refused.to_string().contains("a pod gets at most"), "{refused}");
}
