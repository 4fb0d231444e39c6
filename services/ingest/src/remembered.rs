//! `EventListener`s as they were last read.
//!
//! To read one is a good part of what it costs to take an event in, and a forge sends to the same one again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tidemill_objects::{Key, Objects};
use tidemill_resources::Kind;
use tidemill_triggers::Listener;

use crate::Error;

/// So many are remembered; where there are more, all are read anew.
const LISTENERS_MAX: usize = 256;

/// What was read, with the version of its object.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<HashMap<Key, (u64, Arc<Listener>)>>);

impl Remembered {
    /// The listener `name` as the index has it; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Body`] if it cannot be read; what the store says.
    pub(crate) async fn listener(
        &self,
        objects: &Objects,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Listener>>, Error> {
        let Some(kind) = Kind::by_resource("triggers.tekton.dev", "eventlisteners") else {
            return Ok(None);
        };
        let key = Key::new(kind, namespace, name);
        let version = objects.known(&key).map(|known| known.sequence);
        if let Some(listener) = version.and_then(|version| self.get(&key, version)) {
            return Ok(Some(listener));
        }
        let Some(object) = objects.indexed(&key).await? else {
            return Ok(None);
        };
        let listener = Arc::new(Listener::read(&object).map_err(Error::Body)?);
        if let Some(version) = version {
            self.keep(key, version, &listener);
        }
        Ok(Some(listener))
    }

    fn get(&self, key: &Key, version: u64) -> Option<Arc<Listener>> {
        let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, listener) = listeners.get(key)?;
        (*known == version).then(|| Arc::clone(listener))
    }

    /// What was read may be newer than `version`: then it is read again.
    fn keep(&self, key: Key, version: u64, listener: &Arc<Listener>) {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if listeners.len() >= LISTENERS_MAX {
            listeners.clear();
        }
        listeners.insert(key, (version, Arc::clone(listener)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidemill_bus::{Memory, layout};
    use tidemill_objects::{DeleteOptions, Options, Part, WriteOptions};

    use super::*;

    #[tokio::test]
    async fn a_listener_is_read_once_and_again_when_it_has_changed() {
        let memory = Memory::default();
        layout::ensure(&memory.connect(), &layout::Limits::default())
            .await
            .unwrap();
        let objects = Objects::start(memory.connect(), Options::default()).await.unwrap();
        objects.ready().await.unwrap();
        let kind = Kind::by_resource("triggers.tekton.dev", "eventlisteners").unwrap();
        let key = Key::new(kind, "default", "git");
        let listener = |trigger: &str| {
            json!({"apiVersion": "triggers.tekton.dev/v1beta1", "kind": "EventListener", "metadata": {"name": "git"},
                "spec": {"triggers": [{"name": trigger, "template": {"ref": "deploy"}}]}})
        };
        let remembered = Remembered::default();
        objects
            .create_with(listener("one"), WriteOptions::default())
            .await
            .unwrap();
        objects.catch_up().await.unwrap();
        let first = remembered.listener(&objects, "default", "git").await.unwrap().unwrap();
        let again = remembered.listener(&objects, "default", "git").await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let changed = objects
            .update_with(listener("two"), Part::Main, WriteOptions::default())
            .await;
        changed.unwrap();
        objects.catch_up().await.unwrap();
        let second = remembered.listener(&objects, "default", "git").await.unwrap().unwrap();
        assert_eq!(second.spec.triggers[0].name, "two");
        objects.delete(&key, &DeleteOptions::default()).await.unwrap();
        objects.catch_up().await.unwrap();
        assert!(remembered.listener(&objects, "default", "git").await.unwrap().is_none());
    }
}
