//! Finding out what an evaluation needs to know.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tidemill_objects::{Key, ListQuery, Objects, Scope};
use tidemill_resources::{Kind, Object};
use tidemill_triggers::{Found, Listener, Need, Reach, TRIGGERS_MAX, Trigger, reach};

use crate::Error;
use crate::app::App;

/// Group of the kinds of triggers.
const GROUP: &str = "triggers.tekton.dev";

/// The answer to a need, as the index or whoever is asked has it now.
pub(crate) async fn find(app: &App, need: &Need) -> Result<Found, Error> {
    let objects = &app.objects;
    Ok(match need {
        Need::Secret { namespace, name, key } => {
            let kind = Kind::by_resource("", "secrets");
            match get(objects, kind, namespace, name).await? {
                Some(secret) => value(&secret, key),
                None => secret_of_cluster(app, namespace, name, key).await?,
            }
        }
        Need::Object { kind, namespace, name } => {
            let known = |known: &&Kind| known.group == GROUP && known.kind == kind;
            let kind = Kind::all().iter().find(known);
            match get(objects, kind, namespace, name).await? {
                Some(object) => Found::Object(Box::new(object)),
                None => Found::Absent,
            }
        }
        Need::Call(call) => app.calls.ask(call).await?,
    })
}

/// The Trigger objects a listener may have.
pub(crate) async fn triggers(objects: &Objects, listener: &Listener) -> Result<Vec<Trigger>, Error> {
    let namespaces: Vec<Option<String>> = match reach(listener) {
        Reach::Nothing => return Ok(Vec::new()),
        Reach::Namespaces(names) => names.into_iter().map(Some).collect(),
        Reach::All => vec![None],
    };
    let mut found = Vec::new();
    for namespace in namespaces {
        let query = ListQuery {
            scope: Scope::new(GROUP, "triggers", namespace.as_deref()),
            limit: TRIGGERS_MAX,
            ..ListQuery::default()
        };
        for object in objects.list(&query).await?.items {
            match Trigger::read(&object) {
                Ok(trigger) => found.push(trigger),
                Err(error) => tracing::warn!(%error, "A Trigger is left out."),
            }
        }
    }
    Ok(found)
}

async fn get(objects: &Objects, kind: Option<&Kind>, namespace: &str, name: &str) -> Result<Option<Object>, Error> {
    match kind {
        Some(kind) => Ok(objects.indexed(&Key::new(kind, namespace, name)).await?),
        None => Ok(None),
    }
}

/// In a cluster Secrets are the cluster's own, read when they are needed.
async fn secret_of_cluster(app: &App, namespace: &str, name: &str, key: &str) -> Result<Found, Error> {
    let Some(client) = app.cluster().await? else {
        return Ok(Found::Absent);
    };
    let secrets: Api<Secret> = Api::namespaced(client, namespace);
    let secret = secrets.get_opt(name).await.map_err(|source| Error::Secret {
        name: format!("{namespace}/{name}"),
        source: Box::new(source),
    })?;
    let value = secret.and_then(|secret| secret.data?.remove(key));
    Ok(value.map_or(Found::Absent, |value| Found::Secret(value.0)))
}

fn value(secret: &Object, key: &str) -> Found {
    let field = |field: &str| secret.rest.get(field)?.get(key)?.as_str();
    if let Some(text) = field("stringData") {
        return Found::Secret(text.as_bytes().to_vec());
    }
    match field("data") {
        None => Found::Absent,
        Some(data) => match BASE64_STANDARD.decode(data) {
            Ok(bytes) => Found::Secret(bytes),
            Err(_) => Found::Failed("it is not base64".to_owned()),
        },
    }
}
