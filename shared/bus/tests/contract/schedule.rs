//! Timers.

use jiff::{SignedDuration, Timestamp};
use tidemill_bus::{Bus, Error, StreamSpec};

use super::rig::{Rig, SILENCE, within};

on_both!(
    a_timer_fires_once,
    a_replaced_timer_fires_once_at_the_later_time,
    a_time_in_the_past_fires_at_once,
    a_purged_timer_does_not_fire,
    plain_streams_and_foreign_targets_are_refused,
);

async fn timers(rig: &Rig) -> Bus {
    let bus = rig.connect().await;
    let spec = StreamSpec {
        schedules: true,
        ..StreamSpec::plain("timers", &["timer.>", "due.>"], 1_000_000)
    };
    bus.ensure_stream(&spec).await.expect("stream");
    bus
}

fn ahead(bus: &Bus, ms: i64) -> Timestamp {
    bus.now() + SignedDuration::from_millis(ms)
}

async fn a_timer_fires_once(rig: &Rig) {
    let bus = timers(rig).await;
    let mut due = bus.reader("timers", "due.>", 0, false).await.expect("reader");
    let at = ahead(&bus, 600);
    bus.schedule("timer.3.r1", "due.3.r1", at, "look".into())
        .await
        .expect("scheduled");
    let fired = within("timer", due.next()).await.expect("fired");
    assert_eq!((fired.subject.as_str(), &fired.payload[..]), ("due.3.r1", &b"look"[..]));
    assert_eq!(fired.header("Nats-Scheduler"), Some("timer.3.r1"));
    assert!(bus.now() >= at, "fired before its time");
    assert!(
        tokio::time::timeout(2 * SILENCE, due.next()).await.is_err(),
        "fired twice"
    );
    assert_eq!(
        bus.last("timers", "timer.3.r1").await.expect("read"),
        None,
        "the timer is used up"
    );
}

async fn a_replaced_timer_fires_once_at_the_later_time(rig: &Rig) {
    let bus = timers(rig).await;
    let mut due = bus.reader("timers", "due.>", 0, false).await.expect("reader");
    let later = ahead(&bus, 1_300);
    bus.schedule("timer.3.r1", "due.3.r1", ahead(&bus, 500), "1".into())
        .await
        .expect("scheduled");
    bus.schedule("timer.3.r1", "due.3.r1", later, "2".into())
        .await
        .expect("scheduled");
    assert_eq!(
        bus.state("timers").await.expect("state").messages,
        1,
        "the first one is replaced"
    );
    let fired = within("timer", due.next()).await.expect("fired");
    assert_eq!(&fired.payload[..], b"2");
    assert!(bus.now() >= later);
    assert!(
        tokio::time::timeout(2 * SILENCE, due.next()).await.is_err(),
        "fired twice"
    );
}

async fn a_time_in_the_past_fires_at_once(rig: &Rig) {
    let bus = timers(rig).await;
    let mut due = bus.reader("timers", "due.>", 0, false).await.expect("reader");
    bus.schedule("timer.1", "due.1", ahead(&bus, -3_600_000), "x".into())
        .await
        .expect("scheduled");
    within("timer", due.next()).await.expect("fired");
}

async fn a_purged_timer_does_not_fire(rig: &Rig) {
    let bus = timers(rig).await;
    let mut due = bus.reader("timers", "due.>", 0, false).await.expect("reader");
    bus.schedule("timer.1", "due.1", ahead(&bus, 500), "1".into())
        .await
        .expect("scheduled");
    bus.schedule("timer.2", "due.2", ahead(&bus, 1_000), "2".into())
        .await
        .expect("scheduled");
    assert_eq!(bus.purge("timers", "timer.1", None).await.expect("purged"), 1);
    let fired = within("timer", due.next()).await.expect("fired");
    assert_eq!(fired.subject, "due.2");
}

async fn plain_streams_and_foreign_targets_are_refused(rig: &Rig) {
    let bus = timers(rig).await;
    bus.ensure_stream(&super::rig::runs()).await.expect("stream");
    let plain = bus.schedule("run.1.a", "run.1.b", ahead(&bus, 500), "x".into()).await;
    assert!(matches!(plain, Err(Error::Refused { code: 10188, .. })), "{plain:?}");
    let foreign = bus.schedule("timer.1", "run.1.b", ahead(&bus, 500), "x".into()).await;
    assert!(
        matches!(foreign, Err(Error::Refused { code: 10190, .. })),
        "{foreign:?}"
    );
}
