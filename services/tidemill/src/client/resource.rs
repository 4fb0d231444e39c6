//! Where an object lies on the server.

use serde_json::Value;
use tidemill_resources::Kind;

use crate::error::Error;

/// A collection, or one object in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Address {
    kind: &'static Kind,
    version: &'static str,
    /// `None`: of the cluster, or of all namespaces.
    namespace: Option<String>,
    /// `None`: the collection.
    pub(crate) name: Option<String>,
}

impl Address {
    /// The collection of `kind`; without a namespace: of all of them.
    pub(crate) fn collection_of(kind: &'static Kind, namespace: Option<&str>) -> Self {
        Self {
            kind,
            version: kind.versions[0],
            namespace: namespace.filter(|_| kind.namespaced).map(str::to_owned),
            name: None,
        }
    }

    /// The object of `kind` with that name.
    pub(crate) fn object(kind: &'static Kind, namespace: &str, name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..Self::collection_of(kind, Some(namespace))
        }
    }

    /// Where `object` belongs, in the version it is written in; `namespace` when it names none.
    ///
    /// # Errors
    /// [`Error::Usage`] when its kind is not known.
    pub(crate) fn of(object: &Value, namespace: &str) -> Result<Self, Error> {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("/apiVersion"), text("/kind"));
        let Some(known) = Kind::of(api_version, kind) else {
            return Err(Error::usage(format!("kind {kind} of {api_version} is not known")));
        };
        let (_, version) = tidemill_resources::kind::split_api_version(api_version);
        let own = Some(text("/metadata/namespace")).filter(|own| !own.is_empty());
        Ok(Self {
            kind: known,
            version: known
                .versions
                .iter()
                .find(|served| **served == version)
                .unwrap_or(&known.versions[0]),
            namespace: Some(own.unwrap_or(namespace))
                .filter(|_| known.namespaced)
                .map(str::to_owned),
            name: Some(text("/metadata/name"))
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
        })
    }

    /// The namespace; `None` for objects of the cluster.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The kind.
    pub(crate) fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// `pipelinerun/name`, for people.
    pub(crate) fn say(&self) -> String {
        format!("{}/{}", self.kind.singular, self.name.as_deref().unwrap_or("?"))
    }

    /// Path of the collection.
    pub(crate) fn collection(&self) -> String {
        let root = match self.kind.group {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match &self.namespace {
            Some(namespace) => format!("{root}/namespaces/{}/{}", encode(namespace), self.kind.plural),
            None => format!("{root}/{}", self.kind.plural),
        }
    }

    /// Path of the object, or of the collection when no name is set.
    pub(crate) fn path(&self) -> String {
        match &self.name {
            Some(name) => format!("{}/{}", self.collection(), encode(name)),
            None => self.collection(),
        }
    }
}

/// Percent-encoded for a path segment or a query value.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidemill_resources::Kind;

    use super::Address;

    #[test]
    fn paths_follow_group_version_and_scope() {
        let run = Kind::by_any_name("pr").unwrap();
        assert_eq!(
            Address::object(run, "ci", "a b").path(),
            "/apis/tekton.dev/v1/namespaces/ci/pipelineruns/a%20b"
        );
        assert_eq!(
            Address::collection_of(run, None).path(),
            "/apis/tekton.dev/v1/pipelineruns"
        );
        let secret = Kind::by_any_name("secret").unwrap();
        assert_eq!(
            Address::object(secret, "ci", "x").path(),
            "/api/v1/namespaces/ci/secrets/x"
        );
    }

    #[test]
    fn an_object_names_its_place() {
        let object = json!({"apiVersion": "tekton.dev/v1beta1", "kind": "Task",
            "metadata": {"name": "a", "namespace": "own"}});
        let address = Address::of(&object, "other").unwrap();
        assert_eq!(address.path(), "/apis/tekton.dev/v1beta1/namespaces/own/tasks/a");
        assert_eq!(address.say(), "task/a");
        let generated =
            json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"generateName": "a-"}});
        assert_eq!(
            Address::of(&generated, "other").unwrap().path(),
            "/apis/tekton.dev/v1/namespaces/other/pipelineruns"
        );
        assert!(Address::of(&json!({"kind": "Odd"}), "other").is_err());
    }
}
