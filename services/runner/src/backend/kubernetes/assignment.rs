//! What the steps of a pod are told: the plan, the way to their owner, credentials, what to mask.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use tidemill_messages::assignment::Assignment;
use tidemill_messages::envelope::VERSION;
use tidemill_messages::plan::Plan;
use tidemill_messages::sandbox::{Content, Limits};

use super::{Shared, name_of};
use crate::backend::{Error, Lookup, Play};
use crate::credentials::{self, Home};

/// Whether the first step waits until a sidecar is ready.
pub(super) fn is_gated(pod: &Pod) -> bool {
    let sidecars = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    sidecars.into_iter().any(|sidecar| sidecar.readiness_probe.is_some())
}

/// Looks up what the assignment holds.
pub(super) async fn gather(shared: &Shared, play: &Play, pod: &Pod, plan: Plan) -> Result<Assignment, Error> {
    let lookup = shared.lookup.as_ref();
    let (namespace, _) = name_of(pod);
    let account = &play.command.service_account_name;
    let (credentials, (masked, mut notes)) = tokio::try_join!(
        credentials::of(lookup, &namespace, account, Home::Own),
        secret_values(lookup, &namespace, pod)
    )?;
    notes.extend(credentials.notes);
    let settings = &shared.settings;
    Ok(Assignment {
        version: VERSION,
        attempt: play.key.clone(),
        plan,
        line: shared.line.way(&play.key),
        gated: is_gated(pod),
        masked: [masked, credentials.masked].concat(),
        credentials: credentials.files,
        notes,
        limits: Limits {
            log_bytes: settings.log_bytes,
            result_bytes: settings.result_bytes,
            results_bytes: settings.results_bytes,
            kill_grace_ms: settings.kill_grace_ms,
            orphan_s: settings.orphan_s,
        },
    })
}

/// Values of all Secrets the pod names, and a line for each that could not be read: whether it is there
/// is for the kubelet to say.
async fn secret_values(lookup: &dyn Lookup, namespace: &str, pod: &Pod) -> Result<(Vec<Content>, Vec<String>), Error> {
    let mut values = Vec::new();
    let mut notes = Vec::new();
    for name in pod.spec.iter().flat_map(secrets_of).collect::<BTreeSet<_>>() {
        match lookup.secret(namespace, &name).await {
            Ok(data) => values.extend(
                data.into_iter()
                    .flat_map(|data| data.into_values())
                    .map(|value| Content(value.to_vec())),
            ),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                let chain = tidemill_telemetry::Chain(error);
                notes.push(format!("values of Secret \"{name}\" are not masked here: {chain}"));
            }
        }
    }
    Ok((values, notes))
}

fn secrets_of(spec: &PodSpec) -> Vec<String> {
    let containers = || spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let variables = containers().flat_map(|container| container.env.iter().flatten());
    let variables =
        variables.filter_map(|variable| Some(variable.value_from.as_ref()?.secret_key_ref.as_ref()?.name.clone()));
    let whole = containers().flat_map(|container| container.env_from.iter().flatten());
    let whole = whole.filter_map(|from| Some(from.secret_ref.as_ref()?.name.clone()));
    let volumes = || spec.volumes.iter().flatten();
    let mounted = volumes().filter_map(|volume| volume.secret.as_ref()?.secret_name.clone());
    let projected = volumes().filter_map(|volume| volume.projected.as_ref()?.sources.as_ref());
    let projected = projected
        .flatten()
        .filter_map(|source| Some(source.secret.as_ref()?.name.clone()));
    variables.chain(whole).chain(mounted).chain(projected).collect()
}
