//! Sending spans, for as long as it is worth trying.

use std::sync::Arc;
use std::time::Duration;

use tidemill_bus::Delivery;
use tidemill_telemetry::Chain;
use tidemill_telemetry::export::{Exporter, SPANS_MAX};
use tidemill_telemetry::span::Span;
use tokio::time::Instant;

/// The first pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Sends what one stream tells.
pub(crate) struct Sender {
    exporter: Arc<Exporter>,
    patience: Duration,
    /// The collector takes nothing: until it does, everything is tried once.
    is_down: bool,
}

impl Sender {
    pub(crate) fn new(exporter: Arc<Exporter>, patience: Duration) -> Self {
        Self {
            exporter,
            patience,
            is_down: false,
        }
    }

    /// Sends all of them, or drops and counts what the collector does not take in time. Meanwhile the
    /// `records` they were made of do not come again.
    pub(crate) async fn send(&mut self, spans: Vec<Span>, records: &[Delivery]) {
        let until = Instant::now() + self.patience;
        for batch in spans.chunks(SPANS_MAX) {
            self.send_batch(batch, records, until).await;
        }
    }

    async fn send_batch(&mut self, batch: &[Span], records: &[Delivery], until: Instant) {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.exporter.send(batch).await {
                Ok(()) => {
                    if std::mem::take(&mut self.is_down) {
                        tracing::warn!(dropped = self.exporter.dropped(), "The collector takes spans again.");
                    }
                    return;
                }
                Err(error) => error,
            };
            if self.is_down || Instant::now() + pause >= until {
                if !std::mem::replace(&mut self.is_down, true) {
                    tracing::warn!(error = %Chain(&error), "Spans are dropped: the collector does not take them.");
                }
                self.exporter.drop_spans(batch.len());
                return;
            }
            for record in records {
                record.in_progress().await;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
