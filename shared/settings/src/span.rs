//! Lengths of time in settings.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};

const UNITS_MS: [(&str, u64); 5] = [
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// A length of time, written as `250ms`, `5s`, `1h30m`, `30d`; milliseconds are the finest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

/// A text that is no [`Span`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no length of time; expected such as `250ms`, `5s`, `1h30m`, `30d`")]
pub struct Malformed(String);

impl Span {
    /// So many milliseconds.
    pub const fn millis(count: u64) -> Self {
        Self(count)
    }

    /// So many seconds.
    pub const fn seconds(count: u64) -> Self {
        Self(count * 1000)
    }

    /// So many days.
    pub const fn days(count: u64) -> Self {
        Self(count * 24 * 60 * 60 * 1000)
    }

    /// As the standard library has it.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Span {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        read(text.trim()).map(Self).ok_or_else(|| Malformed(text.to_owned()))
    }
}

fn read(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_end = rest
            .find(|character: char| character.is_ascii_digit())
            .unwrap_or(rest.len());
        let (_, factor) = UNITS_MS.iter().find(|(unit, _)| *unit == &rest[..unit_end])?;
        sum = sum.checked_add(count.checked_mul(*factor)?)?;
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then_some(sum)
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return formatter.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, factor) in UNITS_MS {
            if rest >= factor {
                write!(formatter, "{}{unit}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_come_back() {
        for (text, millis) in [
            ("250ms", 250),
            ("5s", 5000),
            ("1h30m", 5_400_000),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Span(millis)), "{text}");
            assert_eq!(Span(millis).to_string(), text);
        }
        assert_eq!("0s".parse(), Ok(Span(0)));
    }

    #[test]
    fn a_number_without_unit_is_refused() {
        for text in [
            "5",
            "",
            "s",
            "5 s",
            "-5s",
            "1.5h",
            "99999999999999999999d",
            "300000000000d",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
