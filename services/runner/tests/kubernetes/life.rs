//! From the first request to the last.

use serde_json::json;
use tidemill_messages::report::ReportBody;
use tidemill_messages::{CancelReason, Ending};
use tidemill_runner::backend::{Backend, Error, Event};

use crate::kit::{Kit, POD, end, finished, key, until};

#[tokio::test]
async fn a_task_costs_four_writes_and_leaves_nothing() {
    let kit = Kit::new();
    let mut attempt = kit.prepare().await;
    assert_eq!(
        kit.api.names("pods"),
        Vec::<String>::new(),
        "no pod before the claim is stored"
    );
    attempt.playing.start().await.unwrap();
    assert_eq!(kit.api.names("pods"), [POD]);
    let container = "step-a".to_owned();
    kit.say(1, ReportBody::ContainerStarted { container }).await;
    kit.say(2, finished(end(0, ""))).await;
    assert!(matches!(attempt.next().await, Event::Report(report) if report.sequence == 1));
    assert_eq!(attempt.outcome().await.ending, Ending::Succeeded);
    attempt.playing.remove().await.unwrap();
    assert!(kit.api.names("pods").is_empty() && kit.api.names("secrets").is_empty());
    let writes = kit.api.writes();
    assert_eq!(writes[..2], ["POST secrets", "POST pods"]);
    assert_eq!(writes.len(), 4, "{writes:?}");
}

#[tokio::test]
async fn a_claim_that_was_lost_leaves_nothing() {
    let kit = Kit::new();
    let attempt = kit.prepare().await;
    assert_eq!(kit.api.names("secrets").len(), 1);
    attempt.playing.remove().await.unwrap();
    assert!(kit.api.names("pods").is_empty() && kit.api.names("secrets").is_empty());
}

#[tokio::test]
async fn a_pod_whose_steps_do_not_hear_a_cancel_is_deleted() {
    let kit = Kit::new();
    let mut attempt = kit.started().await;
    attempt.playing.kill(CancelReason::TimedOut).await;
    let outcome = attempt.outcome().await;
    assert_eq!(outcome.ending, Ending::TimedOut);
    assert!(kit.api.names("pods").is_empty());
}

#[tokio::test]
async fn steps_are_told_of_a_cancel() {
    let kit = Kit::new();
    let mut told = kit.bus.subscribe("step.tell.>", None).await.unwrap();
    let mut attempt = kit.started().await;
    attempt.playing.kill(CancelReason::Cancelled).await;
    let word = told.next().await.unwrap();
    assert!(String::from_utf8_lossy(&word.payload).contains("cancelled"));
}

#[tokio::test]
async fn what_is_there_is_found_and_discarded_by_label() {
    let kit = Kit::new();
    let attempt = kit.started().await;
    attempt.playing.release().await;
    assert_eq!(kit.backend.found().await.unwrap(), [key()]);
    kit.backend.discard(&key()).await.unwrap();
    until("all gone", || {
        kit.api.names("pods").is_empty() && kit.api.names("secrets").is_empty()
    })
    .await;
    assert!(kit.backend.found().await.unwrap().is_empty());
}

/// As one of a run that was deleted a moment ago and is made again under its name.
#[tokio::test]
async fn a_pod_of_the_same_name_that_is_being_deleted_is_waited_for() {
    let kit = Kit::new();
    kit.api.put("pods", other_pod(true));
    let mut attempt = kit.prepare().await;
    let start = attempt.playing.start();
    tokio::pin!(start);
    let asked = async {
        until("the pod was asked for", || {
            kit.api.writes().iter().any(|write| write == "POST pods")
        })
        .await;
    };
    tokio::select! {
        started = &mut start => panic!("started beside another pod: {:?}", started.is_ok()),
        () = asked => {}
    }
    kit.api.delete(POD);
    start.await.unwrap();
    assert_eq!(kit.api.names("pods"), [POD]);
}

#[tokio::test]
async fn a_pod_of_the_same_name_that_stays_is_said() {
    let kit = Kit::new();
    kit.api.put("pods", other_pod(false));
    let mut attempt = kit.prepare().await;
    let Err(Error::Task { message, .. }) = attempt.playing.start().await else {
        panic!("the name is taken");
    };
    assert!(message.contains("plays something else"), "{message}");
    attempt.playing.remove().await.unwrap();
    assert_eq!(kit.api.names("pods"), [POD], "it is not ours to remove");
}

fn other_pod(is_leaving: bool) -> serde_json::Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": POD, "namespace": "shop", "uid": "other"},
        "spec": {"containers": [{"name": "step-a"}]},
    });
    if is_leaving {
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    }
    pod
}
