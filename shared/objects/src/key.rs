//! The address of an object.

use tidemill_messages::subject;
use tidemill_resources::{GroupResource, Kind, Object};

use crate::{Cause, Error};

/// Longest name or namespace in bytes, as in Kubernetes.
pub const MAX_NAME_BYTES: usize = 253;

/// Group, resource, namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// API group; empty for the core group.
    pub group: String,
    /// Plural name, such as `pipelineruns`.
    pub resource: String,
    /// Namespace; empty for objects of the cluster.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// The key of an object of `kind`; the namespace is dropped where the kind has none.
    pub fn new(kind: &Kind, namespace: &str, name: &str) -> Self {
        Self {
            group: kind.group.to_owned(),
            resource: kind.plural.to_owned(),
            namespace: if kind.namespaced {
                namespace.to_owned()
            } else {
                String::new()
            },
            name: name.to_owned(),
        }
    }

    /// The key of an object that has a name.
    ///
    /// # Errors
    /// [`Error::BadRequest`] when its kind is not known, [`Error::Invalid`] without a usable name
    /// or namespace.
    pub fn of(object: &Object) -> Result<Self, Error> {
        let kind = known_kind(object)?;
        let key = Self::new(kind, object.namespace(), object.name());
        key.check(kind)?;
        Ok(key)
    }

    /// The kind of its objects.
    pub fn kind(&self) -> Option<&'static Kind> {
        Kind::by_resource(&self.group, &self.resource)
    }

    /// Group and plural name.
    pub fn group_resource(&self) -> GroupResource {
        GroupResource {
            group: self.group.clone(),
            resource: self.resource.clone(),
        }
    }

    /// Its subject in stream `objects`.
    pub fn subject(&self) -> String {
        subject::object(&self.group, &self.resource, &self.namespace, &self.name)
    }

    /// The error that there is no such object.
    pub fn not_found(&self) -> Error {
        Error::NotFound {
            resource: self.group_resource(),
            name: self.name.clone(),
        }
    }

    pub(crate) fn already_exists(&self) -> Error {
        Error::AlreadyExists {
            resource: self.group_resource(),
            name: self.name.clone(),
        }
    }

    pub(crate) fn conflict(&self, message: impl Into<String>) -> Error {
        Error::Conflict {
            resource: self.group_resource(),
            name: self.name.clone(),
            message: message.into(),
        }
    }

    pub(crate) fn forbidden(&self, message: impl Into<String>) -> Error {
        Error::Forbidden {
            resource: self.group_resource(),
            name: self.name.clone(),
            message: message.into(),
        }
    }

    pub(crate) fn invalid(&self, field: &str, message: impl Into<String>) -> Error {
        Error::Invalid {
            group: self.group.clone(),
            kind: self
                .kind()
                .map_or_else(|| self.resource.clone(), |kind| kind.kind.to_owned()),
            name: self.name.clone(),
            causes: vec![Cause {
                field: field.to_owned(),
                reason: "FieldValueInvalid",
                message: message.into(),
            }],
        }
    }

    /// Names become paths and subjects: refuse what cannot.
    fn check(&self, kind: &Kind) -> Result<(), Error> {
        if self.name.is_empty() {
            return Err(self.invalid("metadata.name", "Required value: name or generateName is required"));
        }
        if kind.namespaced && self.namespace.is_empty() {
            return Err(self.invalid("metadata.namespace", "Required value"));
        }
        for (field, value) in [("metadata.name", &self.name), ("metadata.namespace", &self.namespace)] {
            if let Some(fault) = fault_of(value) {
                return Err(self.invalid(field, format!("Invalid value: {value:?}: {fault}")));
            }
        }
        Ok(())
    }
}

/// The kind of an object, or the error that names what is not known.
pub(crate) fn known_kind(object: &Object) -> Result<&'static Kind, Error> {
    object.known_kind().ok_or_else(|| {
        Error::bad_request(format!(
            "no kind {:?} is known in version {:?}",
            object.kind, object.api_version
        ))
    })
}

fn fault_of(name: &str) -> Option<&'static str> {
    if name.len() > MAX_NAME_BYTES {
        return Some("must have at most 253 characters");
    }
    if name == "." || name == ".." {
        return Some("may not be '.' or '..'");
    }
    let usable = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'%');
    if !name.bytes().all(usable) {
        return Some("may have no '/', no '%', no blanks and only ASCII characters");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_paths_are_refused() {
        let kind = Kind::by_any_name("task").unwrap();
        for name in ["", ".", "..", "a/b", "a%2f", "ü", "a b", &"x".repeat(254)] {
            let error = Key::new(kind, "default", name).check(kind).unwrap_err();
            assert_eq!(error.code(), 422, "{name:?}");
        }
        for name in ["a", "a.b-c", "system:admin"] {
            Key::new(kind, "default", name).check(kind).unwrap();
        }
        assert_eq!(Key::new(kind, "", "a").check(kind).unwrap_err().code(), 422);
    }

    #[test]
    fn kinds_of_the_cluster_have_no_namespace() {
        let kind = Kind::by_any_name("namespace").unwrap();
        let key = Key::new(kind, "default", "a");
        assert_eq!(key.namespace, "");
        key.check(kind).unwrap();
    }
}
