//! watch: one line an event, until the client, the time limit or the server ends it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use tidemill_objects::{Error, Watch, WatchEvent, WatchQuery};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Call;
use crate::pods;
use crate::render::Renderer;
use crate::status::Refusal;

impl Call<'_> {
    /// The changes of a collection.
    pub(crate) async fn watch(&self) -> Result<Response, Refusal> {
        let scope = self.scope()?;
        let pods = self.target.is_pod().then(|| scope.clone());
        let query = WatchQuery {
            scope: if self.target.is_pod() {
                pods::task_runs(&scope)
            } else {
                scope
            },
            resource_version: self.parameters.parsed("resourceVersion")?,
            bookmarks: self.parameters.flag("allowWatchBookmarks")?,
            send_initial_events: self.parameters.flag("sendInitialEvents")?,
        };
        let limit = self.app.settings.stream_timeout.duration();
        let asked = self
            .parameters
            .parsed::<u64>("timeoutSeconds")?
            .map(Duration::from_secs);
        let lines = Lines {
            renderer: self.renderer()?,
            pods,
            watch: self.app.objects.watch(query).await?,
            pending: VecDeque::new(),
            until: Instant::now() + asked.map_or(limit, |asked| asked.min(limit)),
            shutdown: self.app.shutdown.clone(),
            over: false,
        };
        let body = Body::from_stream(stream::unfold(lines, |mut lines| async move {
            let line = lines.next().await?;
            Some((Ok::<_, Infallible>(line), lines))
        }));
        let mut response = Response::new(body);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }
}

/// The events of a watch as lines.
struct Lines {
    renderer: Renderer,
    /// For pods: which of them; the watch is one of TaskRuns then.
    pods: Option<tidemill_objects::Scope>,
    watch: Watch,
    pending: VecDeque<(&'static str, Value)>,
    until: Instant,
    shutdown: CancellationToken,
    over: bool,
}

impl Lines {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some((kind, object)) = self.pending.pop_front() {
                let mut line = json!({"type": kind, "object": object}).to_string();
                line.push('\n');
                return Some(line.into());
            }
            if self.over {
                return None;
            }
            tokio::select! {
                event = self.watch.next() => self.take(event),
                () = sleep_until(self.until) => self.over = true,
                () = self.shutdown.cancelled() => self.over = true,
            }
        }
    }

    fn take(&mut self, event: Result<WatchEvent, Error>) {
        let (kind, object) = match event {
            Ok(WatchEvent::Added(object)) => ("ADDED", object),
            Ok(WatchEvent::Modified(object)) => ("MODIFIED", object),
            Ok(WatchEvent::Deleted(object)) => ("DELETED", object),
            Ok(WatchEvent::Bookmark { version, initial_end }) => {
                let bookmark = self.renderer.bookmark(version, initial_end);
                self.pending.push_back(("BOOKMARK", bookmark));
                return;
            }
            Err(error) => {
                self.pending.push_back(("ERROR", Refusal::from(error).to_value()));
                self.over = true;
                return;
            }
        };
        let values = match &self.pods {
            Some(scope) => pods::changed(&object, kind, scope),
            None => vec![object.to_value()],
        };
        let renderer = self.renderer;
        self.pending
            .extend(values.into_iter().map(|value| (kind, renderer.value(value))));
    }
}
