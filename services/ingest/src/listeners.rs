//! What listeners need beside requests: their schedules, what they are fed with and whom they tell,
//! kept in step with the objects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidemill_objects::{Scope, Watch, WatchEvent, WatchQuery};
use tidemill_resources::Object;
use tidemill_telemetry::Chain;
use tidemill_triggers::names::{ANNOTATION_SCHEDULE, ANNOTATION_SUBJECT};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use crate::app::App;
use crate::emit::{self, Feed, Sink};
use crate::{Error, schedule};

/// How often all schedules are looked at, should a time have been lost.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Pause before the listeners are read afresh.
const AFRESH_PAUSE: Duration = Duration::from_secs(1);
/// How long the listeners there are may take to be told before it is taken that nobody of them wants
/// to be told of runs.
const SETTLE: Duration = Duration::from_secs(2);

/// A listener, by namespace and name.
type Name = (String, String);

/// What runs for one listener.
#[derive(Default)]
struct Attended {
    is_scheduled: bool,
    feed: Option<(Feed, AbortHandle)>,
    sink: Option<(Sink, AbortHandle)>,
}

/// Everything that runs for listeners; ended when dropped.
struct Attendance<'a> {
    app: &'a Arc<App>,
    listeners: BTreeMap<Name, Attended>,
    tasks: JoinSet<()>,
}

/// Follows all listeners until ingest stops.
pub(crate) async fn run(app: Arc<App>) -> Result<(), Error> {
    loop {
        let ended = tokio::select! {
            () = app.stopping.cancelled() => return Ok(()),
            ended = follow(&app) => ended,
        };
        match ended {
            Ok(()) | Err(Error::Stopping) => return Ok(()),
            Err(error) => {
                tracing::debug!(error = %Chain(&error), "The listeners are read afresh.");
                sleep(AFRESH_PAUSE).await;
            }
        }
    }
}

async fn follow(app: &Arc<App>) -> Result<(), Error> {
    app.objects.ready().await?;
    let mut watch = watch(app).await?;
    let mut attendance = Attendance {
        app,
        listeners: BTreeMap::new(),
        tasks: JoinSet::new(),
    };
    let (mut look_at, mut settle_at) = (Instant::now() + LOOK_EVERY, Some(Instant::now() + SETTLE));
    loop {
        tokio::select! {
            event = watch.next() => {
                match event? {
                    WatchEvent::Added(listener) | WatchEvent::Modified(listener) => attendance.attend(&listener).await,
                    WatchEvent::Deleted(listener) => attendance.forget(&name(&listener)).await,
                    WatchEvent::Bookmark { .. } => {}
                }
                attendance.say_what_is_wanted(settle_at.is_none());
            }
            () = sleep_until(look_at) => {
                attendance.look_at_all().await;
                look_at = Instant::now() + LOOK_EVERY;
            }
            () = sleep_until(settle_at.unwrap_or(look_at)), if settle_at.is_some() => {
                settle_at = None;
                attendance.say_what_is_wanted(true);
            }
        }
        while attendance.tasks.try_join_next().is_some() {}
    }
}

async fn watch(app: &App) -> Result<Watch, Error> {
    let query = WatchQuery {
        scope: Scope::new("triggers.tekton.dev", "eventlisteners", None),
        ..WatchQuery::default()
    };
    Ok(app.objects.watch(query).await?)
}

impl Attendance<'_> {
    async fn attend(&mut self, object: &Object) {
        if object.metadata.deletion_timestamp.is_some() {
            return self.forget(&name(object)).await;
        }
        let name = name(object);
        let mut attended = self.listeners.remove(&name).unwrap_or_default();
        let is_scheduled = annotation(object, ANNOTATION_SCHEDULE).is_some();
        if is_scheduled || attended.is_scheduled {
            look(self.app, &name).await;
        }
        attended.is_scheduled = is_scheduled;
        self.feed(&mut attended.feed, feed_of(object)).await;
        self.sink(&mut attended.sink, sink_of(object)).await;
        self.listeners.insert(name, attended);
    }

    async fn forget(&mut self, name: &Name) {
        let Some(mut attended) = self.listeners.remove(name) else {
            return;
        };
        if attended.is_scheduled {
            look(self.app, name).await;
        }
        self.feed(&mut attended.feed, None).await;
        self.sink(&mut attended.sink, None).await;
    }

    /// Feeds with `wanted` from now on, in place of what was fed before.
    async fn feed(&mut self, running: &mut Option<(Feed, AbortHandle)>, wanted: Option<Feed>) {
        if running.as_ref().map(|(feed, _)| feed) == wanted.as_ref() {
            return;
        }
        if let Some((feed, task)) = running.take() {
            task.abort();
            if let Some((stream, consumer)) = feed.consumer() {
                delete(self.app, stream, &consumer).await;
            }
        }
        *running = wanted.map(|feed| {
            let (app, fed) = (self.app.clone(), feed.clone());
            let task = self.tasks.spawn(async move {
                keep_on(&app, "A listener is not fed.", || emit::feed(&app, &fed)).await;
            });
            (feed, task)
        });
    }

    /// The same for whom it tells.
    async fn sink(&mut self, running: &mut Option<(Sink, AbortHandle)>, wanted: Option<Sink>) {
        let has_moved = |sink: &Sink| wanted.as_ref() != Some(sink);
        if !running.as_ref().map_or(wanted.is_some(), |(sink, _)| has_moved(sink)) {
            return;
        }
        if let Some((sink, task)) = running.take() {
            task.abort();
            // Another address of the same listener goes on where this one was.
            if wanted.is_none() {
                delete(self.app, sink.stream, &sink.consumer).await;
            }
        }
        *running = wanted.map(|sink| {
            let (app, told) = (self.app.clone(), sink.clone());
            let task = self.tasks.spawn(async move {
                keep_on(&app, "A sink is not told.", || emit::deliver(&app, &told)).await;
            });
            (sink, task)
        });
    }

    /// Says whether events of runs are wanted; that they are not only when all listeners are known.
    fn say_what_is_wanted(&self, is_settled: bool) {
        let feeds = self.listeners.values().filter_map(|attended| attended.feed.as_ref());
        let mut streams = feeds.filter_map(|(feed, _)| feed.consumer());
        let is_wanted = !self.app.settings.sinks.is_empty()
            || streams.any(|(stream, _)| stream == tidemill_messages::stream::CLOUD_EVENTS);
        if is_wanted || is_settled {
            self.app.run_events.send_if_modified(|now| {
                let before = now.replace(is_wanted);
                before != Some(is_wanted)
            });
        }
    }

    async fn look_at_all(&self) {
        for (name, attended) in &self.listeners {
            if attended.is_scheduled {
                look(self.app, name).await;
            }
        }
    }
}

/// Tells the sinks of the settings until ingest stops.
pub(crate) async fn tell_sinks(app: Arc<App>) -> Result<(), Error> {
    let sinks: BTreeMap<(&str, String), Sink> = emit::of_settings(&app.settings.sinks)
        .into_iter()
        .map(|sink| ((sink.stream, sink.consumer.clone()), sink))
        .collect();
    let each = sinks.into_values().map(|sink| {
        let app = app.clone();
        async move { keep_on(&app, "A sink is not told.", || emit::deliver(&app, &sink)).await }
    });
    futures::future::join_all(each).await;
    // With no sink at all there is nothing to wait for, but ingest goes on.
    app.stopping.cancelled().await;
    Ok(())
}

/// Begins again after a failure until ingest stops.
async fn keep_on<F>(app: &App, what: &str, mut work: impl FnMut() -> F)
where
    F: Future<Output = Result<(), Error>>,
{
    loop {
        let ended = tokio::select! {
            () = app.stopping.cancelled() => return,
            ended = work() => ended,
        };
        match ended {
            Ok(()) | Err(Error::Stopping) => return,
            Err(error) => tracing::error!(error = %Chain(&error), "{what}"),
        }
        sleep(AFRESH_PAUSE).await;
    }
}

async fn delete(app: &App, stream: &str, consumer: &str) {
    if let Err(error) = app.bus.delete_consumer(stream, consumer).await {
        tracing::warn!(%error, stream, consumer, "A consumer stays that nobody needs.");
    }
}

async fn look(app: &App, (namespace, name): &Name) {
    match schedule::attend(app, namespace, name).await {
        Ok(()) | Err(Error::Stopping) => {}
        Err(error) => {
            tracing::error!(error = %Chain(&error), namespace, listener = name, "A schedule could not be set.");
        }
    }
}

fn feed_of(object: &Object) -> Option<Feed> {
    Some(Feed {
        namespace: object.namespace().to_owned(),
        listener: object.name().to_owned(),
        uid: object.metadata.uid.clone()?,
        subject: annotation(object, ANNOTATION_SUBJECT)?.to_owned(),
    })
}

fn sink_of(object: &Object) -> Option<Sink> {
    let url = object.rest.get("spec")?.get("cloudEventURI")?.as_str()?;
    let uid = object.metadata.uid.as_deref()?;
    (!url.is_empty()).then(|| emit::of_listener(url, object.namespace(), uid))
}

fn annotation<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    object.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

fn name(listener: &Object) -> Name {
    (listener.namespace().to_owned(), listener.name().to_owned())
}
