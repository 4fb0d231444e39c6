//! Listener, trigger, binding and template.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;

use super::interceptor::InterceptorUse;

record! {
    /// Spec of an EventListener.
    pub struct ListenerSpec {
        /// Who makes the objects, unless a trigger names another.
        pub service_account_name: String,
        /// Triggers written into the listener, or named by it.
        pub triggers: Vec<TriggerSpec>,
        /// Triggers behind interceptors they share.
        pub trigger_groups: Vec<TriggerGroup>,
        /// Namespaces whose Trigger objects belong to it.
        pub namespace_selector: NamespaceSelector,
        /// Labels of the Trigger objects that belong to it.
        pub label_selector: Option<LabelSelector>,
        /// Deployment and Service; only kept, since no pod is run for a listener.
        pub resources: Option<Value>,
        /// Where events about the processing are sent.
        #[serde(rename = "cloudEventURI")]
        pub cloud_event_uri: String,
        /// Of v1alpha1; only kept.
        pub pod_template: Option<Value>,
        /// Of v1alpha1; only kept.
        pub service_type: Option<Value>,
        /// Of v1alpha1; only kept.
        pub replicas: Option<Value>,
    }

    /// A trigger: in a listener, or spec of a Trigger.
    pub struct TriggerSpec {
        /// Name, a label's value.
        pub name: String,
        /// Where the template's parameters come from.
        pub bindings: Vec<BindingUse>,
        /// What is made.
        pub template: Option<TemplateUse>,
        /// What the event passes first.
        pub interceptors: Vec<InterceptorUse>,
        /// In a listener: name of a Trigger that is meant instead.
        pub trigger_ref: String,
        /// Who makes the objects.
        pub service_account_name: String,
    }

    /// Triggers behind interceptors they share.
    pub struct TriggerGroup {
        /// Name.
        pub name: String,
        /// What the event passes before the triggers see it.
        pub interceptors: Vec<InterceptorUse>,
        /// Which triggers.
        pub trigger_selector: TriggerSelector,
    }

    /// Which Trigger objects are meant.
    pub struct TriggerSelector {
        /// Their namespaces.
        pub namespace_selector: NamespaceSelector,
        /// Their labels.
        pub label_selector: Option<LabelSelector>,
    }

    /// Which namespaces are meant.
    pub struct NamespaceSelector {
        /// Their names; `*` alone is all of them.
        pub match_names: Vec<String>,
    }

    /// One source of parameters: a TriggerBinding, one value, or a binding written out.
    pub struct BindingUse {
        /// Name of the parameter.
        pub name: String,
        /// Value of the parameter; may be empty.
        pub value: Option<String>,
        /// Name of a binding.
        #[serde(rename = "ref")]
        pub reference: String,
        /// TriggerBinding, the default, or ClusterTriggerBinding.
        pub kind: String,
        /// Version of the binding.
        pub apiversion: String,
        /// A binding written out.
        pub spec: Option<BindingSpec>,
    }

    /// Spec of a TriggerBinding.
    pub struct BindingSpec {
        /// The parameters.
        pub params: Vec<BindingParam>,
    }

    /// One parameter of a binding.
    pub struct BindingParam {
        /// Name.
        pub name: String,
        /// Text and `$(JSONPath)`.
        pub value: String,
    }

    /// What is made: a TriggerTemplate or one written out.
    pub struct TemplateUse {
        /// Name of the template.
        #[serde(rename = "ref")]
        pub reference: Option<String>,
        /// Name of the template, as v1alpha1 had it.
        pub name: Option<String>,
        /// Version of the template.
        pub apiversion: String,
        /// A template written out.
        pub spec: Option<TemplateSpec>,
    }

    /// Spec of a TriggerTemplate.
    pub struct TemplateSpec {
        /// Declared parameters.
        pub params: Vec<TemplateParam>,
        /// Objects with `$(tt.params.<name>)` in them.
        pub resourcetemplates: Vec<Value>,
    }

    /// A parameter of a template.
    pub struct TemplateParam {
        /// Name.
        pub name: String,
        /// What it is for.
        pub description: String,
        /// Value if no binding gives one.
        pub default: Option<String>,
    }
}

impl TemplateUse {
    /// Name of the template, if it is not written out.
    #[must_use]
    pub fn named(&self) -> Option<&str> {
        let name = self.reference.as_deref().or(self.name.as_deref());
        name.filter(|name| !name.is_empty())
    }
}
