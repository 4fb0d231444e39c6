//! Watches: nothing missed, nothing out of order.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use tidemill_bus::Message;

use super::{Store, config, configs, datum, line, next, objects, version, watch_from};
use crate::{Error, Objects, WatchEvent, WatchQuery};

#[tokio::test(start_paused = true)]
async fn changes_come_in_order() {
    let objects = objects().await;
    let made = objects.create(config("a", "1")).await.unwrap();
    let mut all = watch_from(&objects, configs(), version(&made)).await;
    objects.update(config("a", "2")).await.unwrap();
    objects.create(config("b", "1")).await.unwrap();
    let first = all.next().await.unwrap();
    assert_eq!(line(&first), "modified a 2");
    let WatchEvent::Modified(object) = first else { panic!() };
    assert_eq!(next(&mut all).await, "added b 1");
    // From the version of an event on nothing is missed and nothing comes twice.
    let mut resumed = watch_from(&objects, configs(), version(&object)).await;
    assert_eq!(next(&mut resumed).await, "added b 1");
}

#[tokio::test(start_paused = true)]
async fn a_watch_starts_with_what_there_is() {
    let objects = objects().await;
    objects.create(config("a", "1")).await.unwrap();
    objects.create(config("b", "1")).await.unwrap();
    let query = WatchQuery {
        scope: configs(),
        ..WatchQuery::default()
    };
    let mut watch = objects.watch(query.clone()).await.unwrap();
    assert_eq!(next(&mut watch).await, "added a 1");
    assert_eq!(next(&mut watch).await, "added b 1");
    objects.update(config("a", "2")).await.unwrap();
    assert_eq!(next(&mut watch).await, "modified a 2");
    let streaming = WatchQuery {
        send_initial_events: true,
        bookmarks: true,
        resource_version: Some(1),
        ..query
    };
    let mut watch = objects.watch(streaming).await.unwrap();
    let mut lines = Vec::new();
    for _ in 0..4 {
        lines.push(next(&mut watch).await);
    }
    assert_eq!(lines, ["added a 2", "added b 1", "bookmark true", "bookmark false"]);
}

#[tokio::test(start_paused = true)]
async fn what_changes_while_a_watch_starts_is_told_once() {
    let objects = objects().await;
    for index in 0..400 {
        objects.create(config(&format!("c{index:03}"), "old")).await.unwrap();
    }
    let query = WatchQuery {
        scope: configs(),
        ..WatchQuery::default()
    };
    let mut watch = objects.watch(query).await.unwrap();
    assert_eq!(next(&mut watch).await, "added c000 old");
    // One of the first page, one of the second, and one that is new there.
    objects.update(config("c001", "new")).await.unwrap();
    objects.update(config("c399", "new")).await.unwrap();
    objects.create(config("c399a", "new")).await.unwrap();
    objects.create(config("end", "")).await.unwrap();
    let mut lines = Vec::new();
    loop {
        let line = next(&mut watch).await;
        if line == "modified c001 new" {
            break;
        }
        lines.push(line);
    }
    assert_eq!(lines.len(), 401);
    assert_eq!(lines[398..], ["added c399 new", "added c399a new", "added end "]);
    objects.update(config("c399", "newer")).await.unwrap();
    assert_eq!(next(&mut watch).await, "modified c399 newer");
}

#[tokio::test(start_paused = true)]
async fn what_stops_matching_is_deleted_for_the_watcher() {
    let objects = objects().await;
    let labelled = |datum: &str, tier: &str| {
        let mut object = config("a", datum);
        object.metadata.labels = Some([("tier".to_owned(), tier.to_owned())].into());
        object
    };
    let start = version(&objects.create(labelled("1", "db")).await.unwrap());
    let mut watch = watch_from(&objects, configs().select("tier=web", "").unwrap(), start).await;
    objects.update(labelled("2", "web")).await.unwrap();
    assert_eq!(next(&mut watch).await, "added a 2");
    objects.update(labelled("3", "web")).await.unwrap();
    assert_eq!(next(&mut watch).await, "modified a 3");
    let left = version(&objects.update(labelled("4", "db")).await.unwrap());
    let WatchEvent::Deleted(last) = watch.next().await.unwrap() else {
        panic!()
    };
    assert_eq!((datum(&last).as_str(), version(&last)), ("3", left));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_too_old_is_told_to_list_again() {
    let mut store = Store::new().await;
    store.options.ring_changes = 10;
    let objects = store.objects().await;
    let start = version(&objects.create(config("a", "0")).await.unwrap());
    let mut slow = watch_from(&objects, configs(), start).await;
    for index in 1..=11 {
        objects.update(config("a", &index.to_string())).await.unwrap();
    }
    assert!(matches!(slow.next().await, Err(Error::Expired { .. })));
    let query = WatchQuery {
        scope: configs(),
        resource_version: Some(start),
        ..WatchQuery::default()
    };
    assert_eq!(objects.watch(query).await.err().unwrap().code(), 410);
    // Another process knows only what came since it started.
    let other = store.objects().await;
    let query = WatchQuery {
        scope: configs(),
        resource_version: Some(start + 1),
        ..WatchQuery::default()
    };
    assert_eq!(other.watch(query).await.err().unwrap().reason(), "Expired");
}

#[tokio::test(start_paused = true)]
async fn a_reader_away_for_longer_than_tombstones_live_starts_afresh() {
    let store = Store::new().await;
    let away = store.objects().await;
    let made = away.create(config("a", "0")).await.unwrap();
    let mut watch = watch_from(&away, configs(), version(&made)).await;
    store.memory.set_reachable(false);
    tokio::time::sleep(store.options.tombstone_age + Duration::from_secs(60)).await;
    store.memory.set_reachable(true);
    // Deleted and swept while it was away: nothing in the stream tells of it.
    let bus = store.memory.connect();
    let subject = super::config_key("a").subject();
    bus.publish(Message::new(&subject, "")).await.unwrap();
    bus.purge("objects", &subject, None).await.unwrap();
    assert_eq!(away.names_of("", "configmaps", "default"), ["a"]);
    let error = watch.next().await.unwrap_err();
    assert_eq!(error.code(), 410, "{error}");
    assert!(away.names_of("", "configmaps", "default").is_empty());
}

/// What a client knows: name to datum, kept by list and watch as client-go does.
struct Client {
    objects: Objects,
    known: BTreeMap<String, String>,
    version: u64,
    events: usize,
}

impl Client {
    fn take(&mut self, event: WatchEvent) {
        self.events += 1;
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                let at = version(&object);
                assert!(at > self.version, "{at} came after {}", self.version);
                self.version = at;
                self.known.insert(object.name().to_owned(), datum(&object));
            }
            WatchEvent::Deleted(object) => {
                let at = version(&object);
                assert!(at > self.version, "{at} came after {}", self.version);
                self.version = at;
                assert!(
                    self.known.remove(object.name()).is_some(),
                    "{} was known",
                    object.name()
                );
            }
            WatchEvent::Bookmark { version, .. } => self.version = version,
        }
    }

    /// Watches until `last`, with a new connection after some events.
    async fn follow(mut self, last: u64, seed: u64) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        while self.version < last {
            let mut watch = watch_from(&self.objects, configs(), self.version).await;
            for _ in 0..random.random_range(1..200) {
                if self.version >= last {
                    break;
                }
                let event = watch.next().await.unwrap();
                self.take(event);
            }
        }
        self
    }
}

#[tokio::test(start_paused = true)]
async fn watchers_that_reconnect_at_random_miss_nothing() {
    const CHANGES: usize = 10_000;
    let store = Store::new().await;
    let objects = store.objects().await;
    objects.create(config("c0", "start")).await.unwrap();
    let start = objects.create(config("first", "start")).await.unwrap();
    let start = version(&start);
    let known: BTreeMap<_, _> = [("c0", "start"), ("first", "start")]
        .map(|(name, datum)| (name.to_owned(), datum.to_owned()))
        .into();
    let last = start + CHANGES as u64 - 1;
    let clients = (0..50).map(|seed| {
        let client = Client {
            objects: objects.clone(),
            known: known.clone(),
            version: start,
            events: 0,
        };
        tokio::spawn(client.follow(last, seed))
    });
    let clients: Vec<_> = clients.collect();
    let writer = objects.clone();
    let mut truth = known.clone();
    for index in 0..CHANGES - 1 {
        let name = format!("c{}", index % 97);
        let value = index.to_string();
        if truth.insert(name.clone(), value.clone()).is_some() {
            writer.update(config(&name, &value)).await.unwrap();
        } else {
            writer.create(config(&name, &value)).await.unwrap();
        }
    }
    assert_eq!(writer.version(), last);
    for client in clients {
        let client = client.await.unwrap();
        assert_eq!(client.known, truth);
        assert!(client.events >= truth.len() - known.len());
    }
}
