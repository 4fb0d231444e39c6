//! Interceptors and their use.

use serde_json::{Map, Value};
use tidemill_resources::Param;

record! {
    /// Use of an interceptor by a trigger.
    pub struct InterceptorUse {
        /// Name of this use.
        pub name: Option<String>,
        /// The interceptor.
        #[serde(rename = "ref")]
        pub reference: InterceptorRef,
        /// What it is told.
        pub params: Vec<InterceptorParam>,
        /// A service that is asked in the way of old.
        pub webhook: Option<Webhook>,
        /// Of v1alpha1: parameters of `github`.
        pub github: Option<Value>,
        /// Of v1alpha1: parameters of `gitlab`.
        pub gitlab: Option<Value>,
        /// Of v1alpha1: parameters of `bitbucket`.
        pub bitbucket: Option<Value>,
        /// Of v1alpha1: parameters of `cel`.
        pub cel: Option<Value>,
    }

    /// Which interceptor.
    pub struct InterceptorRef {
        /// Name.
        pub name: String,
        /// ClusterInterceptor, the default, or NamespacedInterceptor.
        pub kind: String,
        /// Version.
        pub api_version: String,
    }

    /// One thing an interceptor is told.
    pub struct InterceptorParam {
        /// Name.
        pub name: String,
        /// Any JSON.
        pub value: Value,
    }

    /// A service that answers with the event it makes of an event.
    pub struct Webhook {
        /// A Service of the cluster.
        pub object_ref: Option<ObjectReference>,
        /// Its address instead.
        pub url: Option<String>,
        /// Headers added to the request.
        pub header: Vec<Param>,
    }

    /// An object that is meant.
    pub struct ObjectReference {
        /// Kind, `Service`.
        pub kind: String,
        /// Name.
        pub name: String,
        /// Namespace.
        pub namespace: String,
        /// Version, `v1`.
        pub api_version: String,
    }

    /// Spec of a ClusterInterceptor or Interceptor.
    pub struct InterceptorSpec {
        /// How to reach it.
        pub client_config: ClientConfig,
    }

    /// How an interceptor is reached.
    pub struct ClientConfig {
        /// Its address.
        pub url: Option<String>,
        /// The Service in front of it.
        pub service: Option<ServiceReference>,
        /// Certificates to trust, PEM in base64.
        pub ca_bundle: String,
    }

    /// A Service.
    pub struct ServiceReference {
        /// Name.
        pub name: String,
        /// Namespace.
        pub namespace: String,
        /// Path of its address.
        pub path: String,
        /// Port.
        pub port: Option<u16>,
    }
}

impl InterceptorUse {
    /// The parameters of v1alpha1, under the name of the interceptor they are for.
    #[must_use]
    pub fn inline(&self) -> Vec<(&'static str, &Value)> {
        let all = [
            ("github", &self.github),
            ("gitlab", &self.gitlab),
            ("bitbucket", &self.bitbucket),
            ("cel", &self.cel),
        ];
        all.into_iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)))
            .collect()
    }

    /// Name of the interceptor that is meant; empty for a webhook.
    #[must_use]
    pub fn interceptor(&self) -> &str {
        match self.inline().first() {
            Some((name, _)) if self.reference.name.is_empty() => name,
            _ => &self.reference.name,
        }
    }

    /// What the interceptor is told.
    #[must_use]
    pub fn parameters(&self) -> Map<String, Value> {
        if self.reference.name.is_empty()
            && let Some((_, Value::Object(fields))) = self.inline().first()
        {
            return fields.clone();
        }
        self.params
            .iter()
            .map(|param| (param.name.clone(), param.value.clone()))
            .collect()
    }

    /// What people call this use: its own name, else the interceptor's.
    #[must_use]
    pub fn label(&self) -> &str {
        match &self.name {
            Some(name) if !name.is_empty() => name,
            _ if self.webhook.is_some() => "webhook",
            _ => self.interceptor(),
        }
    }
}
