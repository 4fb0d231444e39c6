//! Whose pod it is (R4, R5).

use serde_json::json;
use tidemill_messages::Ending;
use tidemill_runner::backend::{Adoption, Backend, Error};
use tokio::sync::mpsc;

use crate::kit::{Attempt, Kit, POD, end, finished, play};

pub(crate) async fn adopt(kit: &Kit) -> Option<Attempt> {
    let (sender, events) = mpsc::channel(64);
    match kit.backend.adopt(play(), sender).await.unwrap() {
        Adoption::Playing(playing) => Some(Attempt { playing, events }),
        Adoption::NotStarted => None,
        Adoption::Gone { message } => panic!("{message}"),
    }
}

#[tokio::test]
async fn the_next_owner_adopts_the_pod_that_runs() {
    let first = Kit::new();
    first.started().await.playing.release().await;
    let second = Kit::on(first.api.clone(), first.bus.clone());
    let mut adopted = adopt(&second).await.expect("its pod runs");
    second.say(1, finished(end(0, ""))).await;
    assert_eq!(adopted.outcome().await.ending, Ending::Succeeded);
    adopted.playing.remove().await.unwrap();
    assert!(first.api.names("pods").is_empty() && first.api.names("secrets").is_empty());
}

#[tokio::test]
async fn without_a_pod_nothing_had_started_and_nothing_is_left() {
    let first = Kit::new();
    first.prepare().await.playing.release().await;
    assert_eq!(first.api.names("secrets").len(), 1);
    let second = Kit::on(first.api.clone(), first.bus.clone());
    assert!(adopt(&second).await.is_none());
    assert!(first.api.names("secrets").is_empty());
}

#[tokio::test]
async fn a_pod_of_another_task_run_or_attempt_is_not_ours() {
    for (label, annotation) in [("other-uid", "run-uid/build/0"), ("task-run-uid", "run-uid/build/1")] {
        let kit = Kit::new();
        kit.api.put(
            "pods",
            json!({
                "metadata": {
                    "name": POD, "namespace": "shop",
                    "labels": {"tekton.dev/taskRunUID": label},
                    "annotations": {"tidemill.dev/attempt": annotation},
                },
                "spec": {"containers": [{"name": "step-a"}]},
            }),
        );
        assert!(adopt(&kit).await.is_none());
        let mut attempt = kit.prepare().await;
        let refused = attempt.playing.start().await;
        assert!(
            matches!(&refused, Err(Error::Task { reason, .. }) if reason == "PodCreationFailed"),
            "{refused:?}"
        );
        assert_eq!(kit.api.names("pods"), [POD], "it is left alone");
    }
}

#[tokio::test]
async fn a_pod_whose_creation_was_not_answered_is_ours() {
    let kit = Kit::new();
    let mut attempt = kit.prepare().await;
    kit.api.lose_next_answer();
    attempt.playing.start().await.unwrap();
    kit.say(1, finished(end(0, ""))).await;
    assert_eq!(attempt.outcome().await.ending, Ending::Succeeded);
}

#[tokio::test]
async fn a_pod_that_ended_while_nobody_looked_is_told() {
    let first = Kit::new();
    first.started().await.playing.release().await;
    first.api.status(
        POD,
        json!({"phase": "Failed", "containerStatuses": [{
            "name": "step-a", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
        }]}),
    );
    let second = Kit::on(first.api.clone(), first.bus.clone());
    let mut adopted = adopt(&second).await.expect("its pod is there");
    assert_eq!(adopted.failure().await.0, "StepOOM");
}
