//! The kinds of `triggers.tekton.dev`, as far as they are acted on.

mod interceptor;
mod trigger;

pub use interceptor::{
    ClientConfig, InterceptorParam, InterceptorRef, InterceptorSpec, InterceptorUse, ObjectReference, ServiceReference,
    Webhook,
};
pub use trigger::{
    BindingParam, BindingSpec, BindingUse, ListenerSpec, NamespaceSelector, TemplateParam, TemplateSpec, TemplateUse,
    TriggerGroup, TriggerSelector, TriggerSpec,
};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use tidemill_resources::decode::decode;
use tidemill_resources::{Object, ObjectMeta, Problems};

use crate::Error;
use crate::names::ANNOTATION_PAYLOAD_VALIDATION;

/// An object of one of these kinds: its metadata and its spec.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resource<S> {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: S,
}

/// An EventListener.
pub type Listener = Resource<ListenerSpec>;
/// A Trigger.
pub type Trigger = Resource<TriggerSpec>;
/// A TriggerBinding or ClusterTriggerBinding.
pub type Binding = Resource<BindingSpec>;
/// A TriggerTemplate.
pub type Template = Resource<TemplateSpec>;
/// A ClusterInterceptor or Interceptor.
pub type Interceptor = Resource<InterceptorSpec>;

/// What is read of a whole object: its spec.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "S: Default + DeserializeOwned")]
struct Whole<S> {
    #[serde(default, rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(default, rename = "kind")]
    _kind: IgnoredAny,
    #[serde(default, rename = "metadata")]
    _metadata: IgnoredAny,
    #[serde(default, rename = "status")]
    _status: IgnoredAny,
    #[serde(default)]
    spec: S,
}

impl<S: Default + DeserializeOwned> Resource<S> {
    /// Reads a stored object, leniently: case of field names and unknown fields do not matter.
    ///
    /// # Errors
    /// [`Error::Unreadable`] naming the first field of a wrong type.
    pub fn read(object: &Object) -> Result<Self, Error> {
        let mut problems = Problems::default();
        let spec = read_spec(object, false, &mut problems);
        spec.map(|spec| Self {
            metadata: object.metadata.clone(),
            spec,
        })
        .ok_or_else(|| Error::Unreadable {
            kind: object.kind.clone(),
            name: object.name().to_owned(),
            problem: problems
                .into_vec()
                .iter()
                .find(|problem| problem.is_error())
                .map(ToString::to_string)
                .unwrap_or_default(),
        })
    }
}

impl<S> Resource<S> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its namespace; empty for objects of the cluster.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// One of its annotations.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

impl Listener {
    /// Whether a body that is no JSON object is refused; see [`Event::read`](crate::Event::read).
    #[must_use]
    pub fn checks_payload(&self) -> bool {
        self.annotation(ANNOTATION_PAYLOAD_VALIDATION) != Some("false")
    }
}

/// The spec of an object; absent when it has faults of type.
pub(crate) fn read_spec<S: Default + DeserializeOwned>(
    object: &Object,
    strict: bool,
    problems: &mut Problems,
) -> Option<S> {
    decode::<Whole<S>>(&object.to_value(), strict, problems).map(|whole| whole.spec)
}
