//! Spans of releases, from events as the deployer stores them.

use std::time::Duration;

use jiff::Timestamp;
use tidemill_bus::layout::{self, Limits};
use tidemill_bus::{Bus, Memory, Message};
use tidemill_messages::command::RunReference;
use tidemill_messages::envelope::{TRACEPARENT, VERSION};
use tidemill_messages::release::{Actor, Cause};
use tidemill_messages::stream::RELEASES;
use tidemill_messages::trace::Span as Of;
use tidemill_messages::{ReleaseEvent, ReleaseName, ReleaseStatus, RunKind, Traceparent, encode, subject};
use tidemill_telemetry::span::Span;

const ATTEMPT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn event(status: ReleaseStatus, second: i64) -> ReleaseEvent {
    ReleaseEvent {
        version: VERSION,
        release: ReleaseName {
            namespace: "ops".to_owned(),
            name: "demo".to_owned(),
        },
        revision: 5,
        status,
        record_uid: "r5".to_owned(),
        at: at(second),
        chart: "demo-0.2.0".to_owned(),
        app_version: String::new(),
        description: "Upgrade failed".to_owned(),
        rollback_to: 0,
        cause: None,
        actor: Some(Actor {
            run: RunReference {
                kind: RunKind::PipelineRun,
                namespace: "default".to_owned(),
                name: "run".to_owned(),
                uid: "run-uid".to_owned(),
            },
            task: "5-deploy".to_owned(),
            attempt: 0,
            traceparent: ATTEMPT.to_owned(),
        }),
    }
}

async fn bus() -> Bus {
    let bus = Memory::default().connect();
    layout::ensure(&bus, &Limits::default().fitting(1 << 30)).await.unwrap();
    bus
}

/// Stores an event as the deployer does; gives its spans.
async fn told(bus: &Bus, event: &ReleaseEvent) -> Vec<Span> {
    let subject = subject::release(&event.release, event.revision, event.status);
    let carried = event.actor.as_ref().map(|actor| actor.traceparent.as_str());
    let context = Traceparent::continued(carried, event.span());
    let message = Message::new(subject.clone(), encode(&subject, event).unwrap());
    let sequence = bus
        .publish(message.header(TRACEPARENT, context.to_string()))
        .await
        .unwrap();
    let stored = bus.get(RELEASES, sequence).await.unwrap().unwrap();
    super::spans(bus, &stored).await.unwrap()
}

fn attribute(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| format!("{value:?}")).unwrap_or_default()
}

#[tokio::test]
async fn a_failed_upgrade_lasts_from_its_begin_below_the_attempt_that_made_it() {
    let bus = bus().await;
    told(&bus, &event(ReleaseStatus::PendingUpgrade, 10)).await;
    let failed = ReleaseEvent {
        cause: Some(Cause {
            reason: "CrashLoopBackOff".to_owned(),
            object: "pod demo".to_owned(),
            container: String::new(),
            message: String::new(),
            log: Vec::new(),
        }),
        ..event(ReleaseStatus::Failed, 40)
    };
    let spans = told(&bus, &failed).await;
    let [span] = &spans[..] else { panic!("{spans:?}") };
    let attempt: Traceparent = ATTEMPT.parse().unwrap();
    assert_eq!((span.start, span.end), (at(10), at(40)));
    assert_eq!(span.parent.unwrap().context, attempt);
    assert_eq!(span.context, attempt.span(failed.span()));
    assert_eq!(span.name, "release failed");
    assert_eq!(span.error.as_deref(), Some("Upgrade failed"));
    assert!(attribute(span, "error.type").contains("CrashLoopBackOff"));
    assert!(attribute(span, "deployment.status").contains("failed"));
    assert!(attribute(span, "deployment.name").contains("demo"));
}

#[tokio::test]
async fn what_goes_back_links_to_the_run_it_undoes() {
    let bus = bus().await;
    told(&bus, &event(ReleaseStatus::RollbackStarted, 50)).await;
    let back = ReleaseEvent {
        rollback_to: 4,
        ..event(ReleaseStatus::RolledBack, 58)
    };
    let spans = told(&bus, &back).await;
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(
        span.end.duration_since(span.start).unsigned_abs(),
        Duration::from_secs(8)
    );
    let [link] = &span.links[..] else { panic!("{span:?}") };
    assert_eq!(link.context, span.context.span(Of::Run { uid: "run-uid" }));
    assert!(attribute(span, "tidemill.release.rollback_to").contains('4'));
    assert!(span.error.is_none());
}

#[tokio::test]
async fn what_nobody_of_ours_did_is_a_trace_of_its_own_and_of_its_own_time() {
    let bus = bus().await;
    let by_hand = |status, second| ReleaseEvent {
        actor: None,
        ..event(status, second)
    };
    let of_another = ReleaseEvent {
        record_uid: "earlier life".to_owned(),
        ..by_hand(ReleaseStatus::PendingUpgrade, 1)
    };
    told(&bus, &of_another).await;
    let deployed = by_hand(ReleaseStatus::Deployed, 90);
    let spans = told(&bus, &deployed).await;
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert!(span.parent.is_none());
    assert_eq!(span.context, Traceparent::root(deployed.span()));
    assert_eq!(
        (span.start, span.end),
        (at(90), at(90)),
        "another record's begin counts"
    );
}

#[tokio::test]
async fn the_same_event_gives_the_same_span_however_late_it_is_read() {
    let bus = bus().await;
    told(&bus, &event(ReleaseStatus::PendingUpgrade, 10)).await;
    let once = told(&bus, &event(ReleaseStatus::Deployed, 12)).await;
    told(&bus, &event(ReleaseStatus::Verified, 30)).await;
    let stored = bus
        .last(
            RELEASES,
            &subject::release(&event(ReleaseStatus::Deployed, 0).release, 5, ReleaseStatus::Deployed),
        )
        .await
        .unwrap()
        .unwrap();
    assert_eq!(super::spans(&bus, &stored).await.unwrap(), once);
}
