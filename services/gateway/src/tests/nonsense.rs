//! Requests nobody would send: refused, never a fault of the server's.

use axum::body::Body;
use axum::http::{Request, header};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

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
    "fieldValidation=Strict",
    "container=step-first",
    "tailLines=0",
    "sinceSeconds=9223372036854775807",
    "sinceTime=yesterday",
    "limitBytes=0",
    "propagationPolicy=Orphan",
    "includeObject=Object",
    "watch=false",
    "%ff=%fe",
];
const TYPES: &[&str] = &[
    "application/json",
    "application/merge-patch+json",
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
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut accepted = 0;
    for round in 0..20_000 {
        let mut pick = |all: &[&str]| all[random.random_range(0..all.len())].to_owned();
        let method = pick(METHODS);
        let collection = pick(&[
            "/api/v1/namespaces/default/configmaps",
            "/apis/tekton.dev/v1/namespaces/default/taskruns",
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
        let body = bodies[random.random_range(0..bodies.len())].clone();
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
        let code = world.send(request).await.status().as_u16();
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
