//! From our spans to OpenTelemetry's.

use std::time::SystemTime;

use jiff::Timestamp;
use opentelemetry::trace::{self, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tidemill_messages::Traceparent;

use crate::span::{Attributes, Kind, Span, Value};

/// Who tells; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say otherwise or more.
pub(super) fn resource() -> Resource {
    let mut builder = Resource::builder();
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        builder = builder.with_service_name("tidemill");
    }
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    builder.with_attribute(version).build()
}

pub(super) fn span(span: &Span) -> SpanData {
    let parent = span.parent;
    let mut events = SpanEvents::default();
    events.events = span
        .events
        .iter()
        .map(|event| trace::Event::new(event.name.clone(), time(event.at), attributes(&event.attributes), 0))
        .collect();
    let mut links = SpanLinks::default();
    links.links = span
        .links
        .iter()
        .map(|link| trace::Link::new(context(&link.context, false), attributes(&link.attributes), 0))
        .collect();
    SpanData {
        span_context: context(&span.context, false),
        parent_span_id: parent.map_or(SpanId::INVALID, |parent| {
            SpanId::from_bytes(parent.context.span_bytes())
        }),
        parent_span_is_remote: parent.is_some_and(|parent| parent.is_remote),
        span_kind: match span.kind {
            Kind::Internal => SpanKind::Internal,
            Kind::Server => SpanKind::Server,
            Kind::Consumer => SpanKind::Consumer,
        },
        name: span.name.clone().into(),
        start_time: time(span.start),
        end_time: time(span.end),
        attributes: attributes(&span.attributes),
        dropped_attributes_count: 0,
        events,
        links,
        status: match &span.error {
            Some(why) => Status::error(why.clone()),
            None => Status::Unset,
        },
        instrumentation_scope: InstrumentationScope::builder(span.scope)
            .with_version(env!("CARGO_PKG_VERSION"))
            .build(),
    }
}

pub(super) fn context(context: &Traceparent, is_remote: bool) -> SpanContext {
    let flags = match context.is_sampled() {
        true => TraceFlags::SAMPLED,
        false => TraceFlags::NOT_SAMPLED,
    };
    SpanContext::new(
        TraceId::from_bytes(context.trace_bytes()),
        SpanId::from_bytes(context.span_bytes()),
        flags,
        is_remote,
        TraceState::NONE,
    )
}

fn attributes(attributes: &Attributes) -> Vec<KeyValue> {
    let pairs = attributes.iter().map(|(name, value)| match value {
        Value::Text(text) => KeyValue::new(*name, text.clone()),
        Value::Number(number) => KeyValue::new(*name, *number),
        Value::Flag(flag) => KeyValue::new(*name, *flag),
    });
    pairs.collect()
}

fn time(at: Timestamp) -> SystemTime {
    SystemTime::from(at)
}
