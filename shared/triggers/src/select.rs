//! Which triggers a listener has.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};

use crate::kinds::{Listener, NamespaceSelector, Trigger, TriggerSelector};

/// Namespaces whose Trigger objects a listener may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// Only triggers written into the listener, or named by it.
    Nothing,
    /// These namespaces.
    Namespaces(Vec<String>),
    /// Every namespace.
    All,
}

/// The namespaces whose Trigger objects have to be given to [`crate::evaluate()`].
#[must_use]
pub fn reach(listener: &Listener) -> Reach {
    let own = listener.namespace();
    let spec = &listener.spec;
    let selected = spec.label_selector.is_some() || !spec.namespace_selector.match_names.is_empty();
    let groups = spec
        .trigger_groups
        .iter()
        .map(|group| &group.trigger_selector.namespace_selector);
    let selectors = selected.then_some(&spec.namespace_selector).into_iter().chain(groups);
    let mut names: Vec<String> = Vec::new();
    for selector in selectors {
        match namespaces(selector, own) {
            None => return Reach::All,
            Some(more) => names.extend(more),
        }
    }
    names.sort();
    names.dedup();
    if names.is_empty() {
        Reach::Nothing
    } else {
        Reach::Namespaces(names)
    }
}

/// The Trigger objects a listener selects, apart from its groups, in the order they were given.
pub(crate) fn selected<'a>(listener: &'a Listener, triggers: &'a [Trigger]) -> Vec<&'a Trigger> {
    let spec = &listener.spec;
    if spec.label_selector.is_none() && spec.namespace_selector.match_names.is_empty() {
        return Vec::new();
    }
    let selects = |trigger: &&Trigger| {
        in_namespaces(&spec.namespace_selector, listener.namespace(), trigger.namespace())
            && has_labels(spec.label_selector.as_ref(), trigger)
    };
    triggers.iter().filter(selects).collect()
}

/// The Trigger objects a group selects.
pub(crate) fn in_group<'a>(selector: &TriggerSelector, own: &str, triggers: &'a [Trigger]) -> Vec<&'a Trigger> {
    let selects = |trigger: &&Trigger| {
        in_namespaces(&selector.namespace_selector, own, trigger.namespace())
            && has_labels(selector.label_selector.as_ref(), trigger)
    };
    triggers.iter().filter(selects).collect()
}

/// Names of the namespaces; nothing is all of them.
fn namespaces(selector: &NamespaceSelector, own: &str) -> Option<Vec<String>> {
    match selector.match_names.as_slice() {
        [] => Some(vec![own.to_owned()]),
        [star] if star == "*" => None,
        names => Some(names.to_vec()),
    }
}

fn in_namespaces(selector: &NamespaceSelector, own: &str, namespace: &str) -> bool {
    namespaces(selector, own).is_none_or(|names| names.iter().any(|name| name == namespace))
}

fn has_labels(selector: Option<&LabelSelector>, trigger: &Trigger) -> bool {
    let Some(selector) = selector else { return true };
    let value = |key: &str| trigger.metadata.labels.as_ref()?.get(key).map(String::as_str);
    let equal = selector.match_labels.iter().flatten();
    equal.into_iter().all(|(key, wanted)| value(key) == Some(wanted))
        && selector.match_expressions.iter().flatten().all(|rule| {
            let found = value(&rule.key);
            let listed = || {
                let values = rule.values.as_deref().unwrap_or_default();
                found.is_some_and(|found| values.iter().any(|value| value == found))
            };
            match rule.operator.as_str() {
                "In" => listed(),
                "NotIn" => !listed(),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                // Validation refuses other words; one that came through selects nothing.
                _ => false,
            }
        })
}
