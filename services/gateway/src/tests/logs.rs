//! Logs of pods.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};
use tidemill_bus::Message;
use tidemill_messages::{AttemptKey, log, subject};

use super::watch::Lines;
use super::{RUNS, TOKEN, World, run};

const POD: &str = "/api/v1/namespaces/default/pods/a-pod";
const MERGE: &str = "application/merge-patch+json";

/// A started TaskRun `a` and what its runner does.
struct Runner {
    world: World,
    key: AttemptKey,
    reports: u64,
}

impl Runner {
    async fn new() -> Self {
        let world = World::new().await;
        let made = world.post(RUNS, run("a")).await.body;
        let uid = made["metadata"]["uid"].as_str().unwrap();
        let key = AttemptKey::new(uid, "a", 0);
        let runner = Self { world, key, reports: 0 };
        runner.status(json!({"startTime": "2026-01-01T00:00:00Z"})).await;
        runner
    }

    async fn status(&self, status: Value) {
        let patched = self
            .world
            .ask(
                "PATCH",
                &format!("{RUNS}/a/status"),
                Some((MERGE, json!({"status": status}))),
            )
            .await;
        assert_eq!(patched.code, 200, "{}", patched.body);
    }

    async fn end(&self) {
        let condition = json!([{"type": "Succeeded", "status": "True"}]);
        self.status(json!({"conditions": condition, "completionTime": "2026-01-01T00:01:00Z"}))
            .await;
    }

    async fn write(&mut self, container: &str, text: &str) {
        self.reports += 1;
        self.report(self.reports, container, text).await;
    }

    async fn report(&self, number: u64, container: &str, text: &str) {
        let message = Message::new(subject::log(&self.key, container), text.to_owned())
            .header(log::REPORT, number.to_string())
            .header(log::AT, format!("2026-01-01T00:00:{:02}Z", number % 60));
        self.world.bus.publish(message).await.unwrap();
    }

    async fn log(&self, query: &str) -> Value {
        let answer = self.world.get(&format!("{POD}/log?container=step-first{query}")).await;
        assert_eq!(answer.code, 200, "{}", answer.body);
        answer.body
    }

    async fn follow(&self, container: &str) -> Lines {
        let request = Request::get(format!("{POD}/log?container={container}&follow=true"))
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
        let response = self.world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200);
        Lines::of(response.into_body())
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_written_can_be_read() {
    let mut runner = Runner::new().await;
    for text in ["one\ntw", "o\nthree\n"] {
        runner.write("step-first", text).await;
    }
    runner.write("step-second", "other\n").await;
    assert_eq!(runner.log("").await, "one\ntwo\nthree\n");
    assert_eq!(runner.log("&tailLines=2").await, "two\nthree\n");
    assert_eq!(runner.log("&limitBytes=5").await, "one\nt");
    assert_eq!(runner.log("&sinceTime=2026-01-01T00:00:02Z").await, "o\nthree\n");
    assert_eq!(
        runner.log("&timestamps=true&tailLines=1").await,
        "2026-01-01T00:00:02Z three\n"
    );
    runner.end().await;
    assert_eq!(
        runner.log("&follow=true").await,
        "one\ntwo\nthree\n",
        "the history outlives the pod"
    );
}

#[tokio::test(start_paused = true)]
async fn texts_that_come_twice_or_late_are_told_once_and_in_order() {
    let runner = Runner::new().await;
    for number in [1, 2, 4, 3, 2, 5] {
        runner.report(number, "step-first", &format!("{number}\n")).await;
    }
    assert_eq!(runner.log("").await, "1\n2\n3\n4\n5\n");
}

#[tokio::test(start_paused = true)]
async fn a_follower_gets_everything_until_the_attempt_is_over() {
    let mut runner = Runner::new().await;
    runner.write("step-first", "before\n").await;
    let mut one = runner.follow("step-first").await;
    let mut two = runner.follow("step-first").await;
    assert_eq!(one.next().await.unwrap(), "before");
    for index in 0..500 {
        runner.write("step-first", &format!("{index}\n")).await;
    }
    runner.end().await;
    for index in 0..500 {
        assert_eq!(one.next().await.unwrap(), index.to_string());
    }
    assert_eq!(one.next().await, None);
    assert_eq!(two.next().await.unwrap(), "before");
    let mut rest = 0;
    while two.next().await.is_some() {
        rest += 1;
    }
    assert_eq!(rest, 500);
}

#[tokio::test(start_paused = true)]
async fn a_follower_of_a_step_ends_when_the_next_one_writes() {
    let mut runner = Runner::new().await;
    let mut first = runner.follow("step-first").await;
    runner.write("step-first", "one\n").await;
    assert_eq!(first.next().await.unwrap(), "one");
    runner.write("step-second", "two\n").await;
    assert_eq!(first.next().await, None);
    let mut second = runner.follow("step-second").await;
    assert_eq!(second.next().await.unwrap(), "two");
    runner.end().await;
    assert_eq!(second.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_pods_of_their_own() {
    let mut runner = Runner::new().await;
    runner.write("step-first", "failed\n").await;
    let mut first = runner.follow("step-first").await;
    assert_eq!(first.next().await.unwrap(), "failed");
    let past = json!([{"startTime": "2026-01-01T00:00:00Z", "conditions": [{"type": "Succeeded", "status": "False"}]}]);
    runner.status(json!({"retriesStatus": past})).await;
    assert_eq!(first.next().await, None, "its attempt is over");
    runner.key.attempt = 1;
    runner.write("step-first", "again\n").await;
    let path = "/api/v1/namespaces/default/pods/a-pod-retry1";
    let log = runner.world.get(&format!("{path}/log?container=step-first")).await;
    assert_eq!(log.body, "again\n");
    assert_eq!(runner.log("").await, "failed\n");
    assert_eq!(runner.world.get(POD).await.body["status"]["phase"], "Failed");
    assert_eq!(runner.world.get(path).await.body["status"]["phase"], "Running");
    let pods = runner.world.get("/api/v1/namespaces/default/pods").await.body;
    assert_eq!(pods["items"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn pods_show_what_their_task_run_knows() {
    let runner = Runner::new().await;
    let running =
        json!([{"name": "first", "container": "step-first", "running": {"startedAt": "2026-01-01T00:00:00Z"}}]);
    runner.status(json!({"steps": running})).await;
    let pod = runner.world.get(POD).await.body;
    assert_eq!(pod["metadata"]["labels"]["tekton.dev/taskRun"], "a");
    let names: Vec<&str> = pod["spec"]["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|container| container["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["step-first", "step-second"]);
    let states = &pod["status"]["containerStatuses"];
    assert!(states[0]["state"]["running"].is_object() && states[0]["ready"] == true);
    assert_eq!(states[1]["state"]["waiting"]["reason"], "PodInitializing");
    let table = runner.world.table("/api/v1/namespaces/default/pods").await.body;
    assert_eq!(table["rows"][0]["cells"][1], "1/2");
    let selected = "/api/v1/namespaces/default/pods?labelSelector=tekton.dev/taskRun%3Db";
    assert_eq!(runner.world.get(selected).await.body["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn logs_that_cannot_be_are_refused() {
    let runner = Runner::new().await;
    runner.world.post(RUNS, run("waiting")).await;
    let waiting = "/api/v1/namespaces/default/pods/waiting-pod/log?container=step-first";
    for (path, code) in [
        (format!("{POD}/log"), 400),
        (format!("{POD}/log?container=step-none"), 400),
        (format!("{POD}/log?container=step-first&previous=true"), 400),
        (format!("{POD}/log?container=step-first&tailLines=few"), 400),
        (format!("{POD}-retry1/log?container=step-first"), 404),
        ("/api/v1/namespaces/default/pods/none-pod/log".to_owned(), 404),
        ("/api/v1/namespaces/default/pods/none".to_owned(), 404),
        (waiting.to_owned(), 400),
    ] {
        let refused = runner.world.get(&path).await;
        assert_eq!(
            (refused.code, &refused.body["kind"]),
            (code, &json!("Status")),
            "{path}"
        );
    }
    let slots = u32::try_from(runner.world.app.settings.log_readers).unwrap();
    let _all = runner
        .world
        .app
        .log_slots
        .clone()
        .try_acquire_many_owned(slots)
        .unwrap();
    let busy = runner.world.get(&format!("{POD}/log?container=step-first")).await;
    assert_eq!(
        (busy.code, &busy.headers[header::RETRY_AFTER]),
        (429, &"1".parse().unwrap())
    );
}
