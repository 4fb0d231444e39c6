//! CloudEvents: on the stream, to sinks, and into listeners that are fed from a subject.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router, routing};
use serde_json::{Value, json};
use tidemill_messages::cloud_event::CloudEvent;
use tidemill_messages::stream::{CLOUD_EVENTS, EVENTS, RELEASES};
use tidemill_messages::{decode, subject};
use tidemill_objects::{Key, Part, Patch};
use tidemill_resources::Kind;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{World, settings, wait_until, within};
use crate::{Error, Settings, emit, listeners, worker};

const TRIGGERS: &str = "triggers.tekton.dev/v1beta1";

/// A sink: what it was told, by type, and what it answers.
#[derive(Clone, Default)]
struct Told {
    all: Arc<Mutex<Vec<(String, String, Value)>>>,
    failures: Arc<Mutex<u32>>,
}

impl Told {
    async fn start(&self) -> String {
        let told = self.clone();
        let answer = move |headers: HeaderMap, Json(data): Json<Value>| {
            let told = told.clone();
            async move {
                let header = |name: &str| headers[name].to_str().unwrap().to_owned();
                assert_eq!(header("ce-specversion"), "1.0");
                {
                    let mut failures = told.failures.lock().unwrap();
                    if *failures > 0 {
                        *failures -= 1;
                        return StatusCode::SERVICE_UNAVAILABLE;
                    }
                }
                told.all
                    .lock()
                    .unwrap()
                    .push((header("ce-type"), header("ce-id"), data));
                StatusCode::ACCEPTED
            }
        };
        let router = Router::new()
            .route("/", routing::post(answer))
            .route("/hang", routing::post(std::future::pending::<()>));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    fn types(&self) -> Vec<String> {
        self.all
            .lock()
            .unwrap()
            .iter()
            .map(|(kind, _, _)| kind.clone())
            .collect()
    }
}

struct Working(Vec<JoinHandle<Result<(), Error>>>);

fn work(world: &World) -> Working {
    let app = &world.app;
    Working(vec![
        tokio::spawn(worker::run(app.clone())),
        tokio::spawn(listeners::run(app.clone())),
        tokio::spawn(listeners::tell_sinks(app.clone())),
        tokio::spawn(emit::run(app.clone())),
    ])
}

async fn stop(world: &World, working: Working) {
    world.app.stopping.cancel();
    for working in working.0 {
        working.await.unwrap().unwrap();
    }
}

/// Waits until the durable consumer is there: what comes before it is not told.
async fn wanted(world: &World) {
    world
        .app
        .run_events
        .subscribe()
        .wait_for(|wanted| *wanted == Some(true))
        .await
        .unwrap();
    wait_until(async || world.memory.has_consumer("objects", "cloudevents")).await;
}

async fn task_run(world: &World, name: &str) -> Key {
    let object = json!({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"name": name},
        "spec": {"taskSpec": {"steps": [{"image": "none", "command": ["true"]}]}}});
    world.objects.create_with(object, Default::default()).await.unwrap();
    Key::new(Kind::by_resource("tekton.dev", "taskruns").unwrap(), "default", name)
}

async fn end(world: &World, key: &Key, status: &str) {
    let status = json!({"status": {"startTime": "2026-11-23T13:05:03Z", "completionTime": "2026-11-23T13:05:09Z",
        "conditions": [{"type": "Succeeded", "status": status, "reason": "Succeeded",
                        "lastTransitionTime": "2026-11-23T13:05:09Z"}]}});
    world
        .objects
        .patch(key, &Patch::Merge(status), Part::Status, Default::default())
        .await
        .unwrap();
}

async fn on_stream(world: &World) -> Vec<CloudEvent> {
    let all = world
        .bus
        .read_all(CLOUD_EVENTS, "cloudevent.>", 0, false)
        .await
        .unwrap();
    all.iter()
        .map(|stored| decode(&stored.subject, &stored.payload).unwrap())
        .collect()
}

#[tokio::test]
async fn a_run_is_told_once_on_the_stream_and_to_each_sink_though_one_hangs_and_one_fails_at_first() {
    let (good, failing) = (Told::default(), Told::default());
    *failing.failures.lock().unwrap() = 2;
    let (good_url, failing_url) = (good.start().await, failing.start().await);
    let world = World::with(Settings {
        sinks: vec![format!("{good_url}/hang"), good_url.clone(), failing_url],
        ..settings()
    })
    .await;
    let working = work(&world);
    wanted(&world).await;
    let key = task_run(&world, "one").await;
    end(&world, &key, "True").await;
    let kind = |state: &str| format!("dev.tekton.event.taskrun.{state}.v1");
    for told in [&good, &failing] {
        wait_until(async || told.types().contains(&kind("successful"))).await;
        wait_until(async || told.types().contains(&kind("queued"))).await;
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for event in on_stream(&world).await {
        *counts.entry(event.kind).or_default() += 1;
    }
    let expected = ["queued", "started", "successful"].map(|state| (kind(state), 1));
    assert_eq!(counts, BTreeMap::from(expected));
    assert_eq!(good.all.lock().unwrap()[0].2["taskRun"]["metadata"]["name"], "one");
    stop(&world, working).await;
}

#[tokio::test]
async fn nothing_is_told_that_nobody_wants() {
    let world = World::new().await;
    let working = work(&world);
    world
        .app
        .run_events
        .subscribe()
        .wait_for(|wanted| *wanted == Some(false))
        .await
        .unwrap();
    let key = task_run(&world, "one").await;
    end(&world, &key, "True").await;
    stop(&world, working).await;
    assert!(on_stream(&world).await.is_empty());
}

#[tokio::test]
async fn a_listener_is_fed_with_runs_and_releases_and_a_circle_ends() {
    let world = World::new().await;
    let working = work(&world);
    // Each run that ends starts another: a circle.
    let made = json!({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"generateName": "again-"},
        "spec": {"taskSpec": {"steps": [{"image": "none", "command": ["true"]}]}}});
    let noted = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"},
        "data": {"status": "$(tt.params.status)"}});
    for (name, feed, object) in [
        ("runs", "cloudevent.default.taskrun.*.successful", made),
        ("releases", "release.prod.>", noted),
    ] {
        let trigger = json!({"name": "t",
            "bindings": [{"name": "status", "value": "$(body.status)"}],
            "template": {"spec": {"params": [{"name": "status", "default": "none"}], "resourcetemplates": [object]}}});
        let listener = json!({"apiVersion": TRIGGERS, "kind": "EventListener",
            "metadata": {"name": name, "annotations": {"tidemill.dev/subject": feed}},
            "spec": {"triggers": [trigger]}});
        world.objects.create_with(listener, Default::default()).await.unwrap();
    }
    wanted(&world).await;
    let uids = ["runs", "releases"].map(|name| {
        let key = Key::new(
            Kind::by_resource("triggers.tekton.dev", "eventlisteners").unwrap(),
            "default",
            name,
        );
        world.objects.known(&key).unwrap().uid.to_string()
    });
    wait_until(async || world.memory.has_consumer(CLOUD_EVENTS, &format!("feed-{}", uids[0]))).await;
    wait_until(async || world.memory.has_consumer(RELEASES, &format!("feed-{}", uids[1]))).await;
    for namespace in ["other", "prod"] {
        let release = json!({"version": 1, "release": {"namespace": namespace, "name": "web"}, "revision": 3,
            "status": "failed", "recordUid": "u", "at": "2026-11-23T13:05:02Z"})
        .to_string();
        let subject = format!("release.{namespace}.web.3.failed");
        world
            .bus
            .publish(tidemill_bus::Message::new(subject, release))
            .await
            .unwrap();
    }
    wait_until(async || world.made().await.len() == 1).await;
    assert_eq!(world.made().await[0].rest["data"]["status"], "failed");
    let key = task_run(&world, "one").await;
    end(&world, &key, "True").await;
    let mut ended = BTreeSet::new();
    loop {
        let names = world.objects.names_of("tekton.dev", "taskruns", "default");
        let open = names
            .iter()
            .find(|name| name.starts_with("again-") && !ended.contains(*name));
        if let Some(name) = open {
            let kind = Kind::by_resource("tekton.dev", "taskruns").unwrap();
            end(&world, &Key::new(kind, "default", name), "True").await;
            ended.insert(name.clone());
            continue;
        }
        // All that are there have ended; one more may be on its way, but not after the eighth.
        let more = async || world.objects.names_of("tekton.dev", "taskruns", "default").len() > names.len();
        let limit = if ended.len() == 8 { 2 } else { 30 };
        if !within(Duration::from_secs(limit), more).await {
            break;
        }
    }
    assert_eq!(ended.len(), 8);
    stop(&world, working).await;
    let events = world
        .bus
        .read_all(EVENTS, subject::ALL_EVENTS, 0, true)
        .await
        .unwrap()
        .len();
    assert_eq!(events, 1 + 8, "the release, and eight runs that led to one another");
}

#[tokio::test]
async fn a_listeners_sink_hears_what_became_of_its_events() {
    let told = Told::default();
    let world = World::new().await;
    let working = work(&world);
    let made = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"}});
    let template = json!({"spec": {"resourcetemplates": [made]}});
    let filter = json!({"ref": {"name": "cel"}, "params": [{"name": "filter", "value": "false"}]});
    let listener = json!({"apiVersion": TRIGGERS, "kind": "EventListener", "metadata": {"name": "tells"},
        "spec": {"cloudEventURI": told.start().await, "triggers": [
            {"name": "good", "template": template},
            {"name": "filtered", "interceptors": [filter], "template": template},
            {"name": "bad", "template": {"ref": "missing"}}]}});
    let listener = world
        .objects
        .create_with(listener, Default::default())
        .await
        .unwrap()
        .object;
    let consumer = format!("listener-{}", listener.metadata.uid.unwrap());
    wait_until(async || world.memory.has_consumer(CLOUD_EVENTS, &consumer)).await;
    assert_eq!(world.send("/default/tells", &[], "{}").await.code, 202);
    let kind = |state: &str| format!("dev.tekton.event.triggers.{state}.v1");
    wait_until(async || told.all.lock().unwrap().len() == 4).await;
    let mut types = told.types();
    types.sort_unstable();
    assert_eq!(
        types,
        [kind("done"), kind("failed"), kind("started"), kind("successful")]
    );
    let all = told.all.lock().unwrap().clone();
    let good = all.iter().find(|(found, _, _)| *found == kind("successful")).unwrap();
    assert_eq!(
        (good.2["trigger"].as_str(), good.2["eventListener"].as_str()),
        (Some("good"), Some("tells"))
    );
    stop(&world, working).await;
}
