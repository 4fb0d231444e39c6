//! Reading objects that are plain JSON.

use jiff::Timestamp;
use serde_json::Value;

use crate::output;

/// The text at a JSON pointer, or nothing.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The list at a JSON pointer, or an empty one.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The pairs of a map of texts at a JSON pointer, in order of their keys.
pub(crate) fn pairs<'a>(value: &'a Value, pointer: &str) -> Vec<(&'a str, &'a str)> {
    let map = value.pointer(pointer).and_then(Value::as_object);
    let mut pairs: Vec<_> = map
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
        .collect();
    pairs.sort_unstable();
    pairs
}

/// The time at a JSON pointer.
pub(crate) fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    output::parse(value.pointer(pointer)?)
}

/// Name of the object.
pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// Namespace of the object.
pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// A parameter's or result's value on one line: a text as it is, a list in brackets, else JSON.
pub(crate) fn value_line(value: &Value) -> String {
    match value {
        Value::String(text) => text.replace('\n', "\\n"),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(value_line).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Status, reason and message of a run's condition.
pub(crate) fn condition(run: &Value) -> (&str, &str, &str) {
    (
        text(run, "/status/conditions/0/status"),
        text(run, "/status/conditions/0/reason"),
        text(run, "/status/conditions/0/message"),
    )
}

/// Whether a run is over.
pub(crate) fn is_over(run: &Value) -> bool {
    matches!(condition(run).0, "True" | "False")
}

/// The pipeline task a TaskRun plays; the run's own name when it belongs to no pipeline. A child of
/// a matrix keeps its index.
pub(crate) fn task_of(task_run: &Value) -> String {
    let label = |key: &str| {
        let labels = task_run.pointer("/metadata/labels").and_then(Value::as_object);
        labels
            .and_then(|labels| labels.get(key))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let task = label("tekton.dev/pipelineTask");
    if task.is_empty() {
        return name(task_run).to_owned();
    }
    let tail = name(task_run).rsplit_once(&format!("{task}-")).map(|(_, tail)| tail);
    match tail.filter(|tail| !tail.is_empty() && tail.bytes().all(|byte| byte.is_ascii_digit())) {
        Some(index) => format!("{task}-{index}"),
        None => task.to_owned(),
    }
}

/// The trace id of a run, from its span context.
pub(crate) fn trace_id(run: &Value) -> Option<&str> {
    let traceparent = text(run, "/status/spanContext/traceparent");
    traceparent.split('-').nth(1).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{task_of, trace_id, value_line};

    #[test]
    fn a_matrix_child_keeps_its_index() {
        let run = |name: &str| json!({"metadata": {"name": name, "labels": {"tekton.dev/pipelineTask": "1-clone"}}});
        assert_eq!(task_of(&run("run-1-clone")), "1-clone");
        assert_eq!(task_of(&run("run-1-clone-12")), "1-clone-12");
        assert_eq!(task_of(&json!({"metadata": {"name": "alone"}})), "alone");
    }

    #[test]
    fn values_fit_on_a_line() {
        assert_eq!(value_line(&json!("a\nb")), "a\\nb");
        assert_eq!(value_line(&json!(["a", "b"])), "[a, b]");
        assert_eq!(value_line(&json!({"k": "v"})), r#"{"k":"v"}"#);
    }

    #[test]
    fn the_trace_is_in_the_span_context() {
        let run = json!({"status": {"spanContext": {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}});
        assert_eq!(trace_id(&run), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(trace_id(&json!({})), None);
    }
}
