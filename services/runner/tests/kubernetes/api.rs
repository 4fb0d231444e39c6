//! An API server of a few lines: pods and Secrets are kept, watched and counted; what else is asked for
//! is not there. A test may script the answer to the next creation of a pod, and have a write
//! never answered.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use futures::channel::mpsc;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::Notify;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;
type Frame = Result<http_body::Frame<Bytes>, Infallible>;

#[derive(Default)]
struct State {
    version: u64,
    /// By kind, namespace, name.
    objects: BTreeMap<(String, String, String), Value>,
    watchers: Vec<mpsc::UnboundedSender<Frame>>,
    refusals: Vec<(u16, String)>,
    /// What was written: verb and path.
    writes: Vec<String>,
    /// The answer to a creation is lost.
    lose_answer: bool,
    /// The write that stalls, such as `POST pods`, and whether it is carried out before.
    stall: Option<(String, bool)>,
    is_stalled: bool,
    go_on: Arc<Notify>,
}

/// The API.
#[derive(Clone, Default)]
pub(crate) struct Api(Arc<Mutex<State>>);

impl Api {
    pub(crate) fn client(&self) -> kube::Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        kube::Client::new(service, "default")
    }

    /// The next pod is refused.
    pub(crate) fn refuse(&self, code: u16, message: &str) {
        self.0.lock().unwrap().refusals.push((code, message.to_owned()));
    }

    /// The next pod is created, but who asked for it is not told.
    pub(crate) fn lose_next_answer(&self) {
        self.0.lock().unwrap().lose_answer = true;
    }

    /// The next write of this name, such as `POST pods`, is not answered; whether it is carried out is said. What waits for
    /// it is then dropped, as by a death.
    pub(crate) fn stall(&self, write: &str, carried_out: bool) {
        let mut state = self.0.lock().unwrap();
        state.stall = Some((write.to_owned(), carried_out));
        state.is_stalled = false;
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.0.lock().unwrap().is_stalled
    }

    /// What stalls is carried out after all.
    pub(crate) fn go_on(&self) {
        self.0.lock().unwrap().go_on.notify_one();
    }

    /// Whether the Secrets that a pod mounts are there.
    pub(crate) fn is_whole(&self, pod: &str) -> bool {
        let state = self.0.lock().unwrap();
        let pod = &state.objects[&key("pods", "shop", pod)];
        let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
        let mut secrets = volumes.filter_map(|volume| volume["secret"]["secretName"].as_str());
        secrets.all(|secret| state.objects.contains_key(&key("secrets", "shop", secret)))
    }

    pub(crate) fn put(&self, kind: &str, object: Value) {
        self.0.lock().unwrap().put(kind, object, "ADDED");
    }

    /// A pod's status, as a kubelet or a controller writes it.
    pub(crate) fn status(&self, pod: &str, status: Value) {
        let mut state = self.0.lock().unwrap();
        let key = ("pods".to_owned(), "shop".to_owned(), pod.to_owned());
        let mut object = state.objects[&key].clone();
        object["status"] = status;
        state.put("pods", object, "MODIFIED");
    }

    /// As if the pod had had another name.
    pub(crate) fn rename(&self, pod: &str, name: &str) {
        let mut state = self.0.lock().unwrap();
        let mut object = state.delete("pods", "shop", pod).unwrap();
        object["metadata"]["name"] = name.into();
        state.put("pods", object, "ADDED");
    }

    /// Somebody deletes a pod.
    pub(crate) fn delete(&self, pod: &str) {
        self.0.lock().unwrap().delete("pods", "shop", pod);
    }

    pub(crate) fn names(&self, kind: &str) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let of = state.objects.keys().filter(|(found, ..)| found == kind);
        of.map(|(_, _, name)| name.clone()).collect()
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        self.0.lock().unwrap().writes.clone()
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let path: Vec<String> = parts.uri.path().split('/').skip(3).map(str::to_owned).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let (namespace, kind, name) = match path[..] {
            ["namespaces", namespace, kind] => (namespace, kind, ""),
            ["namespaces", namespace, kind, name] => (namespace, kind, name),
            [kind] => ("", kind, ""),
            [kind, name] => ("", kind, name),
            _ => return failure(404, "no such path"),
        };
        let stall = self.0.lock().unwrap().stalls(&format!("{} {kind}", parts.method));
        if let Some((go_on, false)) = &stall {
            go_on.notified().await;
        }
        let answer = self
            .0
            .lock()
            .unwrap()
            .carry_out(&parts.method, [namespace, kind, name], &query, &body);
        if let Some((go_on, true)) = &stall {
            go_on.notified().await;
        }
        answer
    }
}

impl State {
    /// Whether this request is the one that stalls: until when, and whether it is carried out before.
    fn stalls(&mut self, write: &str) -> Option<(Arc<Notify>, bool)> {
        let (_, carried_out) = self.stall.take_if(|(wanted, _)| wanted == write)?;
        self.is_stalled = true;
        Some((self.go_on.clone(), carried_out))
    }

    fn carry_out(&mut self, method: &Method, [namespace, kind, name]: [&str; 3], query: &str, body: &[u8]) -> Answer {
        let state = self;
        if method != Method::GET {
            state.writes.push(format!("{method} {kind}"));
        }
        match (method, name) {
            (&Method::GET, "") if query.contains("watch=") => state.watch(),
            (&Method::GET, "") => state.list(kind, query),
            (&Method::GET, name) => match state.objects.get(&key(kind, namespace, name)) {
                Some(object) => success(object),
                None => failure(404, "not found"),
            },
            (&Method::POST, _) => state.create(kind, serde_json::from_slice(body).unwrap()),
            (&Method::DELETE, name) => match state.delete(kind, namespace, name) {
                Some(object) => success(&object),
                None => failure(404, "not found"),
            },
            (&Method::PATCH, name) => {
                match state.patch(kind, namespace, name, &serde_json::from_slice(body).unwrap()) {
                    Some(object) => success(&object),
                    None => failure(404, "not found"),
                }
            }
            (other, _) => panic!("nobody expects {other}"),
        }
    }

    fn watch(&mut self) -> Answer {
        let (sender, receiver) = mpsc::unbounded();
        // A watch from a version on: what was there at the list is not told again.
        self.watchers.push(sender);
        let body = StreamBody::new(receiver.boxed());
        Response::new(BodyExt::boxed_unsync(body))
    }

    fn list(&self, kind: &str, query: &str) -> Answer {
        let wanted = query.split('&').find_map(|part| part.strip_prefix("labelSelector="));
        let wanted = wanted.map(|text| text.replace("%2F", "/").replace("%3D", "=").replace("%2C", ","));
        let fits = |object: &Value| {
            wanted.iter().flat_map(|wanted| wanted.split(',')).all(|part| {
                let (name, value) = part.split_once('=').unwrap();
                object["metadata"]["labels"][name] == value
            })
        };
        let of = self
            .objects
            .iter()
            .filter(|((found, ..), object)| found == kind && fits(object));
        let items: Vec<Value> = of.map(|(_, object)| object.clone()).collect();
        success(&json!({"metadata": {"resourceVersion": self.version.to_string()}, "items": items}))
    }

    fn create(&mut self, kind: &str, object: Value) -> Answer {
        if kind == "pods" && !self.refusals.is_empty() {
            let (code, message) = self.refusals.remove(0);
            return failure(code, &message);
        }
        let meta = &object["metadata"];
        let key = key(
            kind,
            meta["namespace"].as_str().unwrap(),
            meta["name"].as_str().unwrap(),
        );
        if self.objects.contains_key(&key) {
            return failure(409, "already exists");
        }
        let stored = self.put(kind, object, "ADDED");
        if kind == "pods" && std::mem::take(&mut self.lose_answer) {
            return failure(504, "timed out");
        }
        success(&stored)
    }

    fn put(&mut self, kind: &str, mut object: Value, event: &str) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let meta = &object["metadata"];
        let namespace = meta["namespace"].as_str().unwrap_or_default();
        let key = key(kind, namespace, meta["name"].as_str().unwrap());
        self.objects.insert(key, object.clone());
        self.tell(kind, event, &object);
        object
    }

    /// A merge patch of labels and annotations.
    fn patch(&mut self, kind: &str, namespace: &str, name: &str, patch: &Value) -> Option<Value> {
        let mut object = self.objects.get(&key(kind, namespace, name))?.clone();
        for part in ["labels", "annotations"] {
            for (field, value) in patch["metadata"][part].as_object().into_iter().flatten() {
                let fields = object["metadata"][part].as_object_mut().unwrap();
                fields.retain(|found, _| found != field);
                fields.extend((!value.is_null()).then(|| (field.clone(), value.clone())));
            }
        }
        Some(self.put(kind, object, "MODIFIED"))
    }

    fn delete(&mut self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let object = self.objects.remove(&key(kind, namespace, name))?;
        self.version += 1;
        self.tell(kind, "DELETED", &object);
        Some(object)
    }

    fn tell(&mut self, kind: &str, event: &str, object: &Value) {
        if kind != "pods" {
            return;
        }
        let mut line = json!({"type": event, "object": object}).to_string();
        line.push('\n');
        let frame = Bytes::from(line);
        self.watchers.retain(|watcher| {
            watcher
                .unbounded_send(Ok(http_body::Frame::data(frame.clone())))
                .is_ok()
        });
    }
}

fn key(kind: &str, namespace: &str, name: &str) -> (String, String, String) {
    (kind.to_owned(), namespace.to_owned(), name.to_owned())
}

fn success(object: &Value) -> Answer {
    let body = Full::from(object.to_string());
    Response::new(BodyExt::boxed_unsync(body))
}

fn failure(code: u16, message: &str) -> Answer {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "AlreadyExists",
        422 => "Invalid",
        _ => "InternalError",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "reason": reason});
    let mut answer = success(&status);
    *answer.status_mut() = http::StatusCode::from_u16(code).unwrap();
    answer
}
