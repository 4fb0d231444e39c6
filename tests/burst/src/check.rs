//! What became of the burst, read from the streams.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tidemill_messages::event::{Event, Outcome, Stage as Stand};
use tidemill_messages::stream::{EVENTS, OBJECTS};
use tidemill_messages::{decode, subject};
use tokio::time::{Instant, timeout};

use crate::deliveries::{Deliveries, Fate};
use crate::send::Sent;
use crate::stage::Stage;

/// All outcomes.
const ALL_OUTCOMES: &str = "outcome.>";
/// Annotation of a made object: key of its event.
const ANNOTATION_EVENT: &str = "tidemill.dev/event";

/// What the streams hold.
pub(crate) struct Found {
    /// By event id: key and outcome.
    events: HashMap<String, (String, Option<Outcome>)>,
    /// By the key of the event: the deliveries the objects were made of.
    objects: HashMap<String, Vec<String>>,
}

/// Waits until every stored event has come to its end; gives how long that took.
pub(crate) async fn settle(stage: &Stage, limit: Duration) -> Result<Duration> {
    let begin = Instant::now();
    let bus = stage.bus().await?;
    let events = bus.read_all(EVENTS, subject::ALL_EVENTS, 0, true).await?.len();
    let mut reader = bus.reader(EVENTS, ALL_OUTCOMES, 0, false).await?;
    let mut ended = 0;
    while ended < events {
        let Ok(stored) = timeout(limit.saturating_sub(begin.elapsed()), reader.next()).await else {
            bail!(
                "only {ended} of {events} events came to their end in {limit:?}; ingest said:\n{}",
                stage.spoken()
            );
        };
        let stored = stored?;
        let outcome: Outcome = decode(&stored.subject, &stored.payload)?;
        ended += usize::from(matches!(outcome.stage, Stand::Done | Stand::Dead));
    }
    Ok(begin.elapsed())
}

/// Reads everything.
pub(crate) async fn read(stage: &Stage) -> Result<Found> {
    let bus = stage.bus().await?;
    let mut outcomes = BTreeMap::new();
    for stored in bus.read_all(EVENTS, ALL_OUTCOMES, 0, false).await? {
        let outcome: Outcome = decode(&stored.subject, &stored.payload)?;
        outcomes.insert(stored.subject, outcome);
    }
    let mut events = HashMap::new();
    for stored in bus.read_all(EVENTS, subject::ALL_EVENTS, 0, false).await? {
        let event: Event = decode(&stored.subject, &stored.payload)?;
        let outcome = subject::outcome_of_event(&stored.subject).and_then(|subject| outcomes.remove(&subject));
        events.insert(event.summary.id, (event.summary.key, outcome));
    }
    let mut objects: HashMap<String, Vec<String>> = HashMap::new();
    let runs = subject::objects_of("tekton.dev", "pipelineruns");
    for stored in bus.read_all(OBJECTS, &runs, 0, false).await? {
        let object: Value = serde_json::from_slice(&stored.payload)?;
        let key = object["metadata"]["annotations"][ANNOTATION_EVENT].as_str();
        let delivery = object["spec"]["params"][0]["value"].as_str();
        let key = key.with_context(|| format!("{} names no event", stored.subject))?;
        objects
            .entry(key.to_owned())
            .or_default()
            .push(delivery.unwrap_or_default().to_owned());
    }
    Ok(Found { events, objects })
}

impl Found {
    /// How many events were stored.
    pub(crate) fn events(&self) -> usize {
        self.events.len()
    }

    /// How many objects were made.
    pub(crate) fn objects(&self) -> usize {
        self.objects.values().map(Vec::len).sum()
    }

    /// How many tries did not come to their end.
    pub(crate) fn retries(&self) -> u32 {
        let outcomes = self.events.values().filter_map(|(_, outcome)| outcome.as_ref());
        outcomes.map(|outcome| outcome.retries).sum()
    }

    /// Whether every promise was kept.
    pub(crate) fn check(&self, deliveries: &Deliveries, sent: &[Sent]) -> Result<()> {
        ensure!(
            sent.len() == deliveries.requests.len(),
            "not every request was answered"
        );
        let mut told: HashMap<(&str, &str), &str> = HashMap::new();
        for sent in sent {
            let who = (sent.request.delivery.as_str(), sent.request.token);
            let before = told.insert(who, &sent.event).unwrap_or(&sent.event);
            ensure!(
                before == sent.event,
                "{who:?} was told two ids: {before}, {}",
                sent.event
            );
            self.check_one(sent)?;
        }
        ensure!(
            told.len() == self.events.len(),
            "{} events are stored for {} different requests",
            self.events.len(),
            told.len()
        );
        let mut made: Vec<&String> = self.objects.values().flatten().collect();
        made.sort_unstable();
        if let Some(twice) = made.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("{} has two objects", twice[0]);
        }
        Ok(())
    }

    fn check_one(&self, sent: &Sent) -> Result<()> {
        let (delivery, fate) = (&sent.request.delivery, sent.request.fate);
        let lost = || format!("{delivery} was answered 202 as {} and is not stored", sent.event);
        let (key, outcome) = self.events.get(&sent.event).with_context(lost)?;
        let outcome = outcome.as_ref().with_context(|| format!("{delivery} has no outcome"))?;
        ensure!(outcome.stage == Stand::Done, "{delivery} ended as {outcome:?}");
        let verdict = outcome.triggers.first().context("no trigger decided")?;
        let expected = match fate {
            Fate::Made => "accepted",
            Fate::Filtered => "filtered by cel",
            Fate::Refused => "refused by gitlab",
        };
        ensure!(
            verdict.text.starts_with(expected),
            "{delivery} should be {expected}, is {}",
            verdict.text
        );
        let made = self.objects.get(key).map(Vec::as_slice).unwrap_or_default();
        let count = usize::from(fate == Fate::Made);
        ensure!(
            made.len() == count && made.iter().all(|made| made == delivery),
            "{delivery} ({fate:?}) has the objects {made:?}"
        );
        Ok(())
    }
}
