//! Namespaces that are being deleted, and what is in them.

use super::{Collector, PAGE};
use crate::namespaces::namespace_key;
use crate::{Error, Key, Propagation};

impl Collector<'_> {
    /// Deletes all that is in a namespace; true when nothing is left.
    pub(super) async fn delete_content(&self, namespace: &str) -> Result<bool, Error> {
        // What was created before the mark and is not in the index yet must be seen too.
        self.0.inner.reach_leader().await?;
        let mut after = None;
        loop {
            let part = self.0.inner.index().content(namespace, after.as_ref(), PAGE);
            for key in &part.keys {
                let known = self.0.inner.index().get(key);
                if let Some(known) = known.filter(|known| !known.deleting) {
                    self.remove(key, &known.uid.to_string(), Propagation::Background)
                        .await?;
                }
            }
            after = part.next;
            if after.is_none() {
                return Ok(self.0.inner.index().is_empty(namespace));
            }
        }
    }

    /// Lets a namespace go when the last of its content has gone.
    pub(super) async fn empty_namespace(&self, namespace: &str) -> Result<(), Error> {
        let dying = {
            let index = self.0.inner.index();
            let known = index.get(&namespace_key(namespace));
            known.is_some_and(|known| known.deleting) && index.is_empty(namespace)
        };
        if dying {
            self.advance(&namespace_key(namespace)).await?;
        }
        Ok(())
    }

    pub(super) fn in_dying_namespace(&self, key: &Key) -> bool {
        if key.namespace.is_empty() || !self.0.inner.options.own_namespaces {
            return false;
        }
        let known = self.0.inner.index().get(&namespace_key(&key.namespace));
        known.is_some_and(|known| known.deleting)
    }
}
