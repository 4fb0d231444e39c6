//! The APIServices by which kube-apiserver passes requests on to this gateway.
//!
//! Whoever installs makes them, so that they go before the gateway does; it only says in them by which authority
//! it is known.

use k8s_openapi::ByteString;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::Cluster;
use crate::Error;
use crate::discovery::{self, Offer};

/// Annotation of an APIService with the id of the store behind it. Whoever means another removes it.
const STORE: &str = "tidemill.dev/store";

/// What became of the registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Registration {
    /// All APIServices lead here.
    Done,
    /// These are not there.
    Missing(Vec<String>),
}

/// What kube-apiserver has to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own<'a> {
    /// The Service in front, `namespace/name`.
    pub(crate) service: &'a str,
    /// Who signed the gateway's certificate, in PEM; without one that is left to who made the certificate.
    pub(crate) authority: Option<&'a str>,
    /// Id of the store, once it is known.
    pub(crate) store: Option<&'a str>,
}

/// Where an APIService leads.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// With what has to be changed in it.
    Here {
        change: Option<Value>,
    },
    /// What it led to came from the store of this id. Answered from another, all would be gone to the cluster, which
    /// then deletes what it owned: its pods.
    OtherStore(String),
    /// To the custom resources of kube-apiserver itself.
    CustomResources,
    Elsewhere(String),
}

impl Cluster {
    /// Sees to it that kube-apiserver knows the gateway of `own`.
    ///
    /// # Errors
    /// [`Error::CustomResources`] and [`Error::Taken`] when a group belongs to somebody else, [`Error::OtherStore`] when
    /// what was served before came from another store, [`Error::Cluster`].
    pub(crate) async fn register(&self, own: &Own<'_>) -> Result<Registration, Error> {
        let api = Api::<APIService>::all(self.client.clone());
        let mut missing = Vec::new();
        for name in names() {
            let found = api.get_opt(&name).await;
            let found = found.map_err(|source| Error::cluster(format!("read the APIService {name}"), source))?;
            let Some(found) = found else {
                missing.push(name);
                continue;
            };
            match way(&found, own) {
                Way::Here { change: None } => {}
                Way::Here { change: Some(change) } => {
                    let patched = api.patch(&name, &PatchParams::default(), &Patch::Merge(change)).await;
                    patched.map_err(|source| Error::cluster(format!("change the APIService {name}"), source))?;
                    tracing::info!(name, "An APIService knows the gateway now.");
                }
                Way::OtherStore(before) => return Err(Error::OtherStore { name, before }),
                Way::CustomResources => return Err(Error::CustomResources { name }),
                Way::Elsewhere(owner) => {
                    return Err(Error::Taken {
                        name,
                        owner,
                        service: own.service.to_owned(),
                    });
                }
            }
        }
        Ok(if missing.is_empty() {
            Registration::Done
        } else {
            Registration::Missing(missing)
        })
    }
}

/// The APIServices that must be there: one for each group and version.
pub(crate) fn names() -> Vec<String> {
    let all = discovery::group_versions(Offer::Extension).into_iter();
    all.filter(|(group, _)| !group.is_empty())
        .map(|(group, version)| format!("{version}.{group}"))
        .collect()
}

fn way(found: &APIService, own: &Own<'_>) -> Way {
    let spec = found.spec.clone().unwrap_or_default();
    let Some(target) = spec.service else {
        return Way::CustomResources;
    };
    let target = format!(
        "{}/{}",
        target.namespace.unwrap_or_default(),
        target.name.unwrap_or_default()
    );
    if target != own.service {
        return Way::Elsewhere(target);
    }
    let mut change = json!({});
    let annotations = found.metadata.annotations.as_ref();
    let before = annotations
        .and_then(|annotations| annotations.get(STORE))
        .filter(|store| !store.is_empty());
    match (before, own.store) {
        (Some(before), Some(store)) if before != store => return Way::OtherStore(before.clone()),
        (None, Some(store)) => change["metadata"] = json!({"annotations": {STORE: store}}),
        _ => {}
    }
    let bundle = spec.ca_bundle.unwrap_or_default().0;
    if let Some(authority) = own.authority.filter(|authority| bundle != authority.as_bytes()) {
        let bundle = ByteString(authority.as_bytes().to_vec());
        change["spec"] = json!({"caBundle": bundle, "insecureSkipTLSVerify": false});
    }
    Way::Here {
        change: Some(change).filter(|change| *change != json!({})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_seen_to_whom_a_group_belongs() {
        let found = |service: Value, bundle: &str, store: &str| {
            let spec = json!({
                "groupPriorityMinimum": 1, "versionPriority": 1, "service": service, "caBundle": bundle,
            });
            let metadata = json!({"annotations": {STORE: store}});
            let found: APIService = serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap();
            let own = |store| Own {
                service: "tidemill/gateway",
                authority: Some("ca"),
                store,
            };
            (way(&found, &own(None)), way(&found, &own(Some("7"))))
        };
        let here = |change: Value| Way::Here { change: Some(change) };
        let (done, ours) = (
            Way::Here { change: None },
            json!({"namespace": "tidemill", "name": "gateway"}),
        );
        let store = json!({"annotations": {STORE: "7"}});
        assert_eq!(found(ours.clone(), "Y2E=", "7"), (done, Way::Here { change: None }));
        assert_eq!(
            found(ours.clone(), "Y2E=", ""),
            (Way::Here { change: None }, here(json!({"metadata": store})))
        );
        let bundle = json!({"caBundle": "Y2E=", "insecureSkipTLSVerify": false});
        assert_eq!(
            found(ours.clone(), "b2xk", ""),
            (
                here(json!({"spec": bundle})),
                here(json!({"metadata": store, "spec": bundle}))
            )
        );
        assert_eq!(found(ours, "Y2E=", "6").1, Way::OtherStore("6".to_owned()));
        let elsewhere = || Way::Elsewhere("other/gateway".to_owned());
        let other = json!({"namespace": "other", "name": "gateway"});
        assert_eq!(found(other, "Y2E=", "6"), (elsewhere(), elsewhere()));
        assert_eq!(found(json!(null), "", ""), (Way::CustomResources, Way::CustomResources));
    }

    #[test]
    fn each_version_has_a_name() {
        let names = names();
        for name in [
            "v1.tekton.dev",
            "v1beta1.tekton.dev",
            "v1beta1.triggers.tekton.dev",
            "v1.events.tidemill.dev",
        ] {
            assert!(
                names.iter().any(|known| known == name),
                "{name} is missing in {names:?}"
            );
        }
        assert!(!names.iter().any(|name| name.contains("k8s.io")), "{names:?}");
    }
}
