//! The records as they are now, as far as they were seen.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidemill_messages::{ReleaseName, ReleaseStatus};

use crate::record::Head;

/// The records by UID.
#[derive(Default)]
pub(crate) struct Current {
    heads: Mutex<HashMap<String, Head>>,
}

impl Current {
    /// What a list of a namespace (`None`: of all) shows.
    pub(crate) fn replace(&self, namespace: Option<&str>, heads: &[Head]) {
        let mut known = self.lock();
        known.retain(|_, head| namespace.is_some_and(|namespace| head.release.namespace != namespace));
        known.extend(heads.iter().map(|head| (head.uid.clone(), head.clone())));
    }

    pub(crate) fn insert(&self, head: &Head) {
        self.lock().insert(head.uid.clone(), head.clone());
    }

    pub(crate) fn remove(&self, head: &Head) {
        self.lock().remove(&head.uid);
    }

    /// The revision in force of each release.
    pub(crate) fn deployed(&self) -> Vec<Head> {
        let known = self.lock();
        let mut last: HashMap<&ReleaseName, &Head> = HashMap::new();
        for head in known.values().filter(|head| head.status == ReleaseStatus::Deployed) {
            let kept = last.entry(&head.release).or_insert(head);
            if kept.revision < head.revision {
                *kept = head;
            }
        }
        last.into_values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Head>> {
        // Nothing that holds the lock can panic half-way.
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
