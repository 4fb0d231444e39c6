//! An owner that dies before or after any of its writes to the cluster.

use std::pin::pin;

use tidemill_messages::Ending;
use tidemill_runner::backend::Backend;
use tidemill_runner::backend::kubernetes::Settings;
use tidemill_settings::Span;
use tokio::sync::mpsc;

use crate::adoption::adopt;
use crate::kit::{Attempt, Kit, POD, end, finished, key, play, until};

/// Polls `work` until the API holds it up at this write, then drops it as a death would.
async fn die_at(kit: &Kit, write: &str, carried_out: bool, work: impl Future<Output = ()>) {
    kit.api.stall(write, carried_out);
    tokio::select! {
        () = work => panic!("it went on beyond {write}"),
        () = until(write, || kit.api.is_stalled()) => {}
    }
}

async fn prepare_and_start(kit: &Kit) {
    let (sender, _events) = mpsc::channel(64);
    let mut playing = kit.backend.prepare(play(), sender).await.unwrap();
    playing.start().await.unwrap();
}

async fn finish(kit: &Kit, attempt: &mut Attempt) {
    kit.say(1, finished(end(0, ""))).await;
    assert_eq!(attempt.outcome().await.ending, Ending::Succeeded);
}

fn is_clean(kit: &Kit) -> bool {
    kit.api.names("pods").is_empty() && kit.api.names("secrets").is_empty()
}

#[tokio::test]
async fn at_its_start_is_found_by_what_it_made_and_the_next_owner_goes_on() {
    let writes = [
        ("POST secrets", false, false),
        ("POST secrets", true, false),
        ("POST pods", false, false),
        ("POST pods", true, true),
    ];
    for (write, carried_out, is_adopted) in writes {
        let first = Kit::new();
        die_at(&first, write, carried_out, prepare_and_start(&first)).await;
        let second = Kit::on(first.api.clone(), first.bus.clone());
        let is_found = !second.backend.found().await.unwrap().is_empty();
        assert_eq!(is_found, !is_clean(&second), "{write} {carried_out}");
        let adopted = adopt(&second).await;
        assert_eq!(adopted.is_some(), is_adopted, "{write} {carried_out}");
        let mut attempt = match adopted {
            Some(adopted) => adopted,
            None => {
                assert!(is_clean(&second), "{write} {carried_out}");
                second.started().await
            }
        };
        assert!(second.api.is_whole(POD), "{write} {carried_out}");
        finish(&second, &mut attempt).await;
        attempt.playing.remove().await.unwrap();
        assert!(is_clean(&second), "{write} {carried_out}");
    }
}

#[tokio::test]
async fn at_its_end_leaves_nothing_that_is_not_found_and_discarded() {
    for keep_pods in [Span::seconds(0), Span::seconds(60)] {
        let removal = if keep_pods == Span::seconds(0) {
            "DELETE pods"
        } else {
            "PATCH pods"
        };
        for (write, carried_out) in [
            (removal, false),
            (removal, true),
            ("DELETE secrets", false),
            ("DELETE secrets", true),
        ] {
            let kit = Kit::with(Settings {
                keep_pods,
                ..Settings::default()
            });
            let mut attempt = kit.started().await;
            finish(&kit, &mut attempt).await;
            die_at(&kit, write, carried_out, async {
                attempt.playing.remove().await.unwrap()
            })
            .await;
            let kept = kit.backend.kept().await.unwrap().len();
            let left = kit.api.names("pods").len() - kept + kit.api.names("secrets").len();
            let found = kit.backend.found().await.unwrap();
            assert_eq!(found.is_empty(), left == 0, "{write} {carried_out}");
            kit.backend.discard(&key()).await.unwrap();
            assert_eq!(kit.api.names("pods").len(), kept, "{write} {carried_out}");
            assert!(kit.api.names("secrets").is_empty(), "{write} {carried_out}");
        }
    }
}

/// It was not dead, only slow.
#[tokio::test]
async fn what_an_ousted_owner_still_writes_leaves_the_next_one_whole() {
    for write in ["POST secrets", "POST pods"] {
        let first = Kit::new();
        first.api.stall(write, false);
        let mut start = pin!(prepare_and_start(&first));
        tokio::select! {
            () = &mut start => panic!("it went on beyond {write}"),
            () = until(write, || first.api.is_stalled()) => {}
        }
        let second = Kit::on(first.api.clone(), first.bus.clone());
        assert!(adopt(&second).await.is_none());
        let mut attempt = second.started().await;
        first.api.go_on();
        start.await;
        assert!(second.api.is_whole(POD), "{write}");
        finish(&second, &mut attempt).await;
        attempt.playing.remove().await.unwrap();
        assert!(is_clean(&second), "{write}");
    }
}
