//! Which events a person means.

use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use crate::client::encode;
use crate::error::Error;

/// Filters; everything given must hold.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct Asked {
    /// Of this EventListener
    #[arg(short, long, value_name = "NAME")]
    listener: Option<String>,
    /// What became of them: accepted, filtered, refused, failed, dead, pending, redelivered
    #[arg(short = 'O', long, value_name = "WORD", value_delimiter = ',')]
    outcome: Vec<String>,
    /// The dead-letter list: what was given up, as --outcome dead
    #[arg(long)]
    dead: bool,
    /// Of this day: today, yesterday or 2026-11-23
    #[arg(long, value_name = "DAY", conflicts_with_all = ["since", "until"])]
    on: Option<String>,
    /// Since then: 30m, 2h, 3d, today, yesterday, 2026-11-23 or 2026-11-23T13:05:02Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before then, written likewise
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// From this forge, such as gitlab
    #[arg(long, value_name = "FORGE")]
    from: Option<String>,
    /// Of a type that holds this text, such as push
    #[arg(short = 't', long = "type", value_name = "TEXT")]
    event: Option<String>,
    /// Of this branch or tag
    #[arg(short, long, value_name = "NAME")]
    branch: Option<String>,
    /// Of a commit that begins so
    #[arg(short, long, value_name = "HASH")]
    commit: Option<String>,
    /// Of a repository that holds this text
    #[arg(short, long, value_name = "TEXT")]
    repository: Option<String>,
    /// With this text in their payload
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// For which this CEL expression over body and header is true
    #[arg(short = 'w', long = "where", value_name = "EXPRESSION")]
    expression: Option<String>,
}

impl Asked {
    /// As parameters of the API, encoded; `now` is what words such as `yesterday` count from.
    ///
    /// # Errors
    /// [`Error::Usage`] for a time that is none.
    pub(super) fn query(&self, now: &Zoned) -> Result<String, Error> {
        let mut parts: Vec<String> = Vec::new();
        let mut add = |name: &str, value: &str| {
            if !value.is_empty() {
                parts.push(format!("{name}={}", encode(value)));
            }
        };
        let mut outcomes = self.outcome.clone();
        if self.dead {
            outcomes.push("dead".to_owned());
        }
        add("outcome", &outcomes.join(","));
        for (name, value) in [
            ("listener", &self.listener),
            ("from", &self.from),
            ("event", &self.event),
            ("branch", &self.branch),
            ("commit", &self.commit),
            ("repository", &self.repository),
            ("text", &self.text),
            ("where", &self.expression),
        ] {
            add(name, value.as_deref().unwrap_or_default());
        }
        let (since, until) = self.times(now)?;
        add("since", &since.map(|at| at.to_string()).unwrap_or_default());
        add("until", &until.map(|at| at.to_string()).unwrap_or_default());
        Ok(parts.join("&"))
    }

    fn times(&self, now: &Zoned) -> Result<(Option<Timestamp>, Option<Timestamp>), Error> {
        if let Some(text) = &self.on {
            let wrong = || {
                Error::usage(format!(
                    "--on {text:?} is no day: expected today, yesterday or 2026-11-23"
                ))
            };
            let day = day(text, now).ok_or_else(wrong)?;
            let zone = now.time_zone();
            let next = day.tomorrow().map_err(|_| wrong())?;
            let begin = |day: Date| begin(day, zone).ok_or_else(wrong);
            return Ok((Some(begin(day)?), Some(begin(next)?)));
        }
        let read = |flag: &str, text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            time(text, now).map(Some).ok_or_else(|| {
                Error::usage(format!(
                    "{flag} {text:?} is no time: expected 30m, 2h, 3d, today, yesterday, 2026-11-23 or 2026-11-23T13:05:02Z"
                ))
            })
        };
        Ok((read("--since", &self.since)?, read("--until", &self.until)?))
    }
}

/// A point in time as people write it.
fn time(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    if let Some(day) = day(text, now) {
        return begin(day, now.time_zone());
    }
    let (unit_at, unit) = text.char_indices().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let count: u32 = text[..unit_at].parse().ok()?;
    let before = SignedDuration::from_secs(i64::from(count) * seconds);
    now.timestamp().checked_sub(before).ok()
}

fn day(text: &str, now: &Zoned) -> Option<Date> {
    match text {
        "today" => Some(now.date()),
        "yesterday" => now.date().yesterday().ok(),
        _ => text.parse().ok(),
    }
}

/// When a day begins where the person is.
fn begin(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    Some(day.to_zoned(zone.clone()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(asked: &Asked) -> Result<String, Error> {
        asked.query(&"2026-11-24T01:30:00+01:00[Europe/Berlin]".parse().unwrap())
    }

    #[test]
    fn yesterday_is_the_persons() {
        let asked = Asked {
            on: Some("yesterday".to_owned()),
            event: Some("push".to_owned()),
            branch: Some("main".to_owned()),
            ..Asked::default()
        };
        assert_eq!(
            query(&asked).unwrap(),
            "event=push&branch=main&since=2026-11-22T23%3A00%3A00Z&until=2026-11-23T23%3A00%3A00Z"
        );
    }

    #[test]
    fn times_are_written_in_many_ways() {
        for (text, expected) in [
            ("2026-11-23T13:05:02Z", "2026-11-23T13:05:02Z"),
            ("2026-11-23", "2026-11-22T23:00:00Z"),
            ("today", "2026-11-23T23:00:00Z"),
            ("90s", "2026-11-24T00:28:30Z"),
            ("2h", "2026-11-23T22:30:00Z"),
            ("1w", "2026-11-17T00:30:00Z"),
        ] {
            let asked = Asked {
                since: Some(text.to_owned()),
                ..Asked::default()
            };
            assert_eq!(query(&asked).unwrap(), format!("since={}", encode(expected)), "{text}");
        }
        for text in ["soon", "h", "", "-1h", "ü"] {
            let asked = Asked {
                until: Some(text.to_owned()),
                ..Asked::default()
            };
            assert_eq!(query(&asked).unwrap_err().exit().code(), 64, "{text}");
        }
    }

    #[test]
    fn the_dead_letter_list_is_an_outcome() {
        let asked = Asked {
            dead: true,
            outcome: vec!["failed".to_owned()],
            expression: Some("body.ref == 'x'".to_owned()),
            ..Asked::default()
        };
        assert_eq!(
            query(&asked).unwrap(),
            "outcome=failed%2Cdead&where=body.ref%20%3D%3D%20%27x%27"
        );
    }
}
