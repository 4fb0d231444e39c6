//! The roles every store has from the start, as Kubernetes has them: `cluster-admin`, `admin`, `edit`, `view`.

use serde_json::{Value, json};
use tidemill_objects::{Error, Objects};
use tokio_util::sync::CancellationToken;

/// How long to wait before a failed try is made again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(5);

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "delete", "deletecollection", "patch", "update"];
const TEKTON: &[&str] = &["tekton.dev", "triggers.tekton.dev", crate::events::GROUP];
/// What of the core group may be read by everybody with a role: no Secrets.
const READABLE: &[&str] = &[
    "configmaps",
    "events",
    "limitranges",
    "namespaces",
    "persistentvolumeclaims",
    "pods",
    "pods/log",
    "serviceaccounts",
];
const WRITABLE: &[&str] = &[
    "configmaps",
    "events",
    "persistentvolumeclaims",
    "secrets",
    "serviceaccounts",
    "serviceaccounts/token",
];

/// Creates those that are not there; goes on until it could, or until `shutdown`.
pub(crate) async fn furnish(objects: Objects, shutdown: CancellationToken) {
    let work = async {
        while let Err(error) = create(&objects).await {
            tracing::warn!(%error, "The first roles were not created; it is tried again.");
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = shutdown.cancelled() => {}
    }
}

async fn create(objects: &Objects) -> Result<(), Error> {
    objects.ready().await?;
    let known = objects.names_of(super::roles::GROUP, "clusterroles", "");
    for role in roles() {
        if known.iter().any(|name| role["metadata"]["name"] == name.as_str()) {
            continue;
        }
        match objects
            .create_with(role, tidemill_objects::WriteOptions::default())
            .await
        {
            Ok(_) | Err(Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn roles() -> [Value; 4] {
    let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
    let view = vec![rule(&[""], READABLE, READ), rule(TEKTON, &["*"], READ)];
    let mut edit = view.clone();
    edit.extend([
        rule(&[""], &["secrets"], READ),
        rule(&[""], WRITABLE, WRITE),
        rule(TEKTON, &["*"], WRITE),
    ]);
    let mut admin = edit.clone();
    let rbac = [super::roles::GROUP];
    admin.extend([
        rule(&rbac, &["roles", "rolebindings"], READ),
        rule(&rbac, &["roles", "rolebindings"], WRITE),
    ]);
    let mut all = vec![rule(&["*"], &["*"], &["*"])];
    all.push(json!({"nonResourceURLs": ["*"], "verbs": ["*"]}));
    [("cluster-admin", all), ("admin", admin), ("edit", edit), ("view", view)].map(|(name, rules)| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "tidemill"}}, "rules": rules,
        })
    })
}
