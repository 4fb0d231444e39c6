//! Interceptors that run elsewhere: good ones, and one that hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::{Json, Router, routing};
use serde_json::{Value, json};
use tidemill_messages::event::{Outcome, Stage};
use tidemill_settings::Span;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::{World, settings, wait_until};
use crate::judge::judge;
use crate::{Settings, worker};

const KINDS: &str = "triggers.tekton.dev/v1beta1";

/// Answers as interceptors do, once it may.
#[derive(Clone, Default)]
struct Service {
    is_hanging: Arc<AtomicBool>,
    freed: Arc<Notify>,
    asked: Arc<AtomicUsize>,
}

impl Service {
    async fn start(&self) -> String {
        let service = self.clone();
        let answer = move |Json(asked): Json<Value>| {
            let service = service.clone();
            async move {
                service.asked.fetch_add(1, Ordering::Relaxed);
                while service.is_hanging.load(Ordering::Relaxed) {
                    service.freed.notified().await;
                }
                let is_main = asked["body"].as_str().unwrap_or_default().contains("refs/heads/main");
                Json(json!({
                    "continue": is_main,
                    "extensions": {"who": asked["interceptor_params"]["who"]},
                    "status": {"message": "not main"},
                }))
            }
        };
        let replaced = || async { Json(json!({"ref": "refs/heads/replaced"})) };
        let router = Router::new()
            .route("/", routing::post(answer))
            .route("/replace", routing::post(replaced));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    fn free(&self) {
        self.is_hanging.store(false, Ordering::Relaxed);
        self.freed.notify_waiters();
    }
}

/// A listener `asks` that asks the service and notes what it and the body say.
async fn furnish(world: &World, url: &str, interceptor: Value) {
    let made = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"},
        "data": {"who": "$(tt.params.who)", "ref": "$(tt.params.ref)"}});
    let trigger = json!({
        "name": "t", "interceptors": [interceptor],
        "bindings": [{"name": "who", "value": "$(extensions.who)"}, {"name": "ref", "value": "$(body.ref)"}],
        "template": {"spec": {"params": [{"name": "who", "default": "nobody"}, {"name": "ref"}],
                              "resourcetemplates": [made]}},
    });
    for object in [
        json!({"apiVersion": "triggers.tekton.dev/v1alpha1", "kind": "ClusterInterceptor",
               "metadata": {"name": "remote"}, "spec": {"clientConfig": {"url": url}}}),
        json!({"apiVersion": KINDS, "kind": "EventListener", "metadata": {"name": "asks"},
               "spec": {"triggers": [trigger]}}),
    ] {
        world.objects.create_with(object, Default::default()).await.unwrap();
    }
}

fn remote() -> Value {
    json!({"ref": {"name": "remote"}, "params": [{"name": "who", "value": "me"}]})
}

async fn outcome_of(world: &World, body: Value) -> Outcome {
    world.send("/default/asks", &[], body.to_string()).await;
    let event = world.events().await.pop().unwrap();
    judge(&world.app, &event, false).await.unwrap();
    world.outcome(&event).await.unwrap()
}

#[tokio::test]
async fn an_interceptor_elsewhere_adds_and_filters() {
    let world = World::new().await;
    furnish(&world, &Service::default().start().await, remote()).await;
    let outcome = outcome_of(&world, json!({"ref": "refs/heads/main"})).await;
    assert!(outcome.triggers[0].accepted, "{outcome:?}");
    assert_eq!(world.made().await[0].rest["data"]["who"], "me");
    let outcome = outcome_of(&world, json!({"ref": "refs/heads/docs"})).await;
    assert_eq!(outcome.triggers[0].text, "filtered by remote: not main");
}

#[tokio::test]
async fn a_webhook_of_the_old_kind_replaces_the_body() {
    let world = World::new().await;
    let base = Service::default().start().await;
    furnish(&world, &base, json!({"webhook": {"url": format!("{base}/replace")}})).await;
    let outcome = outcome_of(&world, json!({"ref": "refs/heads/main"})).await;
    assert!(outcome.triggers[0].accepted, "{outcome:?}");
    assert_eq!(world.made().await[0].rest["data"]["ref"], "refs/heads/replaced");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_there_is_asked_three_times_and_named() {
    let world = World::new().await;
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    furnish(&world, &format!("http://127.0.0.1:{port}"), remote()).await;
    let outcome = outcome_of(&world, json!({"ref": "refs/heads/main"})).await;
    assert_eq!(outcome.stage, Stage::Done);
    let text = &outcome.triggers[0].text;
    assert!(
        text.starts_with("failed at remote: the answer of http://127.0.0.1:"),
        "{text}"
    );
}

/// More events than may wait, all for an interceptor that hangs: those of others pass it, and once it
/// answers all of them come to their end.
#[tokio::test]
async fn one_that_hangs_costs_nobody_else_anything() {
    const HANGING: usize = 40;
    let world = World::with(Settings {
        evaluations: 1,
        interceptor_timeout: Span::seconds(60),
        ..settings()
    })
    .await;
    let service = Service::default();
    service.is_hanging.store(true, Ordering::Relaxed);
    furnish(&world, &service.start().await, remote()).await;
    for _ in 0..HANGING {
        let answer = world
            .send("/default/asks", &[], json!({"ref": "refs/heads/main"}).to_string())
            .await;
        assert_eq!(answer.code, 202);
    }
    let working = tokio::spawn(worker::run(world.app.clone()));
    wait_until(async || service.asked.load(Ordering::Relaxed) >= 16).await;
    world.push(super::TOKEN, "d-1").await;
    let pushed = world.events().await.pop().unwrap();
    wait_until(async || {
        world
            .outcome(&pushed)
            .await
            .is_some_and(|outcome| outcome.stage == Stage::Done)
    })
    .await;
    assert_eq!(
        service.asked.load(Ordering::Relaxed),
        16,
        "no more wait for one address"
    );
    service.free();
    wait_until(async || world.made().await.len() == HANGING + 2).await;
    for event in world.events().await {
        let outcome = world.outcome(&event).await.unwrap();
        assert_eq!(
            (outcome.stage, outcome.retries),
            (Stage::Done, 0),
            "being put off is no failed try"
        );
    }
    world.app.stopping.cancel();
    working.await.unwrap().unwrap();
}
