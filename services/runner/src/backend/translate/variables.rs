//! Variables of a container, in the order Kubernetes has them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVarSource, ObjectFieldSelector, Pod};
use tidemill_messages::sandbox::Variable;

use super::expand::expand;
use super::{Sources, config_error};
use crate::backend::Error;

/// The variables of `container`; the last of a name counts. What came from Secrets is noted in
/// `sources`.
pub(in crate::backend) async fn variables(
    pod: &Pod,
    container: &Container,
    sources: &mut Sources<'_>,
) -> Result<Vec<Variable>, Error> {
    let mut known: Vec<Variable> = Vec::new();
    for from in container.env_from.iter().flatten() {
        known.extend(all_of(from, &container.name, sources).await?);
    }
    for variable in container.env.iter().flatten() {
        let value = match &variable.value_from {
            Some(from) => one_of(pod, from, &container.name, &variable.name, sources).await?,
            None => Some(expand(variable.value.as_deref().unwrap_or_default(), |name| {
                value_of(&known, name)
            })),
        };
        known.extend(value.map(|value| Variable {
            name: variable.name.clone(),
            value,
        }));
    }
    Ok(known)
}

/// The value a variable has so far.
pub(in crate::backend) fn value_of<'a>(known: &'a [Variable], name: &str) -> Option<&'a str> {
    known
        .iter()
        .rev()
        .find(|variable| variable.name == name)
        .map(|variable| variable.value.as_str())
}

async fn all_of(from: &EnvFromSource, container: &str, sources: &mut Sources<'_>) -> Result<Vec<Variable>, Error> {
    let prefix = from.prefix.as_deref().unwrap_or_default();
    let data = if let Some(secret) = &from.secret_ref {
        sources
            .secret(&secret.name, secret.optional == Some(true), container)
            .await?
    } else if let Some(map) = &from.config_map_ref {
        sources
            .config_map(&map.name, map.optional == Some(true), container)
            .await?
    } else {
        None
    };
    let data = data.unwrap_or_default();
    Ok(data
        .iter()
        .map(|(key, value)| Variable {
            name: format!("{prefix}{key}"),
            value: String::from_utf8_lossy(value).into_owned(),
        })
        .collect())
}

async fn one_of(
    pod: &Pod,
    from: &EnvVarSource,
    container: &str,
    variable: &str,
    sources: &mut Sources<'_>,
) -> Result<Option<String>, Error> {
    let (data, kind, name, key, optional) = if let Some(of) = &from.secret_key_ref {
        let optional = of.optional == Some(true);
        (
            sources.secret(&of.name, optional, container).await?,
            "Secret",
            &of.name,
            &of.key,
            optional,
        )
    } else if let Some(of) = &from.config_map_key_ref {
        let optional = of.optional == Some(true);
        (
            sources.config_map(&of.name, optional, container).await?,
            "ConfigMap",
            &of.name,
            &of.key,
            optional,
        )
    } else if let Some(field) = &from.field_ref {
        return field_of(pod, field).map(Some);
    } else {
        return Err(config_error(format!(
            "variable {variable} of container {container} has a source this backend does not know; it knows \
             secretKeyRef, configMapKeyRef and fieldRef"
        )));
    };
    match data.as_ref().and_then(|data| data.get(key)) {
        Some(value) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
        None if optional => Ok(None),
        None => Err(config_error(format!(
            "variable {variable} of container {container} wants key `{key}` of {kind} \"{name}\", which has none"
        ))),
    }
}

/// A field of the pod.
pub(in crate::backend) fn field_of(pod: &Pod, field: &ObjectFieldSelector) -> Result<String, Error> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    let path = field.field_path.as_str();
    let value = match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "metadata.labels" => Some(lines(meta.labels.as_ref())),
        "metadata.annotations" => Some(lines(meta.annotations.as_ref())),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()),
        "status.podIP" | "status.hostIP" => Some("127.0.0.1".to_owned()),
        _ => match (entry(path, "metadata.labels"), entry(path, "metadata.annotations")) {
            (Some(key), _) => meta.labels.as_ref().and_then(|all| all.get(key).cloned()),
            (_, Some(key)) => meta.annotations.as_ref().and_then(|all| all.get(key).cloned()),
            _ => {
                return Err(config_error(format!(
                    "`{path}` is no field of a pod that a container can get"
                )));
            }
        },
    };
    Ok(value.unwrap_or_default())
}

/// `key` of `<field>['key']`.
fn entry<'a>(path: &'a str, field: &str) -> Option<&'a str> {
    path.strip_prefix(field)?.strip_prefix("['")?.strip_suffix("']")
}

fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let lines = map.into_iter().flatten().map(|(key, value)| format!("{key}={value:?}"));
    lines.collect::<Vec<_>>().join("\n")
}
