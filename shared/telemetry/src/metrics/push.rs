//! Sending metrics by OTLP, every so often.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use jiff::Timestamp;
use opentelemetry_http::HttpClient as _;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use super::catalogue::ALL;
use super::family::{BOUNDS_S, Family, Kind, Snapshot};
use crate::client::Https;
use crate::settings::{Protocol, Settings};

type Wrong = Box<dyn std::error::Error + Send + Sync>;

/// Sends all metrics to a collector.
pub struct Pusher {
    way: Way,
    headers: HeaderMap,
    timeout: Duration,
    since_ns: u64,
}

enum Way {
    Grpc(Channel),
    Http { client: Box<Https>, url: String },
}

impl Pusher {
    /// As the settings and OpenTelemetry's variables say; nothing is connected yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// For an address that is none.
    pub fn new(settings: &Settings, now: Timestamp) -> Result<Self, Wrong> {
        let timeout = settings.timeout.duration();
        let address = settings.metrics_endpoint().ok_or("no endpoint is set")?;
        let way = match settings.protocol() {
            Protocol::Grpc => {
                let mut endpoint = Endpoint::from_shared(address.base.clone())?.timeout(timeout);
                if address.base.starts_with("https://") {
                    endpoint = endpoint.tls_config(ClientTlsConfig::new().with_native_roots())?;
                }
                Way::Grpc(endpoint.connect_lazy())
            }
            Protocol::Http => Way::Http {
                client: Box::new(crate::client::https(timeout)?),
                url: match address.is_whole {
                    true => address.base,
                    false => format!("{}/v1/metrics", address.base.trim_end_matches('/')),
                },
            },
        };
        Ok(Self {
            way,
            headers: headers(&std::env::var("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default()),
            timeout,
            since_ns: nanos(now),
        })
    }

    /// Sends what was counted until `now`.
    ///
    /// # Errors
    /// When the collector does not take it in time: the next time says it all again.
    pub async fn push(&self, now: Timestamp) -> Result<(), Wrong> {
        let request = request(self.since_ns, nanos(now));
        tokio::time::timeout(self.timeout, self.send(request)).await?
    }

    async fn send(&self, request: ExportMetricsServiceRequest) -> Result<(), Wrong> {
        match &self.way {
            Way::Grpc(channel) => {
                let mut request = tonic::Request::new(request);
                *request.metadata_mut() = MetadataMap::from_headers(self.headers.clone());
                MetricsServiceClient::new(channel.clone()).export(request).await?;
            }
            Way::Http { client, url } => {
                let mut sent = Request::post(url).header("content-type", "application/x-protobuf");
                for (name, value) in &self.headers {
                    sent = sent.header(name, value);
                }
                let answer = client.send_bytes(sent.body(request.encode_to_vec().into())?).await?;
                if !answer.status().is_success() {
                    return Err(format!("the collector answers {}", answer.status()).into());
                }
            }
        }
        Ok(())
    }
}

/// `name=value,name=value`, values percent-encoded where they must be; what is malformed is left out.
fn headers(text: &str) -> HeaderMap {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.filter_map(|(name, value)| {
        let name: HeaderName = name.trim().to_ascii_lowercase().parse().ok()?;
        let value: HeaderValue = value.trim().replace("%20", " ").parse().ok()?;
        Some((name, value))
    });
    pairs.collect()
}

fn request(since_ns: u64, now_ns: u64) -> ExportMetricsServiceRequest {
    let name = std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "tidemill".to_owned());
    let each = |family: &'static Family| family.names().map(move |name| metric(family, name, since_ns, now_ns));
    let metrics = ALL.iter().flat_map(|family| each(family)).collect();
    let scope = InstrumentationScope {
        name: "tidemill".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes: vec![text("service.name", &name)],
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope),
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn metric(family: &Family, name: &str, since_ns: u64, now_ns: u64) -> Metric {
    let cumulative = AggregationTemporality::Cumulative as i32;
    let snapshots = family.snapshot();
    let numbers = || snapshots.iter().map(|one| number(one, since_ns, now_ns)).collect();
    let data = match family.kind {
        Kind::Counter => metric::Data::Sum(Sum {
            data_points: numbers(),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        Kind::Gauge => metric::Data::Gauge(Gauge { data_points: numbers() }),
        Kind::Seconds => metric::Data::Histogram(Histogram {
            data_points: snapshots.iter().map(|one| times(one, since_ns, now_ns)).collect(),
            aggregation_temporality: cumulative,
        }),
    };
    Metric {
        name: name.to_owned(),
        description: family.help.to_owned(),
        unit: if family.kind == Kind::Seconds { "s" } else { "1" }.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn number(one: &Snapshot, since_ns: u64, now_ns: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: labels(one),
        start_time_unix_nano: since_ns,
        time_unix_nano: now_ns,
        value: Some(number_data_point::Value::AsInt(one.value)),
        ..NumberDataPoint::default()
    }
}

fn times(one: &Snapshot, since_ns: u64, now_ns: u64) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: labels(one),
        start_time_unix_nano: since_ns,
        time_unix_nano: now_ns,
        count: one.buckets.iter().sum(),
        sum: Some(one.sum_s),
        bucket_counts: one.buckets.clone(),
        explicit_bounds: BOUNDS_S.to_vec(),
        ..HistogramDataPoint::default()
    }
}

fn labels(one: &Snapshot) -> Vec<KeyValue> {
    one.labels.iter().map(|(name, value)| text(name, value)).collect()
}

fn text(name: &str, value: &str) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or_default()
}
