//! The streams of Tidemill and their limits. Who writes what is in `ARCHITECTURE.md`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidemill_messages::stream;

use crate::{Bus, Discard, Error, Persistence, StreamSpec};

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;
const DAY_S: u64 = 24 * 60 * 60;

/// The share of a store that [`Limits::fitting`] gives to the streams; the rest is for the
/// server's own files.
const STORE_SHARE_PERCENT: u64 = 90;

/// The most each stream may hold. nats-server reserves `max_bytes` when a stream is made, so their
/// sum must fit its `max_file`: [`Limits::fitting`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Objects. Default 4 GiB.
    pub objects_bytes: u64,
    /// Facts. Default 4 GiB.
    pub facts_bytes: u64,
    /// Decisions and tasks. Default 4 GiB.
    pub runs_bytes: u64,
    /// Claims and leases. Default 256 MiB.
    pub claims_bytes: u64,
    /// Timers. Default 256 MiB.
    pub timers_bytes: u64,
    /// Blobs. Default 4 GiB.
    pub blobs_bytes: u64,
    /// Logs; the oldest go. Default 10 GiB.
    pub logs_bytes: u64,
    /// Logs older than so many seconds go. Default 7 days.
    pub logs_age_s: u64,
    /// Webhooks that came in and what became of them. Default 1 GiB.
    pub events_bytes: u64,
    /// Webhooks older than so many seconds go. Default 14 days.
    pub events_age_s: u64,
    /// What became of releases; the oldest go. Default 256 MiB.
    pub releases_bytes: u64,
    /// CloudEvents about runs and listeners, until every sink has them; the oldest go. Default 256 MiB.
    pub cloud_events_bytes: u64,
    /// CloudEvents older than so many seconds go. Default 3 days.
    pub cloud_events_age_s: u64,
    /// When listeners fire by themselves. Default 16 MiB, some 20,000 listeners.
    pub schedules_bytes: u64,
    /// Replicas of each stream. Default 1.
    pub replicas: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            objects_bytes: 4 * GIB,
            facts_bytes: 4 * GIB,
            runs_bytes: 4 * GIB,
            claims_bytes: 256 * MIB,
            timers_bytes: 256 * MIB,
            blobs_bytes: 4 * GIB,
            logs_bytes: 10 * GIB,
            logs_age_s: 7 * DAY_S,
            events_bytes: GIB,
            events_age_s: 14 * DAY_S,
            releases_bytes: 256 * MIB,
            cloud_events_bytes: 256 * MIB,
            cloud_events_age_s: 3 * DAY_S,
            schedules_bytes: 16 * MIB,
            replicas: 1,
        }
    }
}

impl Limits {
    /// The same, scaled down in proportion where the sum is more than a store of `store_bytes`
    /// (nats-server's `max_file`) can reserve.
    #[must_use]
    pub fn fitting(mut self, store_bytes: u64) -> Self {
        let available = u128::from(store_bytes / 100 * STORE_SHARE_PERCENT);
        let wanted = u128::from(self.sum_bytes());
        if wanted > available {
            for bytes in self.each_bytes() {
                // A quotient of a share of itself is never larger than the value it came from.
                *bytes = u64::try_from(u128::from(*bytes) * available / wanted).unwrap_or(*bytes);
            }
        }
        self
    }

    /// What all streams together may hold, in bytes.
    pub fn sum_bytes(&self) -> u64 {
        self.clone().each_bytes().into_iter().map(|bytes| *bytes).sum()
    }

    fn each_bytes(&mut self) -> [&mut u64; 11] {
        [
            &mut self.objects_bytes,
            &mut self.facts_bytes,
            &mut self.runs_bytes,
            &mut self.claims_bytes,
            &mut self.timers_bytes,
            &mut self.blobs_bytes,
            &mut self.logs_bytes,
            &mut self.events_bytes,
            &mut self.releases_bytes,
            &mut self.cloud_events_bytes,
            &mut self.schedules_bytes,
        ]
    }
}

/// Creates all streams, or brings them to `limits`.
///
/// # Errors
/// Those of [`Bus::ensure_stream`]; which streams were made before the failing one does not matter,
/// the call can be repeated.
pub async fn ensure(bus: &Bus, limits: &Limits) -> Result<(), Error> {
    for spec in specs(limits) {
        bus.ensure_stream(&spec).await?;
    }
    Ok(())
}

/// All streams under `limits`.
pub fn specs(limits: &Limits) -> Vec<StreamSpec> {
    stream::SUBJECTS
        .iter()
        .map(|(name, subjects)| {
            let plain = StreamSpec {
                replicas: limits.replicas,
                ..StreamSpec::plain(name, subjects, 0)
            };
            with_limits(name, plain, limits)
        })
        .collect()
}

fn with_limits(name: &str, plain: StreamSpec, limits: &Limits) -> StreamSpec {
    match name {
        stream::OBJECTS => StreamSpec {
            max_messages_per_subject: 1,
            max_bytes: limits.objects_bytes,
            ..plain
        },
        stream::FACTS => StreamSpec {
            max_bytes: limits.facts_bytes,
            ..plain
        },
        stream::RUNS => StreamSpec {
            max_bytes: limits.runs_bytes,
            ..plain
        },
        // The newest claim owns the attempt, the newest lease is the runner's life: what came
        // before says nothing any more.
        stream::CLAIMS => StreamSpec {
            max_messages_per_subject: 1,
            max_bytes: limits.claims_bytes,
            ..plain
        },
        // The server refuses "discard new" on a stream with schedules. An age limit would drop
        // timers that are still to fire.
        stream::TIMERS => StreamSpec {
            max_messages_per_subject: 1,
            max_bytes: limits.timers_bytes,
            discard: Discard::Old,
            schedules: true,
            ..plain
        },
        // Nobody was promised them for ever, and what they tell of must not wait for a sink.
        stream::CLOUD_EVENTS => StreamSpec {
            max_bytes: limits.cloud_events_bytes,
            max_age: Some(Duration::from_secs(limits.cloud_events_age_s)),
            discard: Discard::Old,
            ..plain
        },
        stream::SCHEDULES => StreamSpec {
            max_messages_per_subject: 1,
            max_bytes: limits.schedules_bytes,
            discard: Discard::Old,
            schedules: true,
            ..plain
        },
        stream::BLOBS => StreamSpec {
            max_messages_per_subject: 1,
            max_bytes: limits.blobs_bytes,
            ..plain
        },
        stream::LOGS => StreamSpec {
            max_bytes: limits.logs_bytes,
            max_age: Some(Duration::from_secs(limits.logs_age_s)),
            discard: Discard::Old,
            // The server refuses it where a stream is replicated, and waits for a majority there instead.
            persistence: match limits.replicas {
                1 => Persistence::Asynchronous,
                _ => Persistence::Server,
            },
            ..plain
        },
        // A full stream refuses what comes in rather than forget what was promised.
        stream::EVENTS => StreamSpec {
            max_bytes: limits.events_bytes,
            max_age: Some(Duration::from_secs(limits.events_age_s)),
            ..plain
        },
        // Two of a subject: the life of a release of that name before this one is the last that is
        // asked for.
        stream::RELEASES => StreamSpec {
            max_messages_per_subject: 2,
            max_bytes: limits.releases_bytes,
            discard: Discard::Old,
            ..plain
        },
        // `SUBJECTS` and this function are tested to name the same streams.
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_is_bounded() {
        let specs = specs(&Limits::default());
        assert_eq!(specs.len(), stream::SUBJECTS.len());
        for spec in &specs {
            assert!(spec.max_bytes > 0, "{} has no limit", spec.name);
        }
        let sum: u64 = specs.iter().map(|spec| spec.max_bytes).sum();
        assert_eq!(sum, Limits::default().sum_bytes());
    }

    #[test]
    fn replicated_streams_ask_for_nothing_that_a_server_refuses() {
        let limits = Limits {
            replicas: 3,
            ..Limits::default()
        };
        for spec in specs(&limits) {
            assert_eq!(
                (spec.replicas, spec.persistence),
                (3, Persistence::Server),
                "{}",
                spec.name
            );
        }
    }

    #[test]
    fn what_was_promised_is_not_dropped() {
        let dropping: Vec<String> = specs(&Limits::default())
            .into_iter()
            .filter(|spec| spec.discard == Discard::Old || spec.max_age.is_some())
            .map(|spec| spec.name)
            .collect();
        assert_eq!(
            dropping,
            [
                stream::TIMERS,
                stream::LOGS,
                stream::EVENTS,
                stream::RELEASES,
                stream::CLOUD_EVENTS,
                stream::SCHEDULES
            ]
        );
    }

    #[test]
    fn limits_shrink_to_the_store_but_never_grow() {
        let small = Limits::default().fitting(2 * GIB);
        assert!(small.sum_bytes() <= 2 * GIB / 100 * STORE_SHARE_PERCENT);
        assert!(small.claims_bytes > 0 && small.logs_bytes > small.facts_bytes);
        assert_eq!(Limits::default().fitting(1024 * GIB), Limits::default());
    }
}
