//! Times at which a listener fires by itself.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::json;

use crate::Error;
use crate::event::{Headers, Request};
use crate::names::{ANNOTATION_MISSED, ANNOTATION_SCHEDULE, ANNOTATION_TIME_ZONE};

/// Most missed times that are made up for; older ones are dropped.
pub const MISSED_MAX: usize = 100;
/// Lateness at which a time does not count as missed, in seconds.
pub const LATE_SECONDS_MAX: i64 = 60;
/// Type of the CloudEvent a time becomes.
pub const SCHEDULED: &str = "dev.tidemill.schedule.v1";
/// Longest schedule that is read, in bytes.
const SCHEDULE_BYTES_MAX: usize = 256;

/// What becomes of times that passed while nothing ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// They are lost.
    Skip,
    /// Only the last one is made up for.
    #[default]
    Latest,
    /// All are made up for, at most [`MISSED_MAX`].
    All,
}

/// Five fields as cron has them, in a time zone.
///
/// In the hour that a change of clocks leaves out a fixed time fires right
/// after it; in the hour that comes twice it fires once.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
    missed: Missed,
}

impl Schedule {
    /// Reads a schedule such as `30 4 * * 1-5`, a time zone such as `Europe/Berlin`.
    ///
    /// # Errors
    /// [`Error::Schedule`] naming the annotation it would stand in.
    pub fn read(fields: &str, zone: Option<&str>, missed: Option<&str>) -> Result<Self, Error> {
        Ok(Self {
            cron: cron(fields)?,
            zone: time_zone(zone.unwrap_or("UTC"))?,
            missed: match missed {
                None => Missed::default(),
                Some("skip") => Missed::Skip,
                Some("latest") => Missed::Latest,
                Some("all") => Missed::All,
                Some(other) => {
                    return Err(Error::Schedule {
                        annotation: ANNOTATION_MISSED,
                        why: format!("{other:?} is no policy"),
                        expected: "skip, latest or all",
                    });
                }
            },
        })
    }

    /// The schedule in a listener's annotations, if it has one.
    ///
    /// # Errors
    /// As [`Schedule::read`]; also when a time zone or policy stands without a schedule.
    pub fn of<'a>(annotations: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Option<Self>, Error> {
        let (mut fields, mut zone, mut missed) = (None, None, None);
        for (key, value) in annotations {
            match key {
                ANNOTATION_SCHEDULE => fields = Some(value),
                ANNOTATION_TIME_ZONE => zone = Some(value),
                ANNOTATION_MISSED => missed = Some(value),
                _ => {}
            }
        }
        match fields {
            Some(fields) => Self::read(fields, zone, missed).map(Some),
            None if zone.is_some() || missed.is_some() => Err(Error::Schedule {
                annotation: ANNOTATION_SCHEDULE,
                why: "is missing".to_owned(),
                expected: "five fields such as 30 4 * * 1-5",
            }),
            None => Ok(None),
        }
    }

    /// The first time after `after`; nothing when there never is one.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_next_occurrence(&self.at(after), false);
        found.ok().map(|zoned| zoned.timestamp())
    }

    /// The times in `(fired, now]` to fire for, oldest first, by the policy for missed ones.
    ///
    /// `fired` is the last time that was fired for, or when the schedule began.
    /// A time at most [`LATE_SECONDS_MAX`] ago is on time, whatever the policy.
    #[must_use]
    pub fn due(&self, fired: Timestamp, now: Timestamp) -> Vec<Timestamp> {
        let most = match self.missed {
            Missed::All => MISSED_MAX,
            Missed::Skip | Missed::Latest => 1,
        };
        let mut due = Vec::new();
        let mut inclusive = true;
        let mut here = now;
        while due.len() < most {
            let found = self.cron.find_previous_occurrence(&self.at(here), inclusive);
            let Some(time) = found.ok().map(|zoned| zoned.timestamp()).filter(|time| *time > fired) else {
                break;
            };
            due.push(time);
            (here, inclusive) = (time, false);
        }
        if self.missed == Missed::Skip {
            due.retain(|time| now.as_second() - time.as_second() <= LATE_SECONDS_MAX);
        }
        due.reverse();
        due
    }

    /// The request that stands for a time: a CloudEvent whose id is the time, so
    /// that firing twice for the same time has the same [`event_key`](crate::event_key).
    #[must_use]
    pub fn request(namespace: &str, listener: &str, time: Timestamp) -> Request {
        let time = time.to_string();
        let source = format!("/{namespace}/{listener}");
        let body = json!({"scheduledAt": time, "listener": listener, "namespace": namespace});
        Request {
            headers: Headers::from_iter([
                ("Content-Type", "application/json"),
                ("Ce-Specversion", "1.0"),
                ("Ce-Type", SCHEDULED),
                ("Ce-Source", source.as_str()),
                ("Ce-Id", time.as_str()),
            ]),
            url: source.clone(),
            body: body.to_string().into_bytes(),
        }
    }

    fn at(&self, time: Timestamp) -> Zoned {
        time.to_zoned(self.zone.clone())
    }
}

fn cron(fields: &str) -> Result<Cron, Error> {
    let refused = |why: String| Error::Schedule {
        annotation: ANNOTATION_SCHEDULE,
        why,
        expected: "five fields such as 30 4 * * 1-5",
    };
    if fields.len() > SCHEDULE_BYTES_MAX {
        return Err(refused(format!("longer than {SCHEDULE_BYTES_MAX} bytes")));
    }
    let count = fields.split_whitespace().count();
    if count != 5 && !fields.trim().starts_with('@') {
        return Err(refused(format!("{fields:?} has {count} fields")));
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    parser
        .parse(fields)
        .map_err(|error| refused(format!("{fields:?} is no schedule: {error}")))
}

fn time_zone(name: &str) -> Result<TimeZone, Error> {
    TimeZone::get(name).map_err(|_| Error::Schedule {
        annotation: ANNOTATION_TIME_ZONE,
        why: format!("{name:?} is no time zone"),
        expected: "a name such as Europe/Berlin",
    })
}

#[cfg(test)]
mod tests;
