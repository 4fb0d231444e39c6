//! What an EventListener says about itself: its address, and that it is served.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tidemill_objects::{Error, Key, Scope, WatchEvent, WatchQuery};
use tidemill_resources::Object;

use crate::address::{self, SERVICE_PORT};
use crate::app::App;

/// How long to wait before listeners are looked at again after a failure.
const AGAIN: Duration = Duration::from_secs(2);

/// Keeps the status of every listener, until ingest stops. Several may: they say the same.
pub(crate) async fn run(app: Arc<App>) {
    let work = async {
        loop {
            if let Err(error) = follow(&app).await {
                tracing::debug!(%error, "The listeners are looked at again.");
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = app.stopping.cancelled() => {}
    }
}

/// All listeners, then each change; ends when a change was missed or failed.
async fn follow(app: &App) -> Result<(), Error> {
    app.objects.ready().await?;
    let query = WatchQuery {
        scope: Scope::new("triggers.tekton.dev", "eventlisteners", None),
        send_initial_events: true,
        ..WatchQuery::default()
    };
    let mut watch = app.objects.watch(query).await?;
    loop {
        if let WatchEvent::Added(listener) | WatchEvent::Modified(listener) = watch.next().await? {
            tell(app, &listener).await?;
        }
    }
}

/// Writes the status unless it is there already.
async fn tell(app: &App, listener: &Object) -> Result<(), Error> {
    let now = format!("{:.0}", app.bus.now());
    let mut status = listener
        .rest
        .get("status")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    complete(&mut status, listener, &now);
    if listener.rest.get("status").and_then(Value::as_object) == Some(&status) {
        return Ok(());
    }
    let key = Key::of(listener)?;
    let uid = listener.metadata.uid.as_deref().unwrap_or_default();
    let written = app
        .objects
        .update_status(&key, uid, |status| complete(status, listener, &now));
    match written.await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Sets what ingest knows; everything else, and the time since which a condition holds, stays.
fn complete(status: &mut Map<String, Value>, listener: &Object, now: &str) {
    let name = address::service(listener.name());
    let url = format!(
        "http://{name}.{}.svc.cluster.local:{SERVICE_PORT}",
        listener.namespace()
    );
    status.insert("address".to_owned(), json!({"url": url}));
    status.insert("configuration".to_owned(), json!({"generatedName": name}));
    let known = status
        .get("conditions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let conditions = [
        ("Available", "MinimumReplicasAvailable", "Webhooks are taken in."),
        ("Ready", "", ""),
    ];
    let conditions = conditions.map(|(kind, reason, message)| {
        let before = known.iter().find(|one| one["type"] == kind && one["status"] == "True");
        let since = before.map_or_else(|| json!(now), |before| before["lastTransitionTime"].clone());
        let mut condition = json!({"type": kind, "status": "True", "lastTransitionTime": since});
        for (field, text) in [("reason", reason), ("message", message)] {
            if !text.is_empty() {
                condition[field] = json!(text);
            }
        }
        condition
    });
    status.insert("conditions".to_owned(), json!(conditions));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_says_where_it_is_and_since_when() {
        let listener: Object = serde_json::from_value(json!({
            "apiVersion": "triggers.tekton.dev/v1beta1", "kind": "EventListener",
            "metadata": {"name": "git", "namespace": "ci"},
        }))
        .unwrap();
        let mut status = Map::new();
        complete(&mut status, &listener, "2026-01-01T00:00:00Z");
        assert_eq!(status["address"]["url"], "http://el-git.ci.svc.cluster.local:8080");
        assert_eq!(status["conditions"][0]["reason"], "MinimumReplicasAvailable");
        let first = status.clone();
        complete(&mut status, &listener, "2027-01-01T00:00:00Z");
        assert_eq!(status, first, "nothing changed, so nothing is written");
    }
}
