//! Triggers with their bindings and interceptors.

use std::collections::BTreeSet;

use tidemill_resources::path::At;
use tidemill_resources::{Problem, Problems};

use super::{is_label_value, template};
use crate::event::canonical;
use crate::expr;
use crate::kinds::{BindingSpec, BindingUse, InterceptorUse, TemplateUse, TriggerSpec, Webhook};
use crate::path::JsonPath;
use crate::path::span::{Piece, pieces};

/// Checks a trigger; one in a listener may name a Trigger instead.
pub(super) fn check(spec: &TriggerSpec, in_listener: bool, at: At<'_>, problems: &mut Problems) {
    if !is_label_value(&spec.name) {
        problems.add(
            Problem::error(at.key("name"), format!("{:?} cannot be a label's value", spec.name))
                .expected("at most 63 letters, digits, and inner dashes, dots and underscores"),
        );
    }
    let names_other = !spec.trigger_ref.is_empty();
    match (&spec.template, names_other) {
        (None, false) => {
            let expected = if in_listener {
                "template or triggerRef"
            } else {
                "template"
            };
            problems.add(Problem::error(at, "makes nothing").expected(expected));
        }
        (_, true) if !in_listener => {
            problems.add(Problem::error(at.key("triggerRef"), "stands in a Trigger").expected("template"));
        }
        (template, true) if template.is_some() || !spec.bindings.is_empty() || !spec.interceptors.is_empty() => {
            problems.add(
                Problem::error(at.key("triggerRef"), "stands beside what it would replace")
                    .expected("triggerRef, or template with bindings and interceptors"),
            );
        }
        (Some(used), _) => used_template(used, at.key("template"), problems),
        _ => {}
    }
    let bindings = at.key("bindings");
    for (index, one) in spec.bindings.iter().enumerate() {
        used_binding(one, bindings.index(index), problems);
    }
    twice(
        spec.bindings.iter().map(|binding| binding.name.as_str()),
        bindings,
        problems,
    );
    let interceptors = at.key("interceptors");
    for (index, one) in spec.interceptors.iter().enumerate() {
        interceptor(one, interceptors.index(index), problems);
    }
}

/// Checks the parameters of a TriggerBinding.
pub(super) fn binding(spec: &BindingSpec, at: At<'_>, problems: &mut Problems) {
    let params = at.key("params");
    for (index, param) in spec.params.iter().enumerate() {
        let at = params.index(index);
        if param.name.is_empty() {
            problems.add(Problem::error(at.key("name"), "is missing"));
        }
        value(&param.value, at.key("value"), problems);
    }
    twice(spec.params.iter().map(|param| param.name.as_str()), params, problems);
}

/// Checks a use of an interceptor.
pub(super) fn interceptor(used: &InterceptorUse, at: At<'_>, problems: &mut Problems) {
    let inline = used.inline();
    let ways = inline.len() + usize::from(used.webhook.is_some()) + usize::from(!used.reference.name.is_empty());
    if ways != 1 {
        let message = if ways == 0 {
            "names no interceptor"
        } else {
            "names several interceptors"
        };
        problems.add(Problem::error(at, message).expected("one of ref, webhook, github, gitlab, bitbucket or cel"));
        return;
    }
    if let Some(webhook) = &used.webhook {
        check_webhook(webhook, at.key("webhook"), problems);
    }
    let kind = used.reference.kind.as_str();
    if !matches!(
        kind,
        "" | "ClusterInterceptor" | "NamespacedInterceptor" | "Interceptor"
    ) {
        let at = at.key("ref");
        problems.add(
            Problem::error(at.key("kind"), format!("{kind:?} is no kind of interceptor"))
                .expected("ClusterInterceptor or NamespacedInterceptor"),
        );
    }
    if used.interceptor() == "cel" {
        let at = if inline.is_empty() {
            at.key("params")
        } else {
            at.key("cel")
        };
        for problem in expr::check(&used.parameters()) {
            problems.add(Problem::error(at, problem));
        }
    }
}

fn check_webhook(webhook: &Webhook, at: At<'_>, problems: &mut Problems) {
    match (&webhook.object_ref, &webhook.url) {
        (None, None) => problems.add(Problem::error(at, "says no address").expected("objectRef or url")),
        (Some(object), _) if object.kind != "Service" || object.name.is_empty() => {
            problems.add(Problem::error(at.key("objectRef"), "is no Service").expected("kind: Service and a name"));
        }
        _ => {}
    }
    let headers = at.key("header");
    for (index, header) in webhook.header.iter().enumerate() {
        if header.name.is_empty() || canonical(&header.name) != header.name {
            let at = headers.index(index);
            problems.add(
                Problem::error(at.key("name"), format!("{:?} is not written canonically", header.name))
                    .expected(format!("{:?}", canonical(&header.name))),
            );
        }
    }
}

fn used_binding(used: &BindingUse, at: At<'_>, problems: &mut Problems) {
    let is_named = !used.name.is_empty();
    match (&used.reference, is_named, &used.spec) {
        (reference, true, _) if !reference.is_empty() => {
            problems.add(Problem::error(at, "has both ref and name").expected("one of them"));
        }
        (reference, false, None) if !reference.is_empty() => {
            if !matches!(used.kind.as_str(), "" | "TriggerBinding" | "ClusterTriggerBinding") {
                problems.add(
                    Problem::error(at.key("kind"), format!("{:?} is no kind of binding", used.kind))
                        .expected("TriggerBinding or ClusterTriggerBinding"),
                );
            }
        }
        (_, true, None) => match &used.value {
            Some(text) => value(text, at.key("value"), problems),
            None => problems.add(Problem::error(at.key("value"), "is missing").expected("a text, which may be empty")),
        },
        (_, false, Some(spec)) => binding(spec, at.key("spec"), problems),
        _ => problems.add(Problem::error(at, "binds nothing").expected("ref, name with value, or spec")),
    }
}

fn used_template(used: &TemplateUse, at: At<'_>, problems: &mut Problems) {
    match (used.named(), &used.spec) {
        (Some(_), Some(_)) => problems.add(Problem::error(at, "has both ref and spec").expected("one of them")),
        (None, None) => problems.add(Problem::error(at, "names no template").expected("ref or spec")),
        (None, Some(spec)) => template::check(spec, at.key("spec"), problems),
        (Some(_), None) => {}
    }
    if !matches!(used.apiversion.as_str(), "" | "v1beta1" | "v1alpha1")
        && !used.apiversion.starts_with("triggers.tekton.dev/")
    {
        problems.add(
            Problem::error(at.key("apiversion"), format!("{:?} is not served", used.apiversion))
                .expected("v1beta1 or v1alpha1"),
        );
    }
}

/// Checks the paths in a value.
fn value(text: &str, at: At<'_>, problems: &mut Problems) {
    for piece in pieces(text) {
        let Piece::Expression(expression) = piece else { continue };
        if let Err(fault) = JsonPath::read(expression) {
            problems.add(
                Problem::error(at, format!("$({expression}): {fault}"))
                    .expected("a path such as $(body.repository.name)"),
            );
        }
    }
}

/// Tells names that stand twice; absent ones do not count.
pub(super) fn twice<'a>(names: impl Iterator<Item = &'a str>, at: At<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !name.is_empty() && !seen.insert(name) {
            let at = at.index(index);
            problems.add(Problem::error(
                at.key("name"),
                format!("parameter {name:?} stands twice"),
            ));
        }
    }
}
