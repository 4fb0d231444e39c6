//! Finding events in the stream, newest first.

use std::collections::HashMap;

use tidemill_bus::{Bus, Stored};
use tidemill_messages::event::{CLASSES, Class, SUMMARY, Summary};
use tidemill_messages::stream::EVENTS;
use tidemill_messages::subject;

use super::filter::Filter;
use super::{detail, unreadable};
use crate::status::Refusal;

/// Messages the first look goes back; each further look goes four times as far.
const FIRST_LOOK: u64 = 2_048;
/// Messages one request looks through at most; the next page goes on where it stopped.
const MESSAGES_MAX: u64 = 400_000;
/// Payloads one request reads at most.
const PAYLOADS_MAX: usize = 2_000;

/// Something that came in: an event, a redelivery or a refused request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// Its name: the id of an event, else `r-` and its sequence.
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) sequence: u64,
    pub(super) summary: Summary,
    pub(super) classes: Vec<Class>,
}

/// Some of what was asked for.
pub(super) struct Page {
    /// Newest first.
    pub(super) entries: Vec<Entry>,
    /// Where the next page begins: what came before this sequence.
    pub(super) next: Option<u64>,
    /// The stream's last sequence when the page was read.
    pub(super) version: u64,
}

impl Entry {
    /// From an event's or notice's message, by its headers; `None` for other messages.
    pub(super) fn of(stored: &Stored) -> Option<Self> {
        let is_event = stored.subject.starts_with("event.");
        if !is_event && !stored.subject.starts_with("notice.") {
            return None;
        }
        let summary: Summary = serde_json::from_str(stored.header(SUMMARY)?).ok()?;
        let name = match is_event {
            true => summary.id.clone(),
            false => format!("r-{}", stored.sequence),
        };
        let classes = match is_event {
            true => vec![Class::Pending],
            false => Class::list(stored.header(CLASSES).unwrap_or_default()),
        };
        Some(Self {
            name,
            subject: stored.subject.clone(),
            sequence: stored.sequence,
            summary,
            classes,
        })
    }

    /// Whether it is an event, not a redelivery or a refused request.
    pub(super) fn is_event(&self) -> bool {
        self.subject.starts_with("event.")
    }
}

/// The newest `limit` entries that came before the sequence `before`.
pub(super) async fn newest(
    bus: &Bus,
    namespace: Option<&str>,
    filter: &Filter,
    limit: usize,
    before: Option<u64>,
) -> Result<Page, Refusal> {
    let state = bus.state(EVENTS).await.map_err(unreadable)?;
    let end = before.unwrap_or(u64::MAX).min(state.last_sequence + 1);
    let mut lowest = state.first_sequence;
    if let Some(since) = filter.since {
        lowest = first_since(bus, since, lowest, end).await?;
    }
    let mut payloads = Payloads::default();
    let mut look = FIRST_LOOK;
    loop {
        let from = end.saturating_sub(look).max(lowest);
        let messages = bus
            .read_all(EVENTS, &subject::all_about_events(namespace), from, true)
            .await
            .map_err(unreadable)?;
        let mut entries = joined(&messages);
        entries.retain(|entry| entry.sequence < end && filter.takes(&entry.name, &entry.summary, &entry.classes));
        entries.reverse();
        let is_cut = payloads.fit(bus, filter, &mut entries, limit).await?;
        let is_last = from <= lowest || look >= MESSAGES_MAX || is_cut.is_some();
        if entries.len() > limit || is_last {
            let rest = is_cut.or_else(|| (from > lowest).then_some(from));
            let more = entries.len() > limit;
            entries.truncate(limit);
            let last = entries.last().map(|entry| entry.sequence);
            return Ok(Page {
                next: if more { last } else { rest },
                entries,
                version: state.last_sequence,
            });
        }
        look *= 4;
    }
}

/// Events and notices in their order, each event with what became of it.
fn joined(messages: &[Stored]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut events: HashMap<String, usize> = HashMap::new();
    for stored in messages {
        if let Some(entry) = Entry::of(stored) {
            if entry.is_event() {
                events.insert(entry.subject.clone(), entries.len());
            }
            entries.push(entry);
            continue;
        }
        let is_retry = stored.subject.starts_with("retry.");
        let event = match is_retry {
            true => subject::event_of_retry(&stored.subject),
            false => subject::event_of_outcome(&stored.subject),
        };
        if let Some(index) = event.and_then(|event| events.get(&event)) {
            entries[*index].classes = match is_retry {
                true => vec![Class::Pending],
                false => Class::list(stored.header(CLASSES).unwrap_or_default()),
            };
        }
    }
    entries
}

/// The first sequence stored at or after `since`, between these two; sequences follow the time.
async fn first_since(bus: &Bus, since: jiff::Timestamp, first: u64, end: u64) -> Result<u64, Refusal> {
    let (mut low, mut high) = (first, end);
    while low < high {
        let middle = low + (high - low) / 2;
        match bus.get(EVENTS, middle).await.map_err(unreadable)? {
            Some(stored) if stored.time >= since => high = middle,
            // What is gone was the oldest.
            _ => low = middle + 1,
        }
    }
    Ok(low)
}

/// What payloads were found to be, so that a further look reads none twice.
#[derive(Default)]
struct Payloads {
    fits: HashMap<u64, bool>,
}

impl Payloads {
    /// Leaves the entries whose payload fits, as long as more than `limit` are not found. Gives the
    /// sequence it stopped before, when it may read no more.
    async fn fit(
        &mut self,
        bus: &Bus,
        filter: &Filter,
        entries: &mut Vec<Entry>,
        limit: usize,
    ) -> Result<Option<u64>, Refusal> {
        if !filter.needs_payload() {
            return Ok(None);
        }
        let mut found = Vec::new();
        for entry in std::mem::take(entries) {
            if found.len() > limit {
                break;
            }
            let known = self.fits.get(&entry.sequence).copied();
            if known.is_none() && self.fits.len() >= PAYLOADS_MAX {
                *entries = found;
                return Ok(Some(entry.sequence + 1));
            }
            let fits = match known {
                Some(fits) => fits,
                None if !entry.is_event() => false,
                None => detail::event(bus, &entry)
                    .await?
                    .is_some_and(|(_, event)| filter.takes_payload(&event)),
            };
            self.fits.insert(entry.sequence, fits);
            if fits {
                found.push(entry);
            }
        }
        *entries = found;
        Ok(None)
    }
}
