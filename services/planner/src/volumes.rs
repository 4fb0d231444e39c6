//! Claims made from a run's volume claim templates.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use tidemill_messages::fact::FactBody;
use tidemill_messages::subject;
use tidemill_objects::{DeleteOptions, Key};
use tidemill_resources::Object;

use crate::Error;
use crate::planner::Planner;
use crate::retry::until_done;

/// A claim as an object of any kind.
pub(crate) fn object(claim: &PersistentVolumeClaim) -> Result<Object, Error> {
    let malformed = |source| tidemill_messages::Error::Malformed {
        subject: claim.metadata.name.clone().unwrap_or_default(),
        expected: "PersistentVolumeClaim",
        source,
    };
    let value = serde_json::to_value(claim).map_err(malformed)?;
    Ok(serde_json::from_value(value).map_err(malformed)?)
}

impl Planner {
    /// Creates a claim; one that is there and ours counts as created. What cannot be created is told
    /// to the run by a fact.
    pub(crate) async fn create_volume(&self, run_uid: &str, claim: &Object, traceparent: &str) -> Result<(), Error> {
        let created = until_done(&self.stopping, || async {
            Ok(self.objects.create(claim.clone()).await?)
        })
        .await;
        let message = match created {
            Ok(_) => return Ok(()),
            Err(Error::Objects(tidemill_objects::Error::AlreadyExists { .. })) => {
                if self.is_ours(run_uid, claim).await? {
                    return Ok(());
                }
                format!("a claim named {:?} exists and belongs to somebody else", claim.name())
            }
            Err(Error::Objects(error)) => error.to_string(),
            Err(error) => return Err(error),
        };
        self.volume_failed(run_uid, claim.name(), message, traceparent).await
    }

    /// Removes a claim; one that is not there counts as removed.
    pub(crate) async fn remove_volume(&self, namespace: &str, claim: &str) -> Result<(), Error> {
        let removed = until_done(&self.stopping, || async {
            let key = claim_key(namespace, claim);
            self.objects.delete(&key, &DeleteOptions::default()).await?;
            Ok(())
        })
        .await;
        match removed {
            Err(Error::Objects(error)) if error.is_not_found() => Ok(()),
            outcome => outcome,
        }
    }

    async fn is_ours(&self, run_uid: &str, claim: &Object) -> Result<bool, Error> {
        let key = claim_key(claim.namespace(), claim.name());
        let found = until_done(&self.stopping, || async { Ok(self.objects.get(&key).await?) }).await?;
        let owners = found.and_then(|object| object.metadata.owner_references);
        Ok(owners.iter().flatten().any(|owner| owner.uid == run_uid))
    }

    async fn volume_failed(&self, run_uid: &str, claim: &str, message: String, traceparent: &str) -> Result<(), Error> {
        let subject = subject::run_fact(run_uid, &format!("volume-{}", subject::token(claim)));
        let body = FactBody::VolumeFailed {
            claim: claim.to_owned(),
            message,
        };
        self.store_fact(subject, body, traceparent).await
    }
}

fn claim_key(namespace: &str, name: &str) -> Key {
    Key {
        group: String::new(),
        resource: "persistentvolumeclaims".to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}
