//! Durations and ages, as `tkn` writes them where it has them.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// What stands for a time that is not known.
const UNKNOWN: &str = "---";

/// The units of an age, largest first, with their length in seconds.
const UNITS: [(&str, i64); 6] = [
    ("year", 365 * 86_400),
    ("week", 7 * 86_400),
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
    ("second", 1),
];

/// The RFC 3339 time in `value`; `None` when it is absent or no time.
pub(crate) fn parse(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// `4 minutes ago`: the largest unit only, cut, not rounded. Less than a second is `0 seconds ago`.
pub(crate) fn age(since: Option<Timestamp>, now: Timestamp) -> String {
    let Some(since) = since else {
        return UNKNOWN.to_owned();
    };
    let seconds = now.duration_since(since).as_secs().max(0);
    let (unit, length) = UNITS
        .into_iter()
        .find(|(_, length)| seconds >= *length)
        .unwrap_or(("second", 1));
    let count = seconds / length;
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

/// `4m`: an age for a narrow column, the largest unit only, cut.
pub(crate) fn brief_age(since: Option<Timestamp>, now: Timestamp) -> String {
    let Some(since) = since else {
        return UNKNOWN.to_owned();
    };
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `2m30s`: from `start` to `end` in whole seconds, every smaller unit written out.
pub(crate) fn between(start: Option<Timestamp>, end: Option<Timestamp>) -> String {
    match (start, end) {
        (Some(start), Some(end)) => exact(end.duration_since(start)),
        _ => UNKNOWN.to_owned(),
    }
}

/// `1h0m0s`, `11s`, `0s`: whole seconds as Go writes them.
pub(crate) fn exact(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

/// `0.1s`, `4.8s`, `1m12s`: tenths below a minute, whole seconds above.
pub(crate) fn short(duration: SignedDuration) -> String {
    let tenths = (duration.as_millis().max(0) + 50) / 100;
    if tenths < 600 {
        format!("{}.{}s", tenths / 10, tenths % 10)
    } else {
        exact(duration)
    }
}

/// `2026-11-23T13:05:02Z`: the time of a plain progress line.
pub(crate) fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{age, between, brief_age, clock, exact, short};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn ages_have_one_unit() {
        let now = at("2026-11-23T13:05:02Z");
        for (since, expected) in [
            ("2026-11-23T13:05:02Z", "0 seconds ago"),
            ("2026-11-23T13:05:01Z", "1 second ago"),
            ("2026-11-23T13:00:03Z", "4 minutes ago"),
            ("2026-11-23T11:05:03Z", "1 hour ago"),
            ("2026-11-20T13:05:02Z", "3 days ago"),
            ("2026-11-09T13:05:02Z", "2 weeks ago"),
            ("2024-11-23T13:05:02Z", "2 years ago"),
            ("2026-11-23T13:05:09Z", "0 seconds ago"),
        ] {
            assert_eq!(age(Some(at(since)), now), expected, "{since}");
        }
        assert_eq!(age(None, now), "---");
        for (since, expected) in [
            ("2026-11-23T13:05:09Z", "0s"),
            ("2026-11-23T13:04:03Z", "59s"),
            ("2026-11-23T12:05:03Z", "59m"),
            ("2026-11-22T13:05:03Z", "23h"),
            ("2026-11-09T13:05:02Z", "14d"),
        ] {
            assert_eq!(brief_age(Some(at(since)), now), expected, "{since}");
        }
    }

    #[test]
    fn durations_are_written_as_go_does() {
        for (seconds, expected) in [
            (0, "0s"),
            (11, "11s"),
            (150, "2m30s"),
            (3_600, "1h0m0s"),
            (86_461, "24h1m1s"),
        ] {
            assert_eq!(exact(SignedDuration::from_secs(seconds)), expected);
        }
        let start = at("2026-11-23T13:05:02Z");
        assert_eq!(between(Some(start), Some(at("2026-11-23T13:06:16Z"))), "1m14s");
        assert_eq!(between(Some(start), None), "---");
    }

    #[test]
    fn short_durations_have_tenths_below_a_minute() {
        for (milliseconds, expected) in [
            (0, "0.0s"),
            (49, "0.0s"),
            (50, "0.1s"),
            (4_840, "4.8s"),
            (59_940, "59.9s"),
            (59_960, "59s"),
            (72_900, "1m12s"),
        ] {
            assert_eq!(short(SignedDuration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn the_clock_has_no_fraction() {
        assert_eq!(clock(at("2026-11-23T13:05:02.987Z")), "2026-11-23T13:05:02Z");
    }
}
