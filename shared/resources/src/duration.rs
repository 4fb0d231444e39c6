//! Durations as Go writes them: `1h0m0s`, `1.5h`, `300ms`, `0`.

use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const NANOSECOND: u64 = 1;
const MICROSECOND: u64 = 1_000 * NANOSECOND;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// A signed span of time in nanoseconds, at most about 292 years.
///
/// Zero, as a timeout, means "no limit". The default is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration {
    nanoseconds: i64,
}

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration, expected one such as 1h30m, 90s or 0")]
pub struct ParseError {
    text: String,
}

impl Duration {
    /// No time at all; as a timeout: no limit.
    pub const ZERO: Self = Self { nanoseconds: 0 };

    /// That many nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanoseconds: i64) -> Self {
        Self { nanoseconds }
    }

    /// That many milliseconds; saturates.
    #[must_use]
    pub const fn from_millis(milliseconds: i64) -> Self {
        Self {
            nanoseconds: milliseconds.saturating_mul(MILLISECOND as i64),
        }
    }

    /// That many seconds; saturates.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self {
            nanoseconds: seconds.saturating_mul(SECOND as i64),
        }
    }

    /// That many minutes; saturates.
    #[must_use]
    pub const fn from_mins(minutes: i64) -> Self {
        Self {
            nanoseconds: minutes.saturating_mul(MINUTE as i64),
        }
    }

    /// Whole nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.nanoseconds
    }

    /// Whole milliseconds, cut.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.nanoseconds / MILLISECOND as i64
    }

    /// Whether it is zero, as a timeout: no limit.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.nanoseconds == 0
    }

    /// The sum, unless it overflows.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.nanoseconds.checked_add(other.nanoseconds) {
            Some(nanoseconds) => Some(Self { nanoseconds }),
            None => None,
        }
    }

    /// The difference; saturates.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self {
            nanoseconds: self.nanoseconds.saturating_sub(other.nanoseconds),
        }
    }

    /// As an unsigned duration; negative ones are zero.
    #[must_use]
    pub const fn to_std(self) -> std::time::Duration {
        if self.nanoseconds < 0 {
            return std::time::Duration::ZERO;
        }
        std::time::Duration::from_nanos(self.nanoseconds.unsigned_abs())
    }
}

impl FromStr for Duration {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text)
            .map(Self::from_nanos)
            .ok_or_else(|| ParseError { text: text.to_owned() })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanoseconds < 0 {
            formatter.write_str("-")?;
        }
        let rest = self.nanoseconds.unsigned_abs();
        match rest {
            0 => formatter.write_str("0s"),
            1..MICROSECOND => write!(formatter, "{rest}ns"),
            MICROSECOND..MILLISECOND => write!(formatter, "{}µs", decimal(rest, MICROSECOND)),
            MILLISECOND..SECOND => write!(formatter, "{}ms", decimal(rest, MILLISECOND)),
            _ => long(formatter, rest),
        }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Duration;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a duration such as \"1h30m\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

fn long(formatter: &mut fmt::Formatter<'_>, nanoseconds: u64) -> fmt::Result {
    let (hours, minutes) = (nanoseconds / HOUR, nanoseconds / MINUTE % 60);
    if hours > 0 {
        write!(formatter, "{hours}h")?;
    }
    if hours > 0 || minutes > 0 {
        write!(formatter, "{minutes}m")?;
    }
    write!(formatter, "{}s", decimal(nanoseconds % MINUTE, SECOND))
}

/// `value / unit` in decimal without trailing zeros.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, fraction) = (value / unit, value % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{fraction:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

fn parse(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (term, tail) = term(rest)?;
        total = total.checked_add(term).filter(|sum| *sum <= 1 << 63)?;
        rest = tail;
    }
    if negative {
        0_i64.checked_sub_unsigned(total)
    } else {
        i64::try_from(total).ok()
    }
}

/// One number with its unit, in nanoseconds, and what follows it.
fn term(text: &str) -> Option<(u64, &str)> {
    let (whole, text) = digits(text);
    let (fraction, text) = match text.strip_prefix('.') {
        Some(tail) => digits(tail),
        None => ("", text),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = text
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(text.len());
    let unit = unit(&text[..end])?;
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u64>().ok()?
    };
    let value = whole.checked_mul(unit)?.checked_add(part(fraction, unit))?;
    Some((value, &text[end..]))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => NANOSECOND,
        "us" | "µs" | "μs" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// `0.<digits>` of a unit, cut to nanoseconds. Digits beyond the 18th cannot count.
fn part(digits: &str, unit: u64) -> u64 {
    let digits = &digits[..digits.len().min(18)];
    let value: u128 = digits.parse().unwrap_or(0);
    let scaled = value * u128::from(unit) / 10_u128.pow(digits.len() as u32);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
