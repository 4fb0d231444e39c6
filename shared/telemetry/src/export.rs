//! Sending spans by OTLP. The only place that knows OpenTelemetry's types.

mod convert;

use std::time::Duration;

use opentelemetry::trace::SpanContext;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};

use tidemill_messages::Traceparent;

use crate::metrics::catalogue::{SPANS_DROPPED, SPANS_EXPORTED};
use crate::settings::{Protocol, Settings};
use crate::span::Span;

/// Spans of one request: half of what collectors take at once by default.
pub const SPANS_MAX: usize = 512;

/// Why spans were not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be sent to the address that is set.
    #[error("telemetry cannot be sent as `telemetry.endpoint` or OTEL_EXPORTER_OTLP_ENDPOINT say")]
    Endpoint(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The collector refused them, or there is none.
    #[error("the collector does not take spans")]
    Refused(#[source] OTelSdkError),
    /// It did not answer in time.
    #[error("the collector did not answer within {limit:?} (telemetry.timeout)")]
    Silent {
        /// The limit.
        limit: Duration,
    },
}

pub(crate) fn resource() -> Resource {
    convert::resource()
}

/// A context that came from elsewhere.
pub(crate) fn context_of(caller: &Traceparent) -> SpanContext {
    convert::context(caller, true)
}

/// Sends spans, one request at a time.
pub struct Exporter {
    exporter: SpanExporter,
    timeout: Duration,
}

impl Exporter {
    /// An exporter as the settings and OpenTelemetry's variables say; nothing is connected yet. Needs a
    /// tokio runtime around it.
    ///
    /// # Errors
    /// [`Error::Endpoint`].
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let timeout = settings.timeout.duration();
        let wrong = |error: opentelemetry_otlp::ExporterBuildError| Error::Endpoint(error.into());
        let mut exporter = match settings.protocol() {
            Protocol::Grpc => {
                let mut builder = SpanExporter::builder().with_tonic().with_timeout(timeout);
                if let Some(endpoint) = &settings.endpoint {
                    builder = builder.with_endpoint(endpoint);
                }
                builder.build().map_err(wrong)?
            }
            Protocol::Http => {
                let client = crate::client::https(timeout).map_err(|error| Error::Endpoint(error.into()))?;
                let mut builder = SpanExporter::builder()
                    .with_http()
                    .with_timeout(timeout)
                    .with_http_client(client);
                if let Some(endpoint) = &settings.endpoint {
                    builder = builder.with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')));
                }
                builder.build().map_err(wrong)?
            }
        };
        exporter.set_resource(&convert::resource());
        Ok(Self { exporter, timeout })
    }

    /// Sends at most [`SPANS_MAX`] spans. They are counted once they are taken.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Silent`]: they may be sent again.
    pub async fn send(&self, spans: &[Span]) -> Result<(), Error> {
        self.send_ended(spans.iter().map(convert::span).collect()).await
    }

    /// The same with spans that OpenTelemetry has made.
    ///
    /// # Errors
    /// As [`Exporter::send`].
    pub(crate) async fn send_ended(&self, batch: Vec<SpanData>) -> Result<(), Error> {
        let count = batch.len();
        match tokio::time::timeout(self.timeout, self.exporter.export(batch)).await {
            Ok(Ok(())) => {
                SPANS_EXPORTED.plain().add(count as i64);
                Ok(())
            }
            Ok(Err(error)) => Err(Error::Refused(error)),
            Err(_) => Err(Error::Silent { limit: self.timeout }),
        }
    }

    /// Counts spans that are never sent.
    pub fn drop_spans(&self, count: usize) {
        SPANS_DROPPED.plain().add(count as i64);
    }

    /// Spans of this process that were never sent.
    pub fn dropped(&self) -> i64 {
        SPANS_DROPPED.plain().value()
    }
}
