//! Steps without a command: what their image would run.
//!
//! The step binary stands in front of each program, so the program must be known: the image's
//! configuration is read from its registry, with the pod's own pull credentials. Where a cluster has
//! images that no registry serves, the setting `commands` says what they run.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use tidemill_messages::plan::Plan;
use tokio::time::{Instant, timeout};

use super::refusal::CREATION;
use super::{Shared, name_of};
use crate::backend::{Error, Lookup};

mod reference;
mod registry;

use reference::Reference;
use registry::{Config, Registry, Users};

/// How long one image may take to be looked up.
const LIMIT: Duration = Duration::from_secs(20);
/// How long what a tag means is remembered.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Images remembered at most.
const MAX_REMEMBERED: usize = 1024;

/// What was looked up lately.
#[derive(Default)]
pub(super) struct Images {
    known: Mutex<HashMap<String, (Instant, Config)>>,
}

/// Gives each step that has neither command nor script its image's entrypoint, as Tekton does: that, or
/// the image's own arguments where it has none; both where the step has no arguments. The image is then
/// pinned by digest.
///
/// # Errors
/// [`Error::Task`] when that cannot be found out.
pub(super) async fn complete(shared: &Shared, pod: &mut Pod, plan: &Plan, account: &str) -> Result<(), Error> {
    let namespace = name_of(pod).0;
    let Some(spec) = &mut pod.spec else { return Ok(()) };
    let mut users = None;
    for (container, planned) in spec.containers.iter_mut().zip(&plan.steps) {
        let has_command = container.command.as_ref().is_some_and(|command| !command.is_empty());
        if planned.script.is_some() || has_command {
            continue;
        }
        let image = container.image.clone().unwrap_or_default();
        if let Some(command) = shared.settings.commands.get(&image) {
            container.command = Some(command.clone());
            continue;
        }
        if users.is_none() {
            let secrets = spec
                .image_pull_secrets
                .iter()
                .flatten()
                .map(|secret| secret.name.clone());
            users = Some(users_of(shared.lookup.as_ref(), &namespace, account, secrets.collect()).await?);
        }
        let config = shared.images.look_up(shared, &image, users.as_ref()).await;
        let config = config.map_err(|message| unknown(&container.name, &image, &message))?;
        let has_args = container.args.as_ref().is_some_and(|args| !args.is_empty());
        let command = config.command(has_args);
        if command.is_empty() {
            return Err(unknown(
                &container.name,
                &image,
                "the image names neither entrypoint nor command",
            ));
        }
        container.command = Some(command);
        container.image = Some(config.pinned);
    }
    Ok(())
}

impl Images {
    async fn look_up(&self, shared: &Shared, image: &str, users: Option<&Users>) -> Result<Config, String> {
        let default = shared.settings.default_registry.as_deref();
        let reference = Reference::parse(image, default)
            .ok_or_else(|| "it names no registry, and runner.kubernetes.default-registry is not set".to_owned())?;
        if let Some(known) = self.recall(image) {
            return Ok(known);
        }
        let registry = Registry::new(&shared.settings, users);
        let read = timeout(LIMIT, registry.config(&reference)).await;
        let config = read.map_err(|_| format!("{} did not answer within {} s", reference.host, LIMIT.as_secs()))??;
        self.remember(image, &config);
        Ok(config)
    }

    fn recall(&self, image: &str) -> Option<Config> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, config) = known.get(image)?;
        (at.elapsed() < REMEMBERED).then(|| config.clone())
    }

    fn remember(&self, image: &str, config: &Config) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED {
            known.retain(|_, (at, _)| at.elapsed() < REMEMBERED);
        }
        if known.len() < MAX_REMEMBERED {
            known.insert(image.to_owned(), (Instant::now(), config.clone()));
        }
    }
}

/// Users for registries: of the pod's and the ServiceAccount's pull secrets. What cannot be read is left
/// out; the registry will say so.
async fn users_of(
    lookup: &dyn Lookup,
    namespace: &str,
    account: &str,
    mut secrets: Vec<String>,
) -> Result<Users, Error> {
    let account = if account.is_empty() { "default" } else { account };
    secrets.extend(lookup.pull_secrets_of_account(namespace, account).await?);
    let mut users = Users::default();
    for name in secrets {
        let Some(secret) = lookup.secret_object(namespace, &name).await? else {
            continue;
        };
        let read = |key: &str| {
            secret
                .data
                .get(key)
                .and_then(|file| serde_json::from_slice::<Value>(file).ok())
        };
        let auths = read(".dockerconfigjson")
            .and_then(|whole| whole.get("auths").cloned())
            .or_else(|| read(".dockercfg"));
        let entries: Option<BTreeMap<String, Value>> = auths.and_then(|auths| serde_json::from_value(auths).ok());
        users.add(entries.unwrap_or_default());
    }
    Ok(users)
}

fn unknown(container: &str, image: &str, why: &str) -> Error {
    Error::Task {
        reason: CREATION.to_owned(),
        message: format!(
            "step `{container}` has neither `script` nor `command`, and what image {image} would run cannot be found \
             out: {why}; give the step a `command`, or set runner.kubernetes.commands"
        ),
    }
}
