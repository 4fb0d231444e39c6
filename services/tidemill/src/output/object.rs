//! Objects as JSON, YAML, names or tables.

use std::fmt::Write as _;

use serde_json::Value;
use tidemill_resources::kind::split_api_version;

use super::Columns;
use crate::error::Error;

/// How objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// JSON, indented.
    Json,
    /// YAML.
    Yaml,
    /// One `kind/name` a line.
    Name,
    /// The table with all its columns.
    Wide,
}

/// The objects of a list, or the object itself.
pub(crate) fn items(object: &Value) -> Vec<&Value> {
    match object.get("items").and_then(Value::as_array) {
        Some(items) => items.iter().collect(),
        None => vec![object],
    }
}

/// An object (or a list of them) in `format`; `Wide` is YAML, as tables come from the server.
///
/// # Errors
/// [`Error::Internal`] when it cannot be written as YAML.
pub(crate) fn print_object(object: &Value, format: Format) -> Result<String, Error> {
    match format {
        Format::Json => Ok(format!("{object:#}\n")),
        Format::Yaml | Format::Wide => {
            let mut text = serde_saphyr::to_string(object)
                .map_err(|source| Error::internal("write the object as YAML", source))?;
            if !text.ends_with('\n') {
                text.push('\n');
            }
            Ok(text)
        }
        Format::Name => Ok(items(object)
            .into_iter()
            .map(|item| format!("{}\n", reference(item)))
            .collect()),
    }
}

/// `pipelinerun.tekton.dev/name`, as `kubectl -o name` has it.
pub(crate) fn reference(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let kind = text("/kind").to_lowercase();
    match split_api_version(text("/apiVersion")).0 {
        "" => format!("{kind}/{}", text("/metadata/name")),
        group => format!("{kind}.{group}/{}", text("/metadata/name")),
    }
}

/// A server's Table; columns of priority above 0 only when `wide`. `namespaces` adds theirs in front.
pub(crate) fn print_table(table: &Value, wide: bool, namespaces: bool, header: bool) -> String {
    let empty = Vec::new();
    let array = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).unwrap_or(&empty).clone();
    let definitions = array(table, "columnDefinitions");
    let shown: Vec<usize> = definitions
        .iter()
        .enumerate()
        .filter(|(_, column)| wide || column.get("priority").and_then(Value::as_i64).unwrap_or(0) == 0)
        .map(|(position, _)| position)
        .collect();
    let mut columns = Columns::default();
    if header {
        let mut cells: Vec<String> = shown
            .iter()
            .map(|&position| cell(&definitions[position]["name"]).to_uppercase())
            .collect();
        if namespaces {
            cells.insert(0, "NAMESPACE".to_owned());
        }
        columns.cells(cells);
    }
    for row in array(table, "rows") {
        let values = array(&row, "cells");
        let mut cells: Vec<String> = shown
            .iter()
            .map(|&position| values.get(position).map(cell).unwrap_or_default())
            .collect();
        if namespaces {
            cells.insert(
                0,
                cell(row.pointer("/object/metadata/namespace").unwrap_or(&Value::Null)),
            );
        }
        columns.cells(cells);
    }
    columns.render("")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => {
            let mut text = String::new();
            // Writing to a String does not fail.
            let _infallible = write!(text, "{other}");
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Format, print_object, print_table, reference};

    #[test]
    fn tables_show_what_the_server_sent() {
        let table = json!({
            "columnDefinitions": [
                {"name": "Name", "type": "string", "priority": 0},
                {"name": "Succeeded", "type": "string", "priority": 0},
                {"name": "StartTime", "type": "date", "priority": 0},
                {"name": "Pod", "type": "string", "priority": 1},
            ],
            "rows": [
                {"cells": ["gitlab-run-j77rx", "True", "4m46s", "p"], "object": {"metadata": {"namespace": "default"}}},
                {"cells": ["b", null, 7, "q"], "object": {"metadata": {"namespace": "other"}}},
            ],
        });
        assert_eq!(
            print_table(&table, false, false, true),
            "NAME               SUCCEEDED   STARTTIME\ngitlab-run-j77rx   True        4m46s\nb                              7\n"
        );
        assert_eq!(
            print_table(&table, true, true, false),
            "default   gitlab-run-j77rx   True   4m46s   p\nother     b                         7       q\n"
        );
    }

    #[test]
    fn names_carry_the_group() {
        let list = json!({"items": [
            {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "a"}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "b"}},
        ]});
        assert_eq!(reference(&list["items"][0]), "pipelinerun.tekton.dev/a");
        assert_eq!(
            print_object(&list, Format::Name).unwrap(),
            "pipelinerun.tekton.dev/a\nsecret/b\n"
        );
    }

    #[test]
    fn yaml_and_json_end_with_a_line() {
        let object = json!({"kind": "Task", "spec": {"steps": []}});
        assert!(print_object(&object, Format::Yaml).unwrap().ends_with('\n'));
        assert_eq!(print_object(&object, Format::Json).unwrap(), format!("{object:#}\n"));
    }
}
