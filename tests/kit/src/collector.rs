//! A collector of OTLP: takes spans by gRPC and by HTTP on one port of loopback and keeps them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::condition::wait_until;

/// How the collector behaves, to spans and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mood {
    /// It takes what comes.
    Take,
    /// It takes the request and never answers.
    Hang,
    /// It refuses.
    Refuse,
}

/// A span as it was received.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// 32 hex digits.
    pub trace: String,
    /// 16 hex digits.
    pub id: String,
    /// 16 hex digits; empty: it has no parent.
    pub parent: String,
    /// Its name.
    pub name: String,
    /// Who tells.
    pub scope: String,
    /// Its role, as OTLP numbers it.
    pub kind: i32,
    /// When it began, in nanoseconds since 1970.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// What is known of it.
    pub attributes: BTreeMap<String, String>,
    /// Names of what happened meanwhile.
    pub events: Vec<String>,
    /// Span id and `tidemill.link` of each link.
    pub links: Vec<(String, String)>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A running collector; ends when dropped.
pub struct Collector {
    address: SocketAddr,
    kept: Arc<Kept>,
    _stop: oneshot::Sender<()>,
}

struct Kept {
    spans: Mutex<Vec<Span>>,
    metrics: Mutex<BTreeMap<String, u64>>,
    mood: AtomicU8,
    requests: AtomicU64,
}

impl Collector {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start() -> Result<Self> {
        let kept = Arc::new(Kept {
            spans: Mutex::default(),
            metrics: Mutex::default(),
            mood: AtomicU8::new(Mood::Take as u8),
            requests: AtomicU64::new(0),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("bind a collector")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let app = router(kept.clone());
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else {
                    return;
                };
                tokio::select! {
                    _ = stopped => {}
                    _ = std::future::IntoFuture::into_future(axum::serve(listener, app)) => {}
                }
            });
        });
        Ok(Self {
            address,
            kept,
            _stop: stop,
        })
    }

    /// Where it listens, `http://127.0.0.1:<port>`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it behaves so.
    pub fn set(&self, mood: Mood) {
        self.kept.mood.store(mood as u8, Ordering::SeqCst);
    }

    /// Requests that came, whatever became of them.
    pub fn requests(&self) -> u64 {
        self.kept.requests.load(Ordering::SeqCst)
    }

    /// Every span received so far, as often as it was.
    pub fn received(&self) -> Vec<Span> {
        self.kept.lock().clone()
    }

    /// Every span, once.
    ///
    /// # Errors
    /// Two different spans have one id.
    pub fn spans(&self) -> Result<Vec<Span>> {
        let mut known: BTreeMap<(String, String), Span> = BTreeMap::new();
        for span in self.received() {
            let key = (span.trace.clone(), span.id.clone());
            match known.get(&key) {
                Some(same) => anyhow::ensure!(*same == span, "one span, told differently: {same:?} and {span:?}"),
                None => drop(known.insert(key, span)),
            }
        }
        Ok(known.into_values().collect())
    }

    /// The last value of each metric, all labels together; of times how many were observed.
    pub fn metrics(&self) -> BTreeMap<String, u64> {
        self.kept.metrics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until a span of this name was received.
    pub fn wait_for(&self, name: &str, limit: Duration) -> bool {
        self.wait_until_has(limit, |span| span.name == name)
    }

    /// Waits until a span was received of which this is true.
    pub fn wait_until_has(&self, limit: Duration, is_it: impl Fn(&Span) -> bool) -> bool {
        wait_until(limit, || self.kept.lock().iter().any(&is_it))
    }
}

impl Kept {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request is taken, at all or now.
    async fn is_willing(&self) -> bool {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let mood = self.mood.load(Ordering::SeqCst);
        if mood == Mood::Hang as u8 {
            std::future::pending::<()>().await;
        }
        mood != Mood::Refuse as u8
    }

    /// Takes a request in, or not.
    async fn take(&self, request: ExportTraceServiceRequest) -> bool {
        if !self.is_willing().await {
            return false;
        }
        let scopes = request
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans);
        for of_scope in scopes {
            let scope = of_scope.scope.map(|scope| scope.name).unwrap_or_default();
            self.lock()
                .extend(of_scope.spans.into_iter().map(|sent| read(sent, &scope)));
        }
        true
    }
}

impl Kept {
    async fn take_metrics(&self, request: ExportMetricsServiceRequest) -> bool {
        if !self.is_willing().await {
            return false;
        }
        let scopes = request
            .resource_metrics
            .into_iter()
            .flat_map(|resource| resource.scope_metrics);
        let mut kept = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        for metric in scopes.flat_map(|scope| scope.metrics) {
            let value = match metric.data {
                Some(metric::Data::Sum(sum)) => sum.data_points.iter().map(number).sum(),
                Some(metric::Data::Gauge(gauge)) => gauge.data_points.iter().map(number).sum(),
                Some(metric::Data::Histogram(times)) => times.data_points.iter().map(|point| point.count).sum(),
                _ => 0,
            };
            kept.insert(metric.name, value);
        }
        true
    }
}

fn number(point: &NumberDataPoint) -> u64 {
    match point.value {
        Some(number_data_point::Value::AsInt(number)) => u64::try_from(number).unwrap_or_default(),
        _ => 0,
    }
}

struct Grpc(Arc<Kept>);

#[tonic::async_trait]
impl MetricsService for Grpc {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> std::result::Result<Response<ExportMetricsServiceResponse>, Status> {
        match self.0.take_metrics(request.into_inner()).await {
            true => Ok(Response::new(ExportMetricsServiceResponse::default())),
            false => Err(Status::invalid_argument("not in the mood")),
        }
    }
}

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> std::result::Result<Response<ExportTraceServiceResponse>, Status> {
        match self.0.take(request.into_inner()).await {
            true => Ok(Response::new(ExportTraceServiceResponse::default())),
            false => Err(Status::invalid_argument("not in the mood")),
        }
    }
}

fn router(kept: Arc<Kept>) -> Router {
    let grpc = Routes::new(TraceServiceServer::new(Grpc(kept.clone())));
    let grpc = grpc
        .add_service(MetricsServiceServer::new(Grpc(kept.clone())))
        .into_axum_router();
    let http = Router::new()
        .route("/v1/traces", post(http))
        .route("/v1/metrics", post(http_metrics))
        .with_state(kept);
    http.merge(grpc)
}

async fn http(State(kept): State<Arc<Kept>>, body: Bytes) -> (StatusCode, Vec<u8>) {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return (StatusCode::BAD_REQUEST, Vec::new());
    };
    match kept.take(request).await {
        true => (StatusCode::OK, ExportTraceServiceResponse::default().encode_to_vec()),
        false => (StatusCode::BAD_REQUEST, Vec::new()),
    }
}

async fn http_metrics(State(kept): State<Arc<Kept>>, body: Bytes) -> (StatusCode, Vec<u8>) {
    let Ok(request) = ExportMetricsServiceRequest::decode(body) else {
        return (StatusCode::BAD_REQUEST, Vec::new());
    };
    match kept.take_metrics(request).await {
        true => (StatusCode::OK, ExportMetricsServiceResponse::default().encode_to_vec()),
        false => (StatusCode::BAD_REQUEST, Vec::new()),
    }
}

fn read(sent: Sent, scope: &str) -> Span {
    let error = sent
        .status
        .filter(|status| status.code == 2)
        .map(|status| status.message);
    Span {
        trace: hex(&sent.trace_id),
        id: hex(&sent.span_id),
        parent: hex(&sent.parent_span_id),
        name: sent.name,
        scope: scope.to_owned(),
        kind: sent.kind,
        start_ns: sent.start_time_unix_nano,
        end_ns: sent.end_time_unix_nano,
        attributes: texts(&sent.attributes),
        events: sent.events.into_iter().map(|event| event.name).collect(),
        links: sent
            .links
            .iter()
            .map(|link| {
                let what = texts(&link.attributes).remove("tidemill.link").unwrap_or_default();
                (hex(&link.span_id), what)
            })
            .collect(),
        error,
    }
}

fn texts(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
