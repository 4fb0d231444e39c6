//! Spans of what became of releases.

use tidemill_bus::{Bus, Stored, blob};
use tidemill_messages::envelope::TRACEPARENT;
use tidemill_messages::stream::RELEASES;
use tidemill_messages::trace::Span as Of;
use tidemill_messages::{ReleaseEvent, ReleaseStatus, Traceparent, decode, subject};
use tidemill_telemetry::span::{Link, Span};

use crate::Error;

/// The scope of these spans.
const SCOPE: &str = "tidemill.release";

/// What comes before a transition, newest first: the span lasts since then.
fn begins(status: ReleaseStatus) -> &'static [ReleaseStatus] {
    use ReleaseStatus as S;
    match status {
        S::Deployed | S::Failed | S::Unlocked => &[S::PendingUpgrade, S::PendingInstall, S::PendingRollback],
        S::RolledBack | S::RollbackFailed => &[S::RollbackStarted, S::PendingRollback],
        S::Verified => &[S::Deployed],
        S::Recovered => &[S::Degraded],
        _ => &[],
    }
}

/// The span of a transition.
pub(crate) async fn spans(bus: &Bus, stored: &Stored) -> Result<Vec<Span>, Error> {
    let payload = blob::payload(bus, stored).await?;
    let event: ReleaseEvent = decode(&stored.subject, &payload)?;
    let mut start = event.at;
    for before in begins(event.status) {
        let subject = subject::release(&event.release, event.revision, *before);
        let Some(found) = bus.last(RELEASES, &subject).await? else {
            continue;
        };
        let earlier: ReleaseEvent = decode(&found.subject, &blob::payload(bus, &found).await?)?;
        if earlier.record_uid == event.record_uid {
            start = earlier.at.min(event.at);
            break;
        }
    }
    let carried = stored
        .header(TRACEPARENT)
        .and_then(|value| value.parse::<Traceparent>().ok());
    let context = carried.unwrap_or_else(|| Traceparent::root(event.span()));
    let parent = event
        .actor
        .as_ref()
        .and_then(|actor| actor.traceparent.parse::<Traceparent>().ok());
    let mut span = Span::new(SCOPE, format!("release {}", event.status), context, (start, event.at))
        .with("k8s.namespace.name", event.release.namespace.as_str())
        .with("deployment.name", event.release.name.as_str())
        .with("deployment.id", format!("{}.{}", event.release, event.revision))
        .with("deployment.status", deployment_status(event.status))
        .with("tidemill.release.revision", event.revision)
        .with("tidemill.release.status", event.status.as_str())
        .with("tidemill.release.chart", event.chart.as_str())
        .with("tidemill.release.rollback_to", rollback_to(&event));
    if let Some(parent) = parent {
        span = span.below(parent);
    }
    if is_bad(event.status) {
        let reason = event
            .cause
            .as_ref()
            .map_or(event.status.as_str(), |cause| cause.reason.as_str());
        span = span.with("error.type", reason).failed(Some(event.description.clone()));
    }
    let goes_back = matches!(event.status, ReleaseStatus::RollbackStarted | ReleaseStatus::RolledBack);
    if let Some(actor) = event.actor.as_ref().filter(|_| goes_back) {
        span.links.push(Link {
            context: context.span(Of::Run { uid: &actor.run.uid }),
            attributes: vec![("tidemill.link", "undoes".into())],
        });
    }
    Ok(vec![span])
}

fn rollback_to(event: &ReleaseEvent) -> String {
    match event.rollback_to {
        0 => String::new(),
        revision => revision.to_string(),
    }
}

fn is_bad(status: ReleaseStatus) -> bool {
    matches!(
        status,
        ReleaseStatus::Failed | ReleaseStatus::Degraded | ReleaseStatus::RollbackFailed
    )
}

/// In OpenTelemetry's words; empty where it has none.
fn deployment_status(status: ReleaseStatus) -> &'static str {
    match status {
        ReleaseStatus::Deployed | ReleaseStatus::Verified | ReleaseStatus::RolledBack => "succeeded",
        ReleaseStatus::Failed | ReleaseStatus::RollbackFailed => "failed",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
