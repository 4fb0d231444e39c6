//! A server for tests that knows beforehand what it will be asked, and in which order.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use serde_json::{Value, json};

use super::Client;

/// Largest request that is read.
const MAX_REQUEST_BYTES: usize = 1024 * 1024;

/// A question that must come, and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// `METHOD /path?query`.
    pub(crate) request: String,
    /// Part of the body that must be there, as JSON; `Null` asks for nothing.
    pub(crate) body: Value,
    pub(crate) status: u16,
    pub(crate) answer: String,
}

/// A server that answers by a script, and what it was asked instead.
pub(crate) struct Script {
    pub(crate) client: Client,
    left: Arc<Mutex<VecDeque<Exchange>>>,
    wrong: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Shared {
    left: Arc<Mutex<VecDeque<Exchange>>>,
    wrong: Arc<Mutex<Vec<String>>>,
}

impl Exchange {
    /// `request` is answered with 200 and `answer`.
    pub(crate) fn new(request: &str, answer: impl ToString) -> Self {
        Self {
            request: request.to_owned(),
            body: Value::Null,
            status: 200,
            answer: answer.to_string(),
        }
    }

    /// `request` is refused.
    pub(crate) fn refused(request: &str, status: u16, reason: &str) -> Self {
        let answer = json!({"kind": "Status", "code": status, "reason": reason, "message": reason});
        Self {
            status,
            ..Self::new(request, answer)
        }
    }

    /// With a body that must hold `body`.
    pub(crate) fn with(self, body: Value) -> Self {
        Self { body, ..self }
    }
}

impl Script {
    /// Starts the server on a port of its own; it ends with the test's runtime.
    pub(crate) async fn start(exchanges: impl IntoIterator<Item = Exchange>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared {
            left: Arc::new(Mutex::new(exchanges.into_iter().collect())),
            wrong: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            client: client(address),
            left: shared.left,
            wrong: shared.wrong,
        }
    }

    /// Everything was asked, in order, and nothing else.
    pub(crate) fn must_be_over(&self) {
        assert_eq!(*self.wrong.lock().unwrap(), Vec::<String>::new());
        let left: Vec<String> = self
            .left
            .lock()
            .unwrap()
            .iter()
            .map(|exchange| exchange.request.clone())
            .collect();
        assert_eq!(left, Vec::<String>::new());
    }
}

fn client(address: SocketAddr) -> Client {
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    Client {
        inner: super::connect::plain(&config).unwrap(),
        address: format!("http://{address}"),
        namespace: "ci".to_owned(),
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response<Body> {
    let asked = format!("{} {}", request.method(), request.uri());
    let bytes = to_bytes(request.into_body(), MAX_REQUEST_BYTES).await.unwrap();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let next = shared.left.lock().unwrap().pop_front();
    let Some(exchange) = next.filter(|exchange| exchange.request == asked && holds(&body, &exchange.body)) else {
        shared.wrong.lock().unwrap().push(format!("{asked} {body}"));
        return Response::builder().status(418).body(Body::empty()).unwrap();
    };
    Response::builder()
        .status(exchange.status)
        .body(Body::from(exchange.answer))
        .unwrap()
}

/// Whether `value` has everything that `part` has.
fn holds(value: &Value, part: &Value) -> bool {
    match part {
        Value::Null => true,
        Value::Object(fields) => fields.iter().all(|(key, part)| holds(&value[key], part)),
        part => value == part,
    }
}
