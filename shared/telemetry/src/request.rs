//! Spans of requests that are part of a caller's trace.
//!
//! What a run does is told from what is stored. A request is stored nowhere: its span is made while it is
//! answered, by `tracing` and OpenTelemetry's bridge, and only when the caller's `traceparent` asks for it.
//! Nothing waits for it: an ended span goes into a queue, and one that finds it full is dropped and counted.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanProcessor};
use tidemill_messages::Traceparent;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::chain::Chain;
use crate::export::{Exporter, SPANS_MAX, context_of};
use crate::metrics::catalogue::SPANS_DROPPED;

/// Target of these spans, and of nothing else.
const TARGET: &str = "tidemill::request";
/// Who tells.
const SCOPE: &str = "tidemill.gateway";
/// Spans that wait for the collector at most.
const QUEUE_MAX: usize = 2048;

/// How long the end of the process waits for the collector.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where ended spans go, once somebody sends them.
static QUEUE: OnceLock<mpsc::Sender<SpanData>> = OnceLock::new();

/// A request that is being answered. Without a caller's trace, or an endpoint for spans, it is nothing.
pub struct Request(tracing::Span);

impl Request {
    /// Begins now; `traceparent` is the caller's header.
    pub fn begin(method: &str, path: &str, traceparent: Option<&str>) -> Self {
        let caller = traceparent.and_then(|text| text.parse::<Traceparent>().ok());
        let Some(caller) = caller.filter(|caller| caller.is_sampled() && QUEUE.get().is_some()) else {
            return Self(tracing::Span::none());
        };
        // Names and attributes: OpenTelemetry's conventions for HTTP servers.
        let span = tracing::info_span!(
            target: TARGET,
            parent: None,
            "request",
            otel.name = method,
            otel.kind = "server",
            http.request.method = method,
            url.path = path,
            http.response.status_code = Empty,
            otel.status_code = Empty,
        );
        let parent = opentelemetry::Context::new().with_remote_span_context(context_of(&caller));
        if let Err(error) = span.set_parent(parent) {
            tracing::debug!(%error, "The span of a request has no parent.");
        }
        Self(span)
    }

    /// What a run that this request makes is a part of.
    pub fn traceparent(&self) -> Option<Traceparent> {
        // Most requests: nothing is to be asked of anybody.
        if self.0.is_none() {
            return None;
        }
        let context = self.0.context();
        let own = context.span().span_context().clone();
        let text = format!(
            "00-{}-{}-{:02x}",
            own.trace_id(),
            own.span_id(),
            own.trace_flags().to_u8()
        );
        text.parse().ok()
    }

    /// It was answered with this code, and ends.
    pub fn end(self, code: u16) {
        self.0.record("http.response.status_code", code);
        if code >= 500 {
            self.0.record("otel.status_code", "ERROR");
        }
    }
}

/// Sends the spans of requests until `shutdown`, then those that wait. What the collector does not take is
/// dropped and counted: no record of it is kept.
///
/// # Errors
/// None.
pub async fn send(exporter: Arc<Exporter>, shutdown: CancellationToken) -> Result<(), std::convert::Infallible> {
    let (sender, mut queue) = mpsc::channel(QUEUE_MAX);
    if QUEUE.set(sender).is_err() {
        // Another part of this process does it.
        shutdown.cancelled().await;
        return Ok(());
    }
    let mut ended = Vec::with_capacity(SPANS_MAX);
    loop {
        tokio::select! {
            _ = queue.recv_many(&mut ended, SPANS_MAX) => {}
            () = shutdown.cancelled() => queue.close(),
        }
        if ended.is_empty() && shutdown.is_cancelled() && queue.recv_many(&mut ended, SPANS_MAX).await == 0 {
            return Ok(());
        }
        let count = ended.len();
        let is_sent = tokio::select! {
            sent = exporter.send_ended(std::mem::take(&mut ended)) => sent
                .inspect_err(|error| tracing::debug!(error = %Chain(error), "Spans of requests are dropped."))
                .is_ok(),
            () = too_late(&shutdown) => false,
        };
        if !is_sent {
            exporter.drop_spans(count);
        }
    }
}

/// Until a second after `shutdown`: the end of the process waits no longer for the collector.
pub async fn too_late(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(LAST_WORDS).await;
}

/// The bridge from `tracing` to the queue. It sees spans of requests only.
pub(crate) fn layer<S>() -> impl Layer<S>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Queue)
        .with_resource(crate::export::resource())
        .build();
    let only_requests = dynamic_filter_fn(|metadata, _| metadata.target() == TARGET)
        .with_callsite_filter(|metadata| match metadata.target() == TARGET {
            true => Interest::always(),
            false => Interest::never(),
        })
        .with_max_level_hint(LevelFilter::INFO);
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(SCOPE))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(only_requests)
}

/// Hands ended spans on.
#[derive(Debug)]
struct Queue;

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        if QUEUE.get().is_some_and(|queue| queue.try_send(span).is_err()) {
            SPANS_DROPPED.plain().add(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
