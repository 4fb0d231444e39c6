//! Manifests as the world a listener is evaluated in.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tidemill_resources::manifest::Manifest;
use tidemill_resources::{Kind, Object};
use tidemill_triggers::{Known, Listener, Trigger, unverified};

use crate::error::Error;

/// What is evaluated, and what is known beside it.
pub(super) struct Bench {
    pub(super) listener: Listener,
    pub(super) triggers: Vec<Trigger>,
    pub(super) known: Known,
    /// Secrets among the files, as `name/key`.
    secrets: BTreeSet<String>,
}

impl Bench {
    /// From all manifests; `name` says which EventListener where there are several.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no listener, or more than one.
    pub(super) fn new(manifests: &[Manifest], namespace: &str, name: Option<&str>) -> Result<Self, Error> {
        let mut known = Known::complete();
        let mut secrets = BTreeSet::new();
        let (mut listeners, mut triggers) = (Vec::new(), Vec::new());
        for manifest in manifests {
            let object = placed(&manifest.object, namespace);
            match object.kind.as_str() {
                "EventListener" => listeners.push(Listener::read(&object).map_err(unreadable)?),
                "Trigger" => triggers.push(Trigger::read(&object).map_err(unreadable)?),
                "Secret" => secret(&object, &mut known, &mut secrets),
                _ => {}
            }
            if object.api_version.starts_with("triggers.tekton.dev/") {
                known.add_object(object);
            }
        }
        let names: Vec<String> = listeners.iter().map(|one| one.name().to_owned()).collect();
        listeners.retain(|listener| name.is_none_or(|name| listener.name() == name));
        match (listeners.pop(), listeners.is_empty()) {
            (Some(listener), true) => Ok(Self {
                listener,
                triggers,
                known,
                secrets,
            }),
            (Some(_), false) => Err(Error::usage_hint(
                format!("the files have several EventListeners: {}", names.join(", ")),
                "name one with --listener",
            )),
            (None, _) => Err(Error::usage(match name {
                Some(name) => format!("the files have no EventListener {name}, but {}", names.join(", ")),
                None => "the files have no EventListener".to_owned(),
            })),
        }
    }

    /// The same with nothing that proves the sender: where its Secret is not among the files, or, for
    /// payloads nobody signed, everywhere. Gives the Secrets that are not used now.
    pub(super) fn unverified(&self, everywhere: bool) -> (Listener, Vec<Trigger>, Vec<String>) {
        let (mut listener, mut triggers) = (self.listener.clone(), self.triggers.clone());
        let mut missing = BTreeSet::new();
        let written = listener
            .spec
            .triggers
            .iter_mut()
            .map(|trigger| &mut trigger.interceptors);
        let groups = listener
            .spec
            .trigger_groups
            .iter_mut()
            .map(|group| &mut group.interceptors);
        let objects = triggers.iter_mut().map(|trigger| &mut trigger.spec.interceptors);
        for interceptor in written.chain(groups).chain(objects).flatten() {
            let before = interceptor.clone();
            let Some((name, key)) = unverified(interceptor) else {
                continue;
            };
            let secret = format!("{name}/{key}");
            if !everywhere && self.secrets.contains(&secret) {
                *interceptor = before;
            } else {
                missing.insert(secret);
            }
        }
        (listener, triggers, missing.into_iter().collect())
    }
}

/// The object in its namespace, as it would be stored.
fn placed(object: &Object, namespace: &str) -> Object {
    let mut object = object.clone();
    let namespaced = Kind::of(&object.api_version, &object.kind).is_some_and(|kind| kind.namespaced);
    if namespaced && object.namespace().is_empty() {
        object.metadata.namespace = Some(namespace.to_owned());
    }
    object
}

fn secret(object: &Object, known: &mut Known, secrets: &mut BTreeSet<String>) {
    let fields = |name: &str| object.rest.get(name).and_then(Value::as_object).into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let encoded = fields("data").filter_map(|(key, value)| Some((key, BASE64_STANDARD.decode(text(value)).ok()?)));
    let plain = fields("stringData").map(|(key, value)| (key, text(value).into_bytes()));
    for (key, value) in encoded.chain(plain) {
        known.add_secret(object.namespace(), object.name(), key, value);
        secrets.insert(format!("{}/{key}", object.name()));
    }
}

fn unreadable(error: tidemill_triggers::Error) -> Error {
    Error::usage(error.to_string())
}
