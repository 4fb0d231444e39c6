//! Pods that stay for a while after their task has ended.

use serde_json::json;
use tidemill_messages::CancelReason;
use tidemill_runner::backend::Backend;
use tidemill_runner::backend::kubernetes::Settings;
use tidemill_settings::Span;

use crate::kit::{Kit, POD, end, finished, key};

fn keeping(span: Span) -> Settings {
    Settings {
        keep_pods: span,
        ..Settings::default()
    }
}

async fn play_to_the_end(kit: &Kit) {
    let mut attempt = kit.started().await;
    kit.say(1, finished(end(1, "Error"))).await;
    attempt.outcome().await;
    attempt.playing.remove().await.unwrap();
}

#[tokio::test]
async fn a_pod_stays_where_nothing_else_of_it_does_and_nobody_takes_it_for_an_attempt() {
    let kit = Kit::with(keeping(Span::seconds(60)));
    play_to_the_end(&kit).await;
    assert_eq!(kit.api.names("pods"), [POD]);
    assert!(kit.api.names("secrets").is_empty());
    assert!(kit.backend.found().await.unwrap().is_empty());
    assert_eq!(kit.backend.kept().await.unwrap(), [key()]);
    kit.backend.forget(&key()).await.unwrap();
    assert!(kit.api.names("pods").is_empty());
}

#[tokio::test]
async fn it_goes_once_its_time_is_over() {
    let kit = Kit::with(keeping(Span::millis(1)));
    play_to_the_end(&kit).await;
    let over = async { while !kit.backend.kept().await.unwrap().is_empty() {} };
    tokio::time::timeout(std::time::Duration::from_secs(30), over)
        .await
        .unwrap();
    assert!(kit.api.names("pods").is_empty());
}

#[tokio::test]
async fn no_more_stay_than_the_limit() {
    let settings = Settings {
        kept_pods_max: 0,
        ..keeping(Span::seconds(60))
    };
    let kit = Kit::with(settings);
    play_to_the_end(&kit).await;
    assert_eq!(kit.api.names("pods"), [POD]);
    assert!(kit.backend.kept().await.unwrap().is_empty());
    assert!(kit.api.names("pods").is_empty());
}

#[tokio::test]
async fn what_was_cancelled_does_not_stay() {
    let kit = Kit::with(keeping(Span::seconds(60)));
    let mut attempt = kit.started().await;
    attempt.playing.kill(CancelReason::Cancelled).await;
    attempt.outcome().await;
    attempt.playing.remove().await.unwrap();
    assert!(kit.api.names("pods").is_empty());
}

#[tokio::test]
async fn a_new_pod_takes_the_name_of_a_kept_one() {
    let kit = Kit::with(keeping(Span::seconds(60)));
    kit.api.put("pods", kept_pod(POD));
    let attempt = kit.started().await;
    attempt.playing.release().await;
    assert_eq!(kit.backend.found().await.unwrap(), [key()]);
}

#[tokio::test]
async fn what_is_kept_gives_way_where_the_quota_is_full() {
    let kit = Kit::with(keeping(Span::seconds(60)));
    play_to_the_end(&kit).await;
    kit.api.rename(POD, "of-a-run-before");
    kit.api.refuse(
        403,
        "pods \"r-build-pod\" is forbidden: exceeded quota: few, requested: count/pods=1",
    );
    let attempt = kit.started().await;
    attempt.playing.release().await;
    assert_eq!(kit.api.names("pods"), [POD]);
}

fn kept_pod(name: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": "other",
            "annotations": {"tidemill.dev/kept-until": "2999-01-01T00:00:00Z"}},
        "spec": {"containers": [{"name": "step-a"}]},
    })
}
