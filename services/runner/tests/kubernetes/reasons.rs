//! What becomes of pods that cannot run.

use serde_json::{Value, json};
use tidemill_runner::backend::{Backend, Error, Event};

use crate::kit::{Kit, POD, end, finished, play};

fn waiting(reason: &str, message: &str) -> Value {
    json!({"phase": "Pending", "containerStatuses": [{
        "name": "step-a", "image": "registry.example/i:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}},
    }]})
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_fails_the_task_at_once() {
    let kit = Kit::new();
    let mut attempt = kit.started().await;
    kit.api.status(POD, waiting("ErrImagePull", "pull access denied"));
    let (reason, message) = attempt.failure().await;
    assert_eq!(reason, "TaskRunImagePullFailed");
    assert!(
        message.contains("pull access denied") && message.contains("registry.example/i:1"),
        "{message}"
    );
    attempt.playing.remove().await.unwrap();
    assert!(kit.api.names("pods").is_empty());
}

#[tokio::test]
async fn a_pod_no_node_takes_fails_after_its_patience() {
    let kit = Kit::new();
    let mut attempt = kit.started().await;
    kit.api.status(POD, json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: Insufficient cpu"},
    ]}));
    let (reason, message) = attempt.failure().await;
    assert_eq!(reason, "ExceededNodeResources");
    assert!(message.contains("Insufficient cpu"), "{message}");
}

#[tokio::test]
async fn memory_and_eviction_have_tektons_reasons() {
    let killed = json!({"phase": "Failed", "containerStatuses": [{
        "name": "step-a", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
    }]});
    let mut evicted = killed.clone();
    evicted["reason"] = "Evicted".into();
    evicted["message"] = "The node was low on memory".into();
    for (status, expected) in [(killed, "StepOOM"), (evicted, "PodEvicted")] {
        let kit = Kit::new();
        let mut attempt = kit.started().await;
        kit.api.status(POD, status);
        assert_eq!(attempt.failure().await.0, expected);
    }
}

#[tokio::test]
async fn a_step_that_was_asked_to_end_says_why_its_pod_was_evicted() {
    let kit = Kit::new();
    let mut attempt = kit.started().await;
    kit.say(1, finished(end(143, "its container was asked to end (SIGTERM)")))
        .await;
    kit.api.status(
        POD,
        json!({"phase": "Failed", "reason": "Evicted", "message": "low on disk"}),
    );
    let (reason, message) = attempt.failure().await;
    assert!(
        reason == "PodEvicted" && message.contains("low on disk"),
        "{reason}: {message}"
    );
}

#[tokio::test]
async fn a_pod_that_is_deleted_before_any_step_is_made_anew_and_later_is_lost() {
    let kit = Kit::new();
    let mut attempt = kit.started().await;
    kit.api.delete(POD);
    assert!(matches!(
        attempt.next().await,
        Event::Gone {
            step_started: false,
            ..
        }
    ));

    let kit = Kit::new();
    let mut attempt = kit.started().await;
    kit.api.status(
        POD,
        json!({"phase": "Running", "containerStatuses": [{
            "name": "step-a", "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}},
        }]}),
    );
    // So that it is seen before it goes.
    kit.say(
        1,
        tidemill_messages::report::ReportBody::ContainerStarted {
            container: "step-a".to_owned(),
        },
    )
    .await;
    assert!(matches!(attempt.next().await, Event::Report(_)));
    kit.api.delete(POD);
    assert!(matches!(attempt.next().await, Event::Gone { step_started: true, .. }));
}

#[tokio::test]
async fn what_the_api_refuses_fails_the_task_with_its_words() {
    for (code, message, expected) in [
        (
            403,
            "exceeded quota: pods, requested: pods=1, used: pods=1, limited: pods=1",
            "ExceededResourceQuota",
        ),
        (
            403,
            "violates PodSecurity \"restricted:latest\": privileged",
            "PodAdmissionFailed",
        ),
        (
            422,
            "Pod is invalid: spec.volumes[0].name: Invalid value",
            "PodCreationFailed",
        ),
    ] {
        let kit = Kit::new();
        let mut attempt = kit.prepare().await;
        kit.api.refuse(code, message);
        match attempt.playing.start().await {
            Err(Error::Task { reason, message: said }) => {
                assert_eq!(reason, expected);
                assert!(said.contains(message), "{said}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_step_without_command_is_refused_with_what_to_do() {
    let kit = Kit::new();
    let mut play = play();
    let mut pod = (*play.pod).clone();
    let plan = r#"{"version":1,"steps":[{"container":"step-a"}]}"#;
    pod.metadata
        .annotations
        .as_mut()
        .unwrap()
        .insert("tidemill.dev/plan".to_owned(), plan.to_owned());
    play.pod = pod.into();
    let (sender, _events) = tokio::sync::mpsc::channel(1);
    let refused = kit.backend.prepare(play, sender).await.err().unwrap();
    assert!(refused.to_string().contains("give the step a `command`"), "{refused}");
}
