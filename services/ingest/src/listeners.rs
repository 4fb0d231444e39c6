//! What listeners need beside requests: their schedules, kept in step with the objects.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tidemill_objects::{Scope, Watch, WatchEvent, WatchQuery};
use tidemill_resources::Object;
use tidemill_telemetry::Chain;
use tidemill_triggers::names::ANNOTATION_SCHEDULE;
use tokio::time::{Instant, sleep, sleep_until};

use crate::app::App;
use crate::{Error, schedule};

/// How often all schedules are looked at, should a time have been lost.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Pause before the listeners are read afresh.
const AFRESH_PAUSE: Duration = Duration::from_secs(1);

/// A listener, by namespace and name.
type Name = (String, String);

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

async fn follow(app: &App) -> Result<(), Error> {
    app.objects.ready().await?;
    let mut watch = watch(app).await?;
    let mut scheduled = BTreeSet::new();
    let mut look_at = Instant::now() + LOOK_EVERY;
    loop {
        tokio::select! {
            event = watch.next() => match event? {
                WatchEvent::Added(listener) | WatchEvent::Modified(listener) => {
                    attend(app, &listener, &mut scheduled).await;
                }
                WatchEvent::Deleted(listener) => {
                    let name = name(&listener);
                    if scheduled.remove(&name) {
                        look(app, &name).await;
                    }
                }
                WatchEvent::Bookmark { .. } => {}
            },
            () = sleep_until(look_at) => {
                for name in &scheduled {
                    look(app, name).await;
                }
                look_at = Instant::now() + LOOK_EVERY;
            }
        }
    }
}

async fn watch(app: &App) -> Result<Watch, Error> {
    let query = WatchQuery {
        scope: Scope::new("triggers.tekton.dev", "eventlisteners", None),
        ..WatchQuery::default()
    };
    Ok(app.objects.watch(query).await?)
}

async fn attend(app: &App, listener: &Object, scheduled: &mut BTreeSet<Name>) {
    let name = name(listener);
    let has_schedule = listener
        .metadata
        .annotations
        .as_ref()
        .is_some_and(|annotations| annotations.contains_key(ANNOTATION_SCHEDULE));
    let had_schedule = match has_schedule {
        true => !scheduled.insert(name.clone()),
        false => scheduled.remove(&name),
    };
    if has_schedule || had_schedule {
        look(app, &name).await;
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

fn name(listener: &Object) -> Name {
    (listener.namespace().to_owned(), listener.name().to_owned())
}
