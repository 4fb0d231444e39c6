//! Requests nobody would send: refused, never a fault of the server's, and answered.
//!
//! `TIDEMILL_FUZZ_REQUESTS` is how many, `TIDEMILL_FUZZ_SEED` which ones; `make fuzz-requests` sends more.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::{TOKEN, World, config, run};

const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const SEGMENTS: &[&str] = &[
    "api",
    "apis",
    "v1",
    "v1beta1",
    "tekton.dev",
    "triggers.tekton.dev",
    "namespaces",
    "default",
    "none",
    "pods",
    "configmaps",
    "taskruns",
    "pipelineruns",
    "eventlisteners",
    "secrets",
    "a",
    "a-pod",
    "log",
    "status",
    "token",
    "serviceaccounts",
    "openapi",
    "v2",
    "v3",
    "authorization.k8s.io",
    "selfsubjectaccessreviews",
    "rbac.authorization.k8s.io",
    "roles",
    "events",
    "%2F",
    "%zz",
    "..",
    "%00",
    "=",
    "*",
    ">",
    "%C3%BC",
];
const PARAMETERS: &[&str] = &[
    "limit=0",
    "limit=-1",
    "limit=18446744073709551616",
    "continue=7b7d",
    "continue=zz",
    "labelSelector=a%3Db",
    "labelSelector=%00",
    "labelSelector=((",
    "fieldSelector=metadata.name%3Da",
    "fieldSelector=a",
    "fieldSelector=involvedObject.name%3Da",
    "resourceVersion=0",
    "resourceVersion=99999999",
    "resourceVersion=x",
    "dryRun=All",
    "fieldManager=somebody",
    "fieldManager=somebody&force=true",
    "fieldValidation=Strict",
    "container=step-first",
    "tailLines=0",
    "sinceSeconds=9223372036854775807",
    "sinceTime=yesterday",
    "limitBytes=0",
    "propagationPolicy=Orphan",
    "includeObject=Object",
    "watch=false",
    "watch=true&timeoutSeconds=1",
    "watch=true&timeoutSeconds=1&resourceVersion=1&allowWatchBookmarks=true",
    "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1",
    "resourceVersionMatch=Exact",
    "sendInitialEvents=true",
    "follow=true&timestamps=x",
    "%ff=%fe",
];
const TYPES: &[&str] = &[
    "application/json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/vnd.kubernetes.protobuf",
    "text/plain",
    "",
    "application/json; charset=x",
];
const ACCEPTS: &[&str] = &[
    "*/*",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/xml",
    ";;,=",
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
];

/// An answer takes no longer than this on the test's clock, which stands still while anything works.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// A number of the environment's.
fn set(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(default, |text| text.parse().expect("a number"))
}

/// A value that few fields expect.
fn odd(random: &mut Xoshiro256PlusPlus) -> Value {
    let all = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("$(params.a[9999999999])"),
        json!("$(params.$(params.a))"),
        json!("9999999h"),
        json!("2026-13-45T99:99:99Z"),
        json!("\u{0}\u{fffd}/../"),
        json!("x".repeat(5_000)),
        json!([]),
        json!([null]),
        json!({}),
        json!({"": {"": ""}}),
        json!([{"name": "a"}, {"name": "a"}]),
    ];
    all[random.random_range(0..all.len())].clone()
}

/// One place of it becomes another.
fn mutate(value: &mut Value, random: &mut Xoshiro256PlusPlus) {
    let here = random.random_range(0..4) == 0;
    match value {
        Value::Object(fields) if !fields.is_empty() && !here => {
            let place = random.random_range(0..fields.len());
            let Some(name) = fields.keys().nth(place).cloned() else {
                return;
            };
            match random.random_range(0..6) {
                0 => drop(fields.remove(&name)),
                1 => drop(fields.insert(format!("{name}x"), odd(random))),
                _ => mutate(&mut fields[&name], random),
            }
        }
        Value::Array(items) if !items.is_empty() && !here => {
            let place = random.random_range(0..items.len());
            match random.random_range(0..4) {
                0 => items.push(items[place].clone()),
                _ => mutate(&mut items[place], random),
            }
        }
        other => *other = odd(random),
    }
}

/// Objects that are right until they are mutated.
fn whole() -> Vec<Value> {
    let task = json!({"params": [{"name": "a", "type": "array", "default": ["b"]}], "results": [{"name": "r"}],
        "workspaces": [{"name": "w", "optional": true}], "volumes": [{"name": "v", "emptyDir": {}}],
        "steps": [{"name": "s", "image": "i", "script": "echo $(params.a[0])", "timeout": "1h", "onError": "continue",
            "env": [{"name": "A", "value": "$(context.taskRun.name)"}]}]});
    let pipeline = json!({"params": [{"name": "p"}], "tasks": [
        {"name": "one", "taskSpec": task, "matrix": {"params": [{"name": "a", "value": ["1", "2"]}]}},
        {"name": "two", "taskRef": {"name": "t"}, "runAfter": ["one"], "retries": 2, "timeout": "5m",
            "when": [{"input": "$(tasks.one.results.r)", "operator": "in", "values": ["x"]}]}],
        "finally": [{"name": "end", "taskRef": {"name": "t"}}]});
    let spec = json!({"pipelineSpec": pipeline, "params": [{"name": "p", "value": "v"}], "timeouts": {"pipeline": "1h"},
        "taskRunSpecs": [{"pipelineTaskName": "one", "metadata": {"labels": {"a": "b"}}}],
        "workspaces": [{"name": "w", "emptyDir": {}}]});
    let listener = json!({"serviceAccountName": "a", "triggers": [{"name": "t",
        "interceptors": [{"ref": {"name": "cel"}, "params": [{"name": "filter", "value": "body.a == 1"}]}],
        "bindings": [{"name": "x", "value": "$(body.x)"}], "template": {"ref": "t"}}]});
    [
        ("tekton.dev/v1", "Task", task),
        ("tekton.dev/v1", "Pipeline", pipeline),
        ("tekton.dev/v1", "PipelineRun", spec.clone()),
        ("tekton.dev/v1beta1", "PipelineRun", spec),
        ("triggers.tekton.dev/v1beta1", "EventListener", listener),
    ]
    .into_iter()
    .map(|(version, kind, spec)| {
        let metadata = json!({"name": "a", "labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["x/y"]});
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
    })
    .collect()
}

fn bodies() -> Vec<String> {
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let objects = [
        config("a", "1"),
        run("a"),
        json!({"metadata": null}),
        json!({"metadata": {"name": 7, "labels": [], "ownerReferences": [{}], "finalizers": "x"}}),
        json!({"metadata": {"name": "a", "resourceVersion": "x", "uid": "y"}}),
        json!({"spec": null, "status": 7}),
        json!({"$patch": "replace", "metadata": {"ownerReferences": [{"$patch": "delete"}], "$retainKeys": [1]}}),
        json!({"spec": {"resourceAttributes": {"verb": 1}, "token": "a.b.c", "user": "x", "expirationSeconds": -1}}),
        json!({"rules": [{"verbs": 7}], "roleRef": [], "subjects": {}}),
        json!([{"op": "add", "path": "/metadata/labels/x", "value": {}}]),
        json!([{"op": "remove", "path": ""}]),
        json!([{"op": "replace", "path": "/metadata", "value": 3}]),
        json!([{"op": "move", "from": "/spec", "path": "/metadata/annotations"}]),
        json!({"metadata": {"annotations": null, "name": null}}),
        json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"generateName": "\u{0}"}}),
    ];
    let mut all: Vec<String> = objects.iter().map(ToString::to_string).collect();
    all.extend([String::new(), "{".to_owned(), "\u{feff}{}".to_owned(), deep]);
    all
}

#[tokio::test(start_paused = true)]
async fn no_request_is_a_fault_of_the_server() {
    let world = World::new().await;
    let bodies = bodies();
    let whole = whole();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(set("TIDEMILL_FUZZ_SEED", 7));
    let mut accepted = 0;
    for round in 0..usize::try_from(set("TIDEMILL_FUZZ_REQUESTS", 20_000)).unwrap() {
        let mut pick = |all: &[&str]| all[random.random_range(0..all.len())].to_owned();
        let method = pick(METHODS);
        let collection = pick(&[
            "/api/v1/namespaces/default/configmaps",
            "/apis/tekton.dev/v1/namespaces/default/taskruns",
            "/apis/tekton.dev/v1/namespaces/default/tasks",
            "/apis/tekton.dev/v1/namespaces/default/pipelines",
            "/apis/tekton.dev/v1/namespaces/default/pipelineruns",
            "/apis/tekton.dev/v1beta1/namespaces/default/pipelineruns",
            "/apis/triggers.tekton.dev/v1beta1/namespaces/default/eventlisteners",
            "/api/v1/namespaces/default/pods",
            "/api/v1/namespaces",
            "/api/v1/namespaces/default/serviceaccounts",
            "/api/v1/namespaces/default/events",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
            "/openapi/v3",
            "",
        ]);
        let rest: Vec<String> = (0..[0, 1, 1, 2, 4][round % 5])
            .map(|at| {
                if at == 0 && round % 2 == 0 {
                    "a".to_owned()
                } else {
                    pick(SEGMENTS)
                }
            })
            .collect();
        let query: Vec<String> = (0..(round / 5) % 3).map(|_| pick(PARAMETERS)).collect();
        let (media_type, accept) = (pick(TYPES), pick(ACCEPTS));
        let uri = format!("{collection}/{}?{}", rest.join("/"), query.join("&"));
        let token = pick(&[TOKEN, TOKEN, TOKEN, TOKEN, TOKEN, TOKEN, "wrong", "a.b.c", ""]);
        let other = pick(&[
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "jane",
            "system:serviceaccount:default:a",
            "\u{fc}",
        ]);
        let body = if round % 2 == 0 {
            let mut value = whole[random.random_range(0..whole.len())].clone();
            for _ in 0..random.random_range(0..4) {
                mutate(&mut value, &mut random);
            }
            value.to_string()
        } else {
            bodies[random.random_range(0..bodies.len())].clone()
        };
        let Ok(request) = Request::builder()
            .method(method.as_str())
            .uri(&uri)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header("impersonate-user", &other)
            .header(header::CONTENT_TYPE, &media_type)
            .header(header::ACCEPT, &accept)
            .body(Body::from(body.clone()))
        else {
            continue;
        };
        let answered = tokio::time::timeout(ANSWER_LIMIT, world.send(request)).await;
        let Ok(answer) = answered else {
            panic!("no answer: {method} {uri} ({media_type}, {accept}) {body:.300}");
        };
        let code = answer.status().as_u16();
        assert!(
            code < 500,
            "{code}: {method} {uri} ({media_type}, {accept}) {body:.300}"
        );
        accepted += usize::from(code < 300);
    }
    assert!(
        accepted > 200,
        "only {accepted} requests were granted: the others say little"
    );
    assert_eq!(world.get("/api/v1/namespaces/default").await.code, 200, "it goes on");
}
