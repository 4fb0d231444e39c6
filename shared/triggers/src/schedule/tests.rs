use jiff::Timestamp;

use super::{MISSED_MAX, Schedule};
use crate::names::{ANNOTATION_SCHEDULE, ANNOTATION_TIME_ZONE};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(fields: &str, zone: &str, missed: &str) -> Schedule {
    Schedule::read(fields, Some(zone), Some(missed)).unwrap()
}

#[test]
fn times_follow_in_their_zone() {
    for (fields, zone, after, next) in [
        ("*/15 * * * *", "UTC", "2026-11-23T13:05:02Z", "2026-11-23T13:15:00Z"),
        ("*/15 * * * *", "UTC", "2026-11-23T13:15:00Z", "2026-11-23T13:30:00Z"),
        (
            "30 4 * * 1-5",
            "Europe/Berlin",
            "2026-11-20T12:00:00Z",
            "2026-11-23T03:30:00Z",
        ),
        (
            "0 0 1 1 *",
            "America/New_York",
            "2026-11-20T12:00:00Z",
            "2027-01-01T05:00:00Z",
        ),
        // The day of the month or the day of the week, as POSIX has it.
        ("0 12 13 * 5", "UTC", "2026-11-23T13:00:00Z", "2026-11-27T12:00:00Z"),
        // The clock leaves out 02:30, and comes twice to 02:30.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            "2026-10-25T00:30:00Z",
        ),
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-25T00:30:00Z",
            "2026-10-26T01:30:00Z",
        ),
    ] {
        let found = schedule(fields, zone, "skip").next(at(after));
        assert_eq!(found, Some(at(next)), "{fields} {zone} after {after}");
    }
    let spring = schedule("30 2 * * *", "Europe/Berlin", "skip").next(at("2026-03-28T12:00:00Z"));
    let spring = spring.unwrap();
    assert!(
        spring >= at("2026-03-29T01:00:00Z") && spring <= at("2026-03-29T01:30:00Z"),
        "{spring}"
    );
    assert_eq!(
        schedule("0 0 30 2 *", "UTC", "skip").next(at("2026-01-01T00:00:00Z")),
        None
    );
}

#[test]
fn missed_times_follow_the_policy() {
    let (fired, now) = (at("2026-11-23T10:00:00Z"), at("2026-11-23T13:30:00Z"));
    let due = |missed, now| schedule("0 * * * *", "UTC", missed).due(fired, now);
    assert_eq!(due("skip", now), []);
    assert_eq!(due("latest", now), [at("2026-11-23T13:00:00Z")]);
    let all = ["2026-11-23T11:00:00Z", "2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z"].map(at);
    assert_eq!(due("all", now), all);
    for missed in ["skip", "latest"] {
        assert_eq!(
            due(missed, at("2026-11-23T13:00:30Z")),
            [at("2026-11-23T13:00:00Z")],
            "{missed}"
        );
        assert_eq!(due(missed, at("2026-11-23T10:59:59Z")), [], "{missed}");
    }
    let year = schedule("* * * * *", "UTC", "all").due(at("2025-11-23T10:00:00Z"), now);
    assert_eq!(year.len(), MISSED_MAX);
    assert_eq!(year.last(), Some(&now));
}

#[test]
fn faults_name_the_annotation() {
    for (fields, zone, missed, part) in [
        ("* * * *", None, None, "tidemill.dev/schedule: \"* * * *\" has 4 fields"),
        ("0 * * * * *", None, None, "has 6 fields"),
        ("61 * * * *", None, None, "is no schedule"),
        ("", None, None, "has 0 fields"),
        (
            "* * * * *",
            Some("Mars/Olympus"),
            None,
            "tidemill.dev/time-zone: \"Mars/Olympus\" is no time zone",
        ),
        ("* * * * *", None, Some("never"), "expected skip, latest or all"),
    ] {
        let error = Schedule::read(fields, zone, missed).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(Schedule::of([]).unwrap().is_none());
    assert!(Schedule::of([(ANNOTATION_TIME_ZONE, "UTC")]).is_err());
    assert!(
        Schedule::of([(ANNOTATION_SCHEDULE, "@daily"), (ANNOTATION_TIME_ZONE, "UTC")])
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_time_fires_once() {
    let key = |time: &str| {
        let request = Schedule::request("ci", "nightly", at(time));
        assert!(request.payload(true).unwrap().1.is_some());
        crate::event_key("uid", &request, "nonce")
    };
    assert_eq!(key("2026-11-23T13:00:00Z"), key("2026-11-23T13:00:00Z"));
    assert_ne!(key("2026-11-23T13:00:00Z"), key("2026-11-23T14:00:00Z"));
}
