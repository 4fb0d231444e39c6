//! Watches: the changes of a scope from a version on, in order, without gaps.

mod event;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use tidemill_resources::Object;
use tokio::time::{Instant, sleep_until};

use crate::inner::{Inner, Phase, decode};
use crate::list::Found;
use crate::{Error, Key, Objects, Scope};

/// How often an idle watch says how far it is.
const BOOKMARK_EVERY: Duration = Duration::from_secs(30);
/// Steps taken from the ring at once, and objects read at once for a start with the current state.
const BATCH: usize = 256;
/// Bytes of objects read at once for the same.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// What to watch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchQuery {
    /// Resource, namespace and selectors.
    pub scope: Scope,
    /// Changes after this version. `None` or `Some(0)`: first all objects there are as added, then
    /// the changes; `None` waits until the index has what the leader has.
    pub resource_version: Option<u64>,
    /// Send bookmarks.
    pub bookmarks: bool,
    /// Start with all objects there are, as added, and end them with a bookmark; the version is then
    /// the oldest the state may have.
    pub send_initial_events: bool,
}

/// What a watch tells.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent {
    /// New, or it matches the selectors now.
    Added(Box<Object>),
    /// Changed.
    Modified(Box<Object>),
    /// Deleted, or it does not match any more; the last state, with the version of the change.
    Deleted(Box<Object>),
    /// Everything up to this version was told.
    Bookmark {
        /// The version.
        version: u64,
        /// It ends the initial events.
        initial_end: bool,
    },
}

/// A watch. Dropping it ends it; it holds no queue, however slowly it is read.
pub struct Watch {
    objects: Objects,
    query: WatchQuery,
    start: Option<Start>,
    cursor: u64,
    ready: VecDeque<WatchEvent>,
    /// Objects whose last change was overwritten before it could be read: not told to the watcher.
    unseen: HashSet<Key>,
    /// Versions of the initial state that are newer than it: their steps are not told again.
    told: HashMap<Key, u64>,
    bookmark_at: Instant,
}

/// The initial state, page by page.
#[derive(Clone, Default)]
struct Start {
    /// The version of the first page; `None` before it.
    version: Option<u64>,
    after: Option<(String, String)>,
}

impl Objects {
    /// Starts a watch.
    ///
    /// # Errors
    /// [`Error::Expired`] when the version is older than the ring of changes or newer than the store,
    /// [`Error::Unavailable`].
    pub async fn watch(&self, query: WatchQuery) -> Result<Watch, Error> {
        self.inner.reach(query.resource_version).await?;
        let version = query.resource_version.unwrap_or_default();
        let (applied, remembered) = {
            let index = self.inner.index();
            (index.applied(), index.remembers(version))
        };
        let initial = version == 0 || query.send_initial_events;
        if !initial && !remembered {
            return Err(expired(&self.inner, version));
        }
        Ok(Watch {
            objects: self.clone(),
            start: initial.then(Start::default),
            cursor: if initial { applied } else { version },
            query,
            ready: VecDeque::new(),
            unseen: HashSet::new(),
            told: HashMap::new(),
            bookmark_at: Instant::now() + BOOKMARK_EVERY,
        })
    }
}

impl Watch {
    /// The next event; waits for it. Safe to cancel.
    ///
    /// # Errors
    /// [`Error::Expired`] when the watcher fell behind the ring of changes: list again. After an
    /// error the watch is over.
    pub async fn next(&mut self) -> Result<WatchEvent, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.bookmark_at = Instant::now() + BOOKMARK_EVERY;
                return Ok(event);
            }
            if self.start.is_some() {
                self.read_start().await?;
            } else if !self.read_steps().await? {
                self.wait().await?;
            }
        }
    }

    /// The version up to which everything has been handed out.
    pub fn version(&self) -> u64 {
        self.cursor
    }

    /// One page of the initial state.
    async fn read_start(&mut self) -> Result<(), Error> {
        let Some(start) = self.start.clone() else { return Ok(()) };
        let inner = self.objects.inner.clone();
        let page = inner.index().page(&self.query.scope, start.after.as_ref(), BATCH);
        let version = start.version.unwrap_or(page.applied);
        let scope = &self.query.scope;
        let read = |found: Found| {
            let object = decode(&found.body, found.sequence, &found.key)?;
            Ok(scope.fields.matches(&object).then_some(object))
        };
        let taken = inner.read_rows(scope, page.rows, BATCH_BYTES, read).await?;
        let (after, more) = (taken.last, page.more || taken.left > 0);
        self.cursor = version;
        for object in taken.objects {
            let own = object.metadata.resource_version.as_deref();
            let own = own.and_then(|own| own.parse().ok()).unwrap_or(version);
            if own > version {
                self.told.insert(Key::of(&object)?, own);
            }
            self.ready.push_back(WatchEvent::Added(Box::new(object)));
        }
        if more {
            let version = Some(version);
            self.start = Some(Start { version, after });
            return Ok(());
        }
        self.start = None;
        if self.query.send_initial_events && self.query.bookmarks {
            self.ready.push_back(WatchEvent::Bookmark {
                version,
                initial_end: true,
            });
        }
        Ok(())
    }

    /// Takes steps from the ring; `false` when there were none.
    async fn read_steps(&mut self) -> Result<bool, Error> {
        let inner = self.objects.inner.clone();
        let steps = inner.index().steps(&self.query.scope, self.cursor, BATCH);
        let Some((steps, cursor)) = steps else {
            return Err(expired(&inner, self.cursor));
        };
        let any = cursor > self.cursor;
        let mut events = VecDeque::new();
        let mut unseen = self.unseen.clone();
        for step in steps {
            if self.told.get(&step.key).is_some_and(|told| step.version <= *told) {
                continue;
            }
            events.extend(event::of(&inner, &self.query.scope, step, &mut unseen).await?);
        }
        // Nothing above may be lost when the call is cancelled, so it is all taken over here.
        self.ready = events;
        self.unseen = unseen;
        self.cursor = cursor;
        self.told.retain(|_, told| *told > cursor);
        Ok(any)
    }

    /// Waits for a change or for the time of a bookmark.
    async fn wait(&mut self) -> Result<(), Error> {
        let mut applied = self.objects.inner.applied.subscribe();
        let mut phase = self.objects.inner.phase.subscribe();
        let cursor = self.cursor;
        let changed = async {
            // An index that starts afresh may miss deletions: it has to be complete first.
            let complete = phase.wait_for(|phase| *phase == Phase::Ready).await.is_ok();
            complete && applied.wait_for(|&applied| applied > cursor).await.is_ok()
        };
        tokio::select! {
            more = changed => if more { Ok(()) } else { Err(Error::unavailable("the objects were closed")) },
            () = sleep_until(self.bookmark_at) => {
                self.bookmark_at = Instant::now() + BOOKMARK_EVERY;
                if self.query.bookmarks {
                    self.ready.push_back(WatchEvent::Bookmark { version: cursor, initial_end: false });
                }
                Ok(())
            }
        }
    }
}

fn expired(inner: &Inner, version: u64) -> Error {
    Error::Expired {
        message: format!("too old resource version: {version} ({})", inner.index().floor()),
    }
}
