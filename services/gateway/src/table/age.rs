//! Ages, as `kubectl` writes them.

use jiff::Timestamp;
use serde_json::Value;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// How long ago a time of an object was; `None` for a time that is absent or none.
pub(crate) fn since(time: Option<&Value>, now: Timestamp) -> Option<String> {
    let time: Timestamp = time?.as_str()?.parse().ok()?;
    Some(duration(now.as_second() - time.as_second()))
}

/// Two units at most, the second one only while it says something.
fn duration(seconds: i64) -> String {
    let two = |large: i64, large_name: char, small: i64, small_name: char| {
        let (count, rest) = (seconds / large, seconds % large / small);
        if rest == 0 {
            format!("{count}{large_name}")
        } else {
            format!("{count}{large_name}{rest}{small_name}")
        }
    };
    match seconds {
        ..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(MINUTE, 'm', 1, 's'),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => two(HOUR, 'h', MINUTE, 'm'),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => two(DAY, 'd', HOUR, 'h'),
        691_200..63_072_000 => format!("{}d", seconds / DAY),
        63_072_000..252_288_000 => two(YEAR, 'y', DAY, 'd'),
        _ => format!("{}y", seconds / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        for (seconds, text) in [
            (-5, "0s"),
            (46, "46s"),
            (119, "119s"),
            (120, "2m"),
            (286, "4m46s"),
            (3_599, "59m"),
            (10_860, "3h1m"),
            (90_000, "25h"),
            (180_000, "2d2h"),
            (864_000, "10d"),
            (66_000_000, "2y33d"),
            (400_000_000, "12y"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
        assert_eq!(since(Some(&Value::from("soon")), Timestamp::UNIX_EPOCH), None);
    }
}
