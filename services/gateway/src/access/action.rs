//! What somebody wants to do.

use axum::http::Method;

use crate::query::Parameters;
use crate::route::Target;
use crate::status::Refusal;

/// A verb on objects, or on a path that is none of an object's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Action {
    /// `get`, `list`, `create` and so on.
    pub(crate) verb: String,
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    /// Empty: of the cluster, or all namespaces.
    pub(crate) namespace: String,
    /// Empty: any.
    pub(crate) name: String,
    /// Set for what is no resource.
    pub(crate) path: String,
}

impl Action {
    /// What a request on objects does.
    ///
    /// # Errors
    /// 400 for parameters that cannot be read.
    pub(crate) fn of(method: &Method, target: &Target, parameters: &Parameters) -> Result<Self, Refusal> {
        let named = target.name.is_some();
        let verb = match *method {
            Method::GET | Method::HEAD if named => "get",
            Method::GET | Method::HEAD if parameters.flag("watch")? => "watch",
            Method::GET | Method::HEAD => "list",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if named => "delete",
            Method::DELETE => "deletecollection",
            _ => return Err(Refusal::method()),
        };
        // A list of the one object of that name is like getting it.
        let selected = parameters.text("fieldSelector").strip_prefix("metadata.name=");
        let name = target.name.as_deref().or(selected.filter(|name| !name.contains(',')));
        Ok(Self {
            verb: verb.to_owned(),
            group: target.kind.group.to_owned(),
            resource: target.kind.plural.to_owned(),
            subresource: target.subresource.clone().unwrap_or_default(),
            namespace: target.namespace.clone().unwrap_or_default(),
            name: name.unwrap_or_default().to_owned(),
            path: String::new(),
        })
    }

    /// A verb on a resource.
    pub(crate) fn on(verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Self {
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// `pipelineruns.tekton.dev`, `pods`; with the name of the object if one is named.
    pub(crate) fn whole_name(&self) -> String {
        let mut text = self.resource.clone();
        for part in [self.group.as_str()].iter().filter(|part| !part.is_empty()) {
            text = format!("{text}.{part}");
        }
        if self.name.is_empty() {
            text
        } else {
            format!("{text} \"{}\"", self.name)
        }
    }

    /// `pods/log`, `pods`.
    pub(crate) fn whole_resource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}
