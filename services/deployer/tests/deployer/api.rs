//! As much of a cluster's API as the deployer asks for: Secrets with list, watch and replace, and
//! whatever else a test puts there.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::watch;

type Answer = Response<axum::body::Body>;

/// A cluster in memory.
#[derive(Clone)]
pub(crate) struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    version: u64,
    /// Secrets by namespace and name.
    secrets: BTreeMap<(String, String), Value>,
    changes: Vec<(u64, &'static str, Value)>,
    /// Other answers by path.
    others: HashMap<String, Value>,
    /// Answers of the next requests, instead of the right ones.
    faults: Vec<StatusCode>,
}

impl Default for Api {
    fn default() -> Self {
        let state = State {
            version: 1000,
            ..State::default()
        };
        Self {
            inner: Arc::new(Inner {
                state: Mutex::new(state),
                changed: watch::Sender::new(0),
            }),
        }
    }
}

impl Api {
    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        Client::new(service, "ops")
    }

    /// Writes a record as Helm does. `info` is merged into the record's.
    pub(crate) fn put(&self, name: &str, revision: u32, status: &str, description: &str, now: Timestamp) {
        let secret_name = format!("sh.helm.release.v1.{name}.v{revision}");
        let record = json!({
            "name": name, "namespace": "ops", "version": revision,
            "info": {"status": status, "description": description},
            "chart": {"metadata": {"name": name, "version": "0.1.0", "appVersion": "1"}},
            "manifest": format!("---\nkind: Deployment\nmetadata:\n  name: {name}\nspec: {{}}\n"),
        });
        let mut state = self.lock();
        let key = ("ops".to_owned(), secret_name.clone());
        let before = state.secrets.get(&key).map(|secret| secret["metadata"].clone());
        let version = state.version + 1;
        let kept = |field: &str| before.as_ref().map(|metadata| metadata[field].clone());
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": {
                "name": secret_name, "namespace": "ops",
                "uid": kept("uid").unwrap_or_else(|| format!("uid-{version}").into()),
                "creationTimestamp": kept("creationTimestamp").unwrap_or_else(|| stamp(now)),
                "managedFields": [{"manager": "helm", "operation": "Update", "time": stamp(now)}],
                "labels": {"owner": "helm", "name": name, "version": revision.to_string(), "status": status},
            },
            // The API's base64 around Helm's.
            "data": {"release": BASE64_STANDARD.encode(BASE64_STANDARD.encode(record.to_string()))},
        });
        state.store(key, secret, if before.is_some() { "MODIFIED" } else { "ADDED" });
        drop(state);
        self.tell();
    }

    /// Removes a record.
    pub(crate) fn remove(&self, name: &str, revision: u32) {
        let mut state = self.lock();
        let key = ("ops".to_owned(), format!("sh.helm.release.v1.{name}.v{revision}"));
        let mut secret = state.secrets.remove(&key).expect("a record");
        state.version += 1;
        let version = state.version;
        secret["metadata"]["resourceVersion"] = version.to_string().into();
        state.changes.push((version, "DELETED", secret));
        drop(state);
        self.tell();
    }

    /// The status of a record.
    pub(crate) fn status(&self, name: &str, revision: u32) -> String {
        let state = self.lock();
        let key = ("ops".to_owned(), format!("sh.helm.release.v1.{name}.v{revision}"));
        state.secrets[&key]["metadata"]["labels"]["status"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// What is answered for a path.
    pub(crate) fn other(&self, path: &str, answer: Value) {
        self.lock().others.insert(path.to_owned(), answer);
    }

    /// A Deployment `name` of one pod that is ready, or whose container crashes.
    pub(crate) fn deployment(&self, name: &str, ready: bool) {
        let count = i32::from(ready);
        let path = format!("/apis/apps/v1/namespaces/ops/deployments/{name}");
        self.other(
            &path,
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "generation": 1},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {}},
                "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": count},
            }),
        );
        let container = json!({
            "name": name, "image": "i", "imageID": "", "restartCount": 2, "ready": ready,
            "state": if ready { json!({"running": {}}) } else { json!({"waiting": {"reason": "CrashLoopBackOff"}}) },
            "lastState": if ready { json!({}) } else { json!({"terminated": {"exitCode": 2, "reason": "Error"}}) },
        });
        let pod = json!({"metadata": {"name": format!("{name}-7c9d"), "namespace": "ops"}, "status": {"containerStatuses": [container]}});
        self.other(
            "/api/v1/namespaces/ops/pods",
            json!({"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": [pod]}),
        );
        self.other(
            &format!("/api/v1/namespaces/ops/pods/{name}-7c9d/log"),
            "starting\nno such file: config.yaml\n".into(),
        );
    }

    /// Lets the next requests fail.
    pub(crate) fn fail(&self, codes: &[u16]) {
        let codes = codes.iter().map(|code| StatusCode::from_u16(*code).unwrap());
        self.lock().faults.extend(codes);
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        if let Some(code) = self.lock().faults.pop() {
            return failure(code, "as told");
        }
        let path = parts.uri.path().to_owned();
        let query: HashMap<String, String> = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.replace("%3D", "=").replace("%2C", ",")))
            .collect();
        let bare = parts
            .headers
            .get("accept")
            .is_some_and(|accept| accept.to_str().unwrap().contains("PartialObjectMetadata"));
        let place: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (&parts.method, place.as_slice()) {
            (&Method::GET, ["api", "v1", "namespaces", namespace, "secrets"]) => {
                if query.contains_key("watch") {
                    return self.watch(namespace, &query);
                }
                self.list(namespace, &query, bare)
            }
            (&Method::GET, ["api", "v1", "namespaces", namespace, "secrets", name]) => {
                match self.lock().secrets.get(&((*namespace).to_owned(), (*name).to_owned())) {
                    Some(secret) => success(secret),
                    None => failure(StatusCode::NOT_FOUND, "no such Secret"),
                }
            }
            (&Method::PUT, ["api", "v1", "namespaces", namespace, "secrets", name]) => {
                let bytes = body.collect_bytes().await.unwrap();
                self.replace(namespace, name, serde_json::from_slice(&bytes).unwrap())
            }
            _ => match self.lock().others.get(&path) {
                Some(Value::String(text)) => answered(StatusCode::OK, text.clone().into_bytes()),
                Some(other) => success(other),
                None => failure(StatusCode::NOT_FOUND, &path),
            },
        }
    }

    fn list(&self, namespace: &str, query: &HashMap<String, String>, bare: bool) -> Answer {
        let state = self.lock();
        let items: Vec<Value> = state
            .secrets
            .iter()
            .filter(|((of, _), secret)| of == namespace && selected(secret, query))
            .map(|(_, secret)| if bare { metadata(secret) } else { secret.clone() })
            .collect();
        success(&json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
            "metadata": {"resourceVersion": state.version.to_string()}, "items": items,
        }))
    }

    fn replace(&self, namespace: &str, name: &str, mut secret: Value) -> Answer {
        let mut state = self.lock();
        let key = (namespace.to_owned(), name.to_owned());
        let Some(before) = state.secrets.get(&key) else {
            return failure(StatusCode::NOT_FOUND, name);
        };
        if before["metadata"]["resourceVersion"] != secret["metadata"]["resourceVersion"] {
            return failure(StatusCode::CONFLICT, "the object has been modified");
        }
        secret["kind"] = "Secret".into();
        state.store(key.clone(), secret, "MODIFIED");
        let stored = state.secrets[&key].clone();
        drop(state);
        self.tell();
        success(&stored)
    }

    fn watch(&self, namespace: &str, query: &HashMap<String, String>) -> Answer {
        let from: u64 = query
            .get("resourceVersion")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let (api, namespace) = (self.clone(), namespace.to_owned());
        let receiver = self.inner.changed.subscribe();
        let stream = futures::stream::unfold((api, from, receiver), move |(api, from, mut receiver)| {
            let namespace = namespace.clone();
            async move {
                loop {
                    receiver.mark_unchanged();
                    let lines = api.changes(&namespace, from);
                    if let Some(last) = lines.last().map(|(version, _)| *version) {
                        let text: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
                        return Some((Bytes::from(text.concat()), (api, last, receiver)));
                    }
                    receiver.changed().await.ok()?;
                }
            }
        });
        let body = axum::body::Body::from_stream(stream.map(Ok::<_, Infallible>));
        let mut answer = Response::new(body);
        *answer.status_mut() = StatusCode::OK;
        answer
    }

    fn changes(&self, namespace: &str, from: u64) -> Vec<(u64, String)> {
        let state = self.lock();
        let later = state
            .changes
            .iter()
            .filter(|(version, _, secret)| *version > from && secret["metadata"]["namespace"] == namespace);
        later
            .map(|(version, kind, secret)| {
                let line = json!({"type": kind, "object": metadata(secret)}).to_string();
                (*version, line + "\n")
            })
            .collect()
    }

    fn tell(&self) {
        self.inner.changed.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn store(&mut self, key: (String, String), mut secret: Value, kind: &'static str) {
        self.version += 1;
        secret["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.changes.push((self.version, kind, secret.clone()));
        self.secrets.insert(key, secret);
    }
}

/// As the API writes times: in whole seconds.
fn stamp(at: Timestamp) -> Value {
    Timestamp::from_second(at.as_second()).unwrap().to_string().into()
}

fn selected(secret: &Value, query: &HashMap<String, String>) -> bool {
    let selector = query.get("labelSelector").cloned().unwrap_or_default();
    selector
        .split(',')
        .filter_map(|one| one.split_once('='))
        .all(|(key, value)| secret["metadata"]["labels"][key] == value)
}

fn metadata(secret: &Value) -> Value {
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": secret["metadata"]})
}

fn success(value: &Value) -> Answer {
    answered(StatusCode::OK, value.to_string().into_bytes())
}

fn failure(code: StatusCode, message: &str) -> Answer {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "message": message, "code": code.as_u16(),
        "reason": code.canonical_reason().unwrap_or_default().replace(' ', ""),
    });
    answered(code, status.to_string().into_bytes())
}

fn answered(code: StatusCode, bytes: Vec<u8>) -> Answer {
    let mut answer = Response::new(axum::body::Body::from(bytes));
    *answer.status_mut() = code;
    answer
}
