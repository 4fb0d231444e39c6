//! Which objects a list or watch is about.

mod field;
mod label;

pub use field::FieldSelector;
pub use label::{LabelSelector, Requirement};

use crate::Error;

/// A resource, a namespace or all of them, and selectors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    /// API group; empty for the core group.
    pub group: String,
    /// Plural name.
    pub resource: String,
    /// Only this namespace; `None` = all, and for objects of the cluster.
    pub namespace: Option<String>,
    /// Labels they must have.
    pub labels: LabelSelector,
    /// Fields they must have.
    pub fields: FieldSelector,
}

impl Scope {
    /// All objects of a resource, in one namespace or in all.
    pub fn new(group: &str, resource: &str, namespace: Option<&str>) -> Self {
        Self {
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
            ..Self::default()
        }
    }

    /// The same with selectors in Kubernetes' notation; empty texts select everything.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a selector that cannot be read or a field that cannot be selected.
    pub fn select(mut self, labels: &str, fields: &str) -> Result<Self, Error> {
        self.labels = labels.parse()?;
        self.fields = FieldSelector::parse(fields, &self.group, &self.resource)?;
        Ok(self)
    }

    /// Whether everything of the resource and namespace is meant.
    pub(crate) fn is_plain(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object matches as far as the index can tell (all but fields of the body).
    pub(crate) fn matches<T: AsRef<str>>(
        &self,
        namespace: &str,
        name: &str,
        label: impl Fn(&str) -> Option<T>,
    ) -> bool {
        self.namespace.as_ref().is_none_or(|wanted| wanted == namespace)
            && self.fields.matches_key(namespace, name)
            && self.labels.matches(label)
    }
}
