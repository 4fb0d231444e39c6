//! Whether an object of these kinds is in order, beyond what admission checks of every kind.

mod listener;
mod template;
mod trigger;

use serde::de::DeserializeOwned;
use tidemill_resources::path::At;
use tidemill_resources::{Object, Problem, Problems};

use crate::kinds::{BindingSpec, InterceptorSpec, ListenerSpec, TemplateSpec, TriggerSpec, read_spec};
use crate::names::ANNOTATION_SUBJECT;
use crate::schedule::Schedule;

/// Longest subject that feeds a listener, in bytes.
const SUBJECT_BYTES_MAX: usize = 512;

/// Everything wrong with an object of `triggers.tekton.dev`; nothing for other kinds.
///
/// Unknown fields are warnings. It adds to what
/// [`admit`](tidemill_resources::admit) finds, which is metadata.
#[must_use]
pub fn validate(object: &Object) -> Vec<Problem> {
    let mut problems = Problems::default();
    if !object.api_version.starts_with("triggers.tekton.dev/") {
        return Vec::new();
    }
    match object.kind.as_str() {
        "EventListener" => {
            if let Some(spec) = read::<ListenerSpec>(object, &mut problems) {
                listener::check(object, &spec, &mut problems);
                schedule(object, &mut problems);
                subject(object, &mut problems);
            }
        }
        "Trigger" => {
            if let Some(spec) = read::<TriggerSpec>(object, &mut problems) {
                trigger::check(&spec, false, At::ROOT.key("spec"), &mut problems);
            }
        }
        "TriggerBinding" | "ClusterTriggerBinding" => {
            if let Some(spec) = read::<BindingSpec>(object, &mut problems) {
                trigger::binding(&spec, At::ROOT.key("spec"), &mut problems);
            }
        }
        "TriggerTemplate" => {
            if let Some(spec) = read::<TemplateSpec>(object, &mut problems) {
                template::check(&spec, At::ROOT.key("spec"), &mut problems);
            }
        }
        "ClusterInterceptor" | "Interceptor" => {
            if let Some(spec) = read::<InterceptorSpec>(object, &mut problems) {
                interceptor(&spec, &mut problems);
            }
        }
        _ => {}
    }
    problems.into_vec()
}

fn read<S: Default + DeserializeOwned>(object: &Object, problems: &mut Problems) -> Option<S> {
    read_spec(object, false, problems)
}

fn schedule(object: &Object, problems: &mut Problems) {
    let annotations = object.metadata.annotations.iter().flatten();
    let annotations = annotations.map(|(key, value)| (key.as_str(), value.as_str()));
    if let Err(error) = Schedule::of(annotations) {
        let (metadata, annotations) = (At::ROOT.key("metadata"), "annotations");
        problems.add(Problem::error(metadata.key(annotations), error.to_string()));
    }
}

/// A subject of events, as NATS has them: tokens, of which `*` is any and a last `>` any number.
fn subject(object: &Object, problems: &mut Problems) {
    let annotation = object.metadata.annotations.as_ref();
    let Some(subject) = annotation.and_then(|all| all.get(ANNOTATION_SUBJECT)) else {
        return;
    };
    let tokens: Vec<&str> = subject.split('.').collect();
    let is_token = |(index, token): (usize, &&str)| match *token {
        "*" => true,
        ">" => index + 1 == tokens.len(),
        token => !token.is_empty() && !token.contains(['*', '>']) && !token.contains(char::is_whitespace),
    };
    let is_known = matches!(tokens[..], ["release" | "cloudevent", _, ..]);
    if !is_known || subject.len() > SUBJECT_BYTES_MAX || !tokens.iter().enumerate().all(is_token) {
        let at = At::ROOT.key("metadata");
        let problem = Problem::error(
            at.key("annotations"),
            format!("{ANNOTATION_SUBJECT}: {subject:?} is no subject"),
        );
        problems.add(problem.expected("one such as release.> or cloudevent.*.pipelinerun.*.failed"));
    }
}

fn interceptor(spec: &InterceptorSpec, problems: &mut Problems) {
    let config = &spec.client_config;
    let (at, field) = (At::ROOT.key("spec"), "clientConfig");
    match (&config.url, &config.service) {
        (None, None) => {
            problems.add(Problem::error(at.key(field), "says no address").expected("url or service"));
        }
        (None, Some(service)) if service.name.is_empty() || service.namespace.is_empty() => {
            let at = at.key(field);
            problems.add(Problem::error(at.key("service"), "is incomplete").expected("name and namespace"));
        }
        _ => {}
    }
}

/// Whether a text can be a label's value.
fn is_label_value(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    bytes.len() <= 63
        && bytes.iter().all(|byte| inner(*byte))
        && ends.into_iter().flatten().all(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests;
