//! Verbs, forms, refusals.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::json;

use super::{CONFIGS, RUNS, TOKEN, World, answer, config, run};
use tidemill_settings::Size;

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

#[tokio::test(start_paused = true)]
async fn only_who_has_the_token_sees_objects() {
    let world = World::new().await;
    for (token, code) in [(None, 401), (Some("wrong"), 401), (Some(TOKEN), 200)] {
        let mut request = Request::get(CONFIGS);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let answer = answer(world.send(request.body(Body::empty()).unwrap()).await).await;
        assert_eq!(answer.code, code, "{token:?}");
        if code == 401 {
            assert_eq!(answer.body["reason"], "Unauthorized");
            assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
        }
    }
    for path in [
        "/healthz",
        "/readyz",
        "/livez?verbose",
        "/version",
        "/api",
        "/apis",
        "/api/v1",
        "/apis/tekton.dev/v1",
    ] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(answer(world.send(request).await).await.code, 200, "{path}");
    }
    let request = Request::get("/nothing/here").body(Body::empty()).unwrap();
    assert_eq!(
        answer(world.send(request).await).await.code,
        401,
        "what there is, only who may ask learns"
    );
    assert_eq!(world.get("/nothing/here").await.code, 404);
}

#[tokio::test(start_paused = true)]
async fn an_object_lives_from_create_to_delete() {
    let world = World::new().await;
    let made = world.post(CONFIGS, config("a", "1")).await;
    assert_eq!(made.code, 201);
    assert_eq!(made.body["metadata"]["namespace"], "default");
    let one = format!("{CONFIGS}/a");
    assert_eq!(world.get(&one).await.body, made.body);
    let mut changed = made.body.clone();
    changed["data"]["datum"] = json!("2");
    let updated = world.ask("PUT", &one, Some((JSON, changed.clone()))).await;
    assert_eq!((updated.code, &updated.body["data"]["datum"]), (200, &json!("2")));
    let stale = world.ask("PUT", &one, Some((JSON, changed))).await;
    assert_eq!((stale.code, &stale.body["reason"]), (409, &json!("Conflict")));
    assert_eq!(
        stale.body["details"],
        json!({"name": "a", "group": "", "kind": "configmaps"})
    );
    let patched = world
        .ask("PATCH", &one, Some((MERGE, json!({"data": {"datum": "3"}}))))
        .await;
    assert_eq!(patched.body["data"]["datum"], "3");
    let deleted = world.ask("DELETE", &one, None).await;
    assert_eq!((deleted.code, &deleted.body["status"]), (200, &json!("Success")));
    assert_eq!(deleted.body["details"]["uid"], made.body["metadata"]["uid"]);
    let gone = world.get(&one).await;
    assert_eq!((gone.code, &gone.body["reason"]), (404, &json!("NotFound")));
    assert_eq!(gone.body["message"], "configmaps \"a\" not found");
    assert_eq!(gone.body["kind"], "Status");
}

#[tokio::test(start_paused = true)]
async fn names_are_generated_and_kinds_filled_in() {
    let world = World::new().await;
    let made = world.post(CONFIGS, json!({"metadata": {"generateName": "run-"}})).await;
    assert_eq!((made.code, &made.body["kind"]), (201, &json!("ConfigMap")));
    assert!(made.body["metadata"]["name"].as_str().unwrap().starts_with("run-"));
    let again = world.post(CONFIGS, config("a", "1")).await;
    assert_eq!(again.code, 201);
    let taken = world.post(CONFIGS, config("a", "1")).await;
    assert_eq!((taken.code, &taken.body["reason"]), (409, &json!("AlreadyExists")));
    let dry = world.post(&format!("{CONFIGS}?dryRun=All"), config("b", "1")).await;
    assert_eq!(dry.code, 201);
    assert_eq!(world.get(&format!("{CONFIGS}/b")).await.code, 404);
}

#[tokio::test(start_paused = true)]
async fn faults_are_told_with_their_fields() {
    let world = World::new().await;
    let mut bad = run("a");
    bad["spec"]["taskSpec"]["steps"] = json!([{"name": "UPPER", "image": "x", "script": "true"}]);
    let refused = world.post(RUNS, bad).await;
    assert_eq!((refused.code, &refused.body["reason"]), (422, &json!("Invalid")));
    let causes = refused.body["details"]["causes"].as_array().unwrap();
    assert!(
        causes
            .iter()
            .any(|cause| cause["field"] == "spec.taskSpec.steps[0].name"),
        "{causes:?}"
    );
    let mut odd = run("a");
    odd["spec"]["colour"] = json!("red");
    let strict = world.post(&format!("{RUNS}?fieldValidation=Strict"), odd.clone()).await;
    assert_eq!(strict.code, 422, "{}", strict.body);
    let warned = world.post(&format!("{RUNS}?dryRun=All"), odd.clone()).await;
    let warning = warned.headers[header::WARNING].to_str().unwrap();
    assert!(
        warning.starts_with("299 - \"") && warning.contains("spec.colour"),
        "{warning}"
    );
    let silent = world.post(&format!("{RUNS}?fieldValidation=Ignore"), odd).await;
    assert!(!silent.headers.contains_key(header::WARNING));
}

#[tokio::test(start_paused = true)]
async fn requests_that_make_no_sense_are_refused() {
    let mut settings = super::settings();
    settings.body = Size::new(10_000);
    let world = World::with(settings).await;
    world.post(CONFIGS, config("a", "1")).await;
    let one = format!("{CONFIGS}/a");
    let json = |value| Some((JSON, value));
    for (method, path, body, code) in [
        ("POST", CONFIGS, json(run("a")), 400),
        ("POST", CONFIGS, json(json!([1])), 400),
        ("POST", CONFIGS, Some(("application/yaml", config("b", "1"))), 415),
        ("POST", CONFIGS, json(config("b", &"x".repeat(20_000))), 413),
        ("POST", "/api/v1/configmaps", json(config("b", "1")), 405),
        ("POST", &one, json(config("a", "1")), 405),
        ("PUT", &one, json(config("b", "1")), 400),
        ("PUT", CONFIGS, json(config("a", "1")), 405),
        ("PATCH", &one, Some(("application/strange-patch", json!({}))), 415),
        // Who applies has to say who it is.
        ("PATCH", &one, Some(("application/apply-patch+yaml", json!({}))), 400),
        (
            "PATCH",
            &one,
            Some((
                "application/json-patch+json",
                json!([{"op": "remove", "path": "/none"}]),
            )),
            400,
        ),
        ("PATCH", &format!("{one}/status"), Some((MERGE, json!({}))), 404),
        ("DELETE", &format!("{one}?propagationPolicy=Perhaps"), None, 400),
        ("GET", &format!("{CONFIGS}?labelSelector=a%20b"), None, 400),
        ("GET", &format!("{CONFIGS}?fieldSelector=data.x%3D1"), None, 400),
        ("GET", &format!("{CONFIGS}?limit=many"), None, 400),
        ("GET", &format!("{CONFIGS}?continue=xyz"), None, 400),
        (
            "GET",
            &format!("{CONFIGS}?watch=true&resourceVersion=999999"),
            None,
            410,
        ),
        ("DELETE", "/api/v1/namespaces/default", None, 403),
        ("DELETE", "/api/v1/namespaces/default/pods/a", None, 405),
        ("OPTIONS", CONFIGS, None, 405),
        ("POST", "/version", None, 405),
    ] {
        let refused = world.ask(method, path, body).await;
        assert_eq!(refused.code, code, "{method} {path}: {}", refused.body);
        assert_eq!(refused.body["kind"], "Status", "{method} {path}");
        assert_eq!(refused.body["code"], code, "{method} {path}");
    }
    let request = Request::get(CONFIGS)
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header(header::ACCEPT, "application/vnd.kubernetes.protobuf");
    assert_eq!(
        answer(world.send(request.body(Body::empty()).unwrap()).await)
            .await
            .code,
        406
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_is_cancelled_and_its_status_is_apart() {
    let world = World::new().await;
    world.post(RUNS, run("a")).await;
    let one = format!("{RUNS}/a");
    let patch = json!([{"op": "replace", "path": "/spec/status", "value": "TaskRunCancelled"}]);
    let cancelled = world
        .ask("PATCH", &one, Some(("application/json-patch+json", patch)))
        .await;
    assert_eq!(cancelled.body["spec"]["status"], "TaskRunCancelled");
    assert_eq!(cancelled.body["metadata"]["generation"], 2);
    let status = json!({"status": {"podName": "a-pod"}});
    let status = world
        .ask("PATCH", &format!("{one}/status"), Some((MERGE, status)))
        .await;
    assert_eq!((status.code, &status.body["status"]["podName"]), (200, &json!("a-pod")));
    assert_eq!(status.body["metadata"]["generation"], 2);
    assert_eq!(world.get(&format!("{one}/status")).await.body, status.body);
    let deleting = world
        .ask("DELETE", &one, Some((JSON, json!({"propagationPolicy": "Background"}))))
        .await;
    assert_eq!((deleting.code, &deleting.body["kind"]), (200, &json!("TaskRun")));
    assert!(deleting.body["metadata"]["deletionTimestamp"].is_string());
}
