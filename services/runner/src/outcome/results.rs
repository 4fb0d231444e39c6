//! Results: contents of files, given the types the task declares.

use tidemill_messages::report::WrittenResult;
use tidemill_resources::task_run::TaskRunResult;
use tidemill_resources::{ParamType, ParamValue, TaskResult};

/// Results, and what is wrong with those left out.
pub(super) struct Typed {
    pub(super) values: Vec<TaskRunResult>,
    pub(super) faults: Vec<String>,
}

/// The declared ones among `written`, in the order of declaration; the last of a name counts.
pub(super) fn typed(declared: &[TaskResult], written: &[WrittenResult]) -> Typed {
    let mut all = Typed {
        values: Vec::new(),
        faults: Vec::new(),
    };
    for result in declared {
        let Some(found) = written.iter().rev().find(|written| written.name == result.name) else {
            continue;
        };
        match value(result, &found.value) {
            Ok(value) => all.values.push(TaskRunResult {
                name: result.name.clone(),
                kind: Some(result.effective_type()),
                value,
            }),
            Err(fault) => all.faults.push(fault),
        }
    }
    all
}

/// Strings are taken as they are, newline and all; lists and objects are JSON of the declared shape.
fn value(declared: &TaskResult, text: &str) -> Result<ParamValue, String> {
    let expected = declared.effective_type();
    if expected == ParamType::String {
        return Ok(ParamValue::String(text.to_owned()));
    }
    let json = serde_json::from_str(text).map_err(|error| {
        format!(
            "{:?} is declared as {expected}, but its content is no JSON: {error}",
            declared.name
        )
    })?;
    let value = ParamValue::from_json(json);
    if value.kind() != expected {
        return Err(format!(
            "{:?} is declared as {expected}, but its content is not JSON of strings in that shape",
            declared.name
        ));
    }
    match &value {
        ParamValue::Object(entries) => missing_keys(declared, |key| entries.contains_key(key)).map(|()| value),
        _ => Ok(value),
    }
}

fn missing_keys(declared: &TaskResult, has: impl Fn(&str) -> bool) -> Result<(), String> {
    let missing: Vec<&str> = declared
        .properties
        .keys()
        .map(String::as_str)
        .filter(|key| !has(key))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("{:?} lacks the keys {}", declared.name, missing.join(", ")))
}

/// Step and result that `$(steps.<step>.results.<result>)` names, in any of the three notations.
pub(super) fn step_reference(declared: &TaskResult) -> Option<(String, String)> {
    let text = declared.value.as_ref()?.as_str()?;
    let inner = text.trim().strip_prefix("$(steps.")?.strip_suffix(')')?;
    let (step, rest) = inner.split_once(".results")?;
    let bracketed = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let name = match bracketed {
        Some(quoted) => quoted.trim_matches(['\'', '"']),
        None => rest.strip_prefix('.')?,
    };
    let name = name.strip_suffix("[*]").unwrap_or(name);
    Some((step.to_owned(), name.to_owned()))
}
