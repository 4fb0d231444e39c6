//! What containers wrote: `pods/<pod>/log`.

mod history;
mod hub;
mod lines;
mod reading;

pub(crate) use hub::Hub;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use tidemill_messages::{stream, subject};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use crate::pods::{self, Pod};
use crate::status::Refusal;
use crate::verbs::Call;
use lines::Printer;
use reading::Reading;

/// Pieces of text on their way to a client.
const PIECES: usize = 16;

/// How much of a log is wanted, and how.
struct Wanted {
    follow: bool,
    timestamps: bool,
    tail: Option<usize>,
    since: Option<Timestamp>,
    limit_bytes: Option<usize>,
}

/// Answers with the text of a container, as it comes.
pub(crate) async fn open(call: &Call<'_>) -> Result<Response, Refusal> {
    let app = call.app;
    let (namespace, name) = (call.target.namespace.as_deref(), call.target.name.as_deref());
    let name = name.unwrap_or_default();
    let pod = pods::find(&app.objects, namespace.unwrap_or_default(), name)
        .await?
        .ok_or_else(|| Refusal::no_such("pods", name))?;
    let wanted = wanted(call)?;
    let container = container(&pod, call.parameters.text("container"))?;
    let key = pod.attempt_key();
    let literal = subject::log(&key, &container);
    let is_silent = !pod.is_started()
        && app
            .bus
            .last(stream::LOGS, &literal)
            .await
            .map_err(unreadable)?
            .is_none();
    if is_silent && !wanted.follow {
        return Err(Refusal::bad_request(format!(
            "container {container:?} in pod {name:?} is waiting to start: PodInitializing"
        )));
    }
    let slot = app.log_slots.clone().try_acquire_owned();
    let slot = slot.map_err(|_| Refusal::busy("too many logs are read at once (gateway.log-readers)"))?;
    let (output, pieces) = mpsc::channel(PIECES);
    let tail_bytes = usize::try_from(app.settings.tail.bytes()).unwrap_or(usize::MAX);
    let reading = Reading {
        bus: app.bus.clone(),
        hub: app.hub.clone(),
        objects: app.objects.clone(),
        printer: Printer::new(
            wanted.timestamps,
            wanted.since,
            wanted.tail,
            tail_bytes,
            wanted.limit_bytes,
        ),
        follow: wanted.follow && !pod.is_over(),
        pod,
        container,
        subject: literal,
        cursor: 0,
        output,
    };
    let (shutdown, limit) = (app.shutdown.clone(), app.settings.stream_timeout.duration());
    tokio::spawn(async move {
        let _slot = slot;
        tokio::select! {
            () = reading.run() => {}
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(limit) => {}
        }
    });
    let body = Body::from_stream(ReceiverStream::new(pieces).map(Ok::<_, std::convert::Infallible>));
    let mut response = Response::new(body);
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    Ok(response)
}

fn wanted(call: &Call<'_>) -> Result<Wanted, Refusal> {
    let parameters = &call.parameters;
    if parameters.flag("previous")? {
        return Err(Refusal::bad_request(
            "steps are not restarted: there is no previous container",
        ));
    }
    let since_seconds: Option<i64> = parameters.parsed("sinceSeconds")?;
    let before = since_seconds.map(|seconds| {
        let now = call.app.bus.now();
        now.checked_sub(SignedDuration::from_secs(seconds))
            .unwrap_or(Timestamp::MIN)
    });
    Ok(Wanted {
        follow: parameters.flag("follow")?,
        timestamps: parameters.flag("timestamps")?,
        tail: parameters.parsed("tailLines")?,
        since: parameters.parsed("sinceTime")?.or(before),
        limit_bytes: parameters.parsed("limitBytes")?,
    })
}

/// The container that is meant; one must be named where there are several.
fn container(pod: &Pod, asked: &str) -> Result<String, Refusal> {
    let all = pod.containers();
    let name = pod.name();
    match (asked, &all[..]) {
        ("", [only]) => Ok(only.clone()),
        ("", _) => Err(Refusal::bad_request(format!(
            "a container name must be specified for pod {name}, choose one of: {all:?}"
        ))),
        (asked, []) => Ok(asked.to_owned()),
        (asked, all) if all.iter().any(|known| known == asked) => Ok(asked.to_owned()),
        (asked, _) => Err(Refusal::bad_request(format!(
            "container {asked} is not valid for pod {name}, choose one of: {all:?}"
        ))),
    }
}

fn unreadable(error: tidemill_bus::Error) -> Refusal {
    Refusal::from(tidemill_objects::Error::from(error))
}
