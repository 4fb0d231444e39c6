//! Lists and tables.

use serde_json::json;

use super::{CONFIGS, RUNS, World, config, run};

const MERGE: &str = "application/merge-patch+json";

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_tables_and_metadata() {
    let world = World::new().await;
    for index in 0..5 {
        world.post(CONFIGS, config(&format!("c{index}"), "1")).await;
    }
    let first = world.get(&format!("{CONFIGS}?limit=3")).await.body;
    assert_eq!(
        (first["kind"].as_str(), first["items"].as_array().unwrap().len()),
        (Some("ConfigMapList"), 3)
    );
    assert_eq!(first["metadata"]["remainingItemCount"], 2);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = world.get(&format!("{CONFIGS}?limit=3&continue={token}")).await.body;
    assert_eq!(second["items"].as_array().unwrap().len(), 2);
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    let table = world.table(CONFIGS).await.body;
    assert_eq!(
        (table["kind"].as_str(), table["apiVersion"].as_str()),
        (Some("Table"), Some("meta.k8s.io/v1"))
    );
    assert_eq!(table["rows"][0]["cells"], json!(["c0", "1", "0s"]));
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let deleted = world
        .ask("DELETE", &format!("{CONFIGS}?fieldSelector=metadata.name%3Dc0"), None)
        .await;
    assert_eq!(deleted.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(world.get(CONFIGS).await.body["items"].as_array().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn runs_are_printed_as_tekton_prints_them() {
    let world = World::new().await;
    world.post(RUNS, run("a")).await;
    let now = world.bus.now();
    let ago = |seconds: i64| (now - jiff::SignedDuration::from_secs(seconds)).to_string();
    let status = json!({"status": {
        "startTime": ago(286), "completionTime": ago(46),
        "conditions": [{"type": "Succeeded", "status": "True", "reason": "Completed"}],
    }});
    world
        .ask("PATCH", &format!("{RUNS}/a/status"), Some((MERGE, status)))
        .await;
    for path in [RUNS.to_owned(), format!("{RUNS}/a")] {
        let table = world.table(&path).await.body;
        let names: Vec<&str> = table["columnDefinitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| column["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["Name", "Succeeded", "Reason", "StartTime", "CompletionTime"]);
        assert_eq!(
            table["rows"][0]["cells"],
            json!(["a", "True", "Completed", "4m46s", "46s"])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn core_kinds_are_printed_as_kubernetes_prints_them() {
    let world = World::new().await;
    let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    let account = json!({"metadata": {"name": "robot"}, "secrets": [{"name": "a"}, {"name": "b"}]});
    let claim = json!({"metadata": {"name": "claim"}, "spec": {
        "accessModes": ["ReadWriteOnce", "ReadOnlyMany"], "storageClassName": "fast",
        "resources": {"requests": {"storage": "1Gi"}},
    }});
    let binding = json!({
        "metadata": {"name": "binding"}, "subjects": [],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
    });
    world.post(accounts, account).await;
    world.post(claims, claim).await;
    world
        .post(
            &format!("{roles}/roles"),
            json!({"metadata": {"name": "reader"}, "rules": []}),
        )
        .await;
    world.post(&format!("{roles}/rolebindings"), binding).await;
    for (path, titles, cells) in [
        (
            format!("{accounts}/robot"),
            vec!["Name", "Secrets", "Age"],
            json!(["robot", "2", "0s"]),
        ),
        (
            format!("{claims}/claim"),
            vec![
                "Name",
                "Status",
                "Volume",
                "Capacity",
                "Access Modes",
                "StorageClass",
                "Age",
            ],
            json!(["claim", "", "", "", "RWO,ROX", "fast", "0s"]),
        ),
        (
            format!("{roles}/rolebindings/binding"),
            vec!["Name", "Role", "Age"],
            json!(["binding", "Role/reader", "0s"]),
        ),
    ] {
        let table = world.table(&path).await.body;
        let columns = table["columnDefinitions"].as_array().unwrap();
        let names: Vec<&str> = columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
        assert_eq!((names, &table["rows"][0]["cells"]), (titles, &cells), "{path}");
    }
    let role = world.table(&format!("{roles}/roles/reader")).await.body;
    assert_eq!(role["columnDefinitions"][1]["name"], "Created At");
    assert_eq!(
        role["rows"][0]["cells"][1],
        role["rows"][0]["object"]["metadata"]["creationTimestamp"]
    );
}
