//! EventListener.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use tidemill_resources::path::At;
use tidemill_resources::{Object, Problem, Problems};

use super::trigger;
use crate::evaluate::TRIGGERS_MAX;
use crate::kinds::{ListenerSpec, TriggerGroup};
use crate::names::LISTENER_NAME_MAX;

const OPERATORS: &[&str] = &["In", "NotIn", "Exists", "DoesNotExist"];

pub(super) fn check(object: &Object, spec: &ListenerSpec, problems: &mut Problems) {
    let name = object.name();
    if name.len() > LISTENER_NAME_MAX {
        let at = At::ROOT.key("metadata");
        problems.add(
            Problem::error(at.key("name"), format!("a name of {} characters", name.len()))
                .expected(format!("at most {LISTENER_NAME_MAX}: its Service is called el-<name>")),
        );
    }
    let at = At::ROOT.key("spec");
    let none = spec.triggers.is_empty()
        && spec.trigger_groups.is_empty()
        && spec.label_selector.is_none()
        && spec.namespace_selector.match_names.is_empty();
    if none {
        problems.add(
            Problem::error(at, "has no trigger")
                .expected("triggers, triggerGroups, labelSelector or namespaceSelector"),
        );
    }
    if spec.triggers.len() > TRIGGERS_MAX {
        problems.add(
            Problem::error(at.key("triggers"), format!("{} triggers", spec.triggers.len()))
                .expected(format!("at most {TRIGGERS_MAX}")),
        );
    }
    let triggers = at.key("triggers");
    for (index, one) in spec.triggers.iter().enumerate() {
        trigger::check(one, true, triggers.index(index), problems);
    }
    let groups = at.key("triggerGroups");
    for (index, group) in spec.trigger_groups.iter().enumerate() {
        check_group(group, groups.index(index), problems);
    }
    selector(spec.label_selector.as_ref(), at, problems);
}

fn check_group(group: &TriggerGroup, at: At<'_>, problems: &mut Problems) {
    let by = &group.trigger_selector;
    if by.label_selector.is_none() && by.namespace_selector.match_names.is_empty() {
        problems.add(
            Problem::error(at.key("triggerSelector"), "selects nothing").expected("labelSelector or namespaceSelector"),
        );
    }
    let interceptors = at.key("interceptors");
    if group.interceptors.is_empty() {
        problems.add(Problem::error(interceptors, "is missing").expected("at least one interceptor"));
    }
    for (index, interceptor) in group.interceptors.iter().enumerate() {
        trigger::interceptor(interceptor, interceptors.index(index), problems);
    }
    selector(by.label_selector.as_ref(), at.key("triggerSelector"), problems);
}

fn selector(selector: Option<&LabelSelector>, at: At<'_>, problems: &mut Problems) {
    let at = at.key("labelSelector");
    let rules = at.key("matchExpressions");
    let expressions = selector.and_then(|selector| selector.match_expressions.as_deref());
    for (index, rule) in expressions.unwrap_or_default().iter().enumerate() {
        let at = rules.index(index);
        let has_values = rule.values.as_ref().is_some_and(|values| !values.is_empty());
        if !OPERATORS.contains(&rule.operator.as_str()) {
            problems.add(
                Problem::error(at.key("operator"), format!("{:?} is not an operator", rule.operator))
                    .expected("In, NotIn, Exists or DoesNotExist"),
            );
        } else if has_values != matches!(rule.operator.as_str(), "In" | "NotIn") {
            let expected = if has_values { "no values" } else { "at least one value" };
            problems
                .add(Problem::error(at.key("values"), format!("do not go with {}", rule.operator)).expected(expected));
        }
    }
}
