//! What a task of a pipeline waits for, read from the pipeline.

use std::collections::BTreeSet;

use serde_json::Value;
use tidemill_resources::path::At;
use tidemill_resources::reference;

use crate::json;

/// One task as the pipeline has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// Its name.
    pub(super) name: String,
    /// Tasks that must be over before it.
    pub(super) after: BTreeSet<String>,
    /// Its guards, for people; empty without any.
    pub(super) guard: String,
    /// Whether it runs after all others.
    pub(super) finally: bool,
}

/// The tasks of a pipeline's spec, in its order, `finally` last.
pub(super) fn nodes(spec: &Value) -> Vec<Node> {
    let section = |pointer, finally| json::list(spec, pointer).iter().map(move |task| node(task, finally));
    section("/tasks", false).chain(section("/finally", true)).collect()
}

fn node(task: &Value, finally: bool) -> Node {
    let mut after: BTreeSet<String> = json::list(task, "/runAfter")
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    after.extend(referenced(task));
    Node {
        name: json::text(task, "/name").to_owned(),
        after,
        guard: guard(json::list(task, "/when")),
        finally,
    }
}

/// The tasks whose results the task uses: `$(tasks.<name>.…)` in any notation.
fn referenced(task: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    reference::texts(task, At::ROOT, &mut |_, text| {
        let parts = reference::find(text).into_iter().map(|found| found.reference.parts);
        let of_tasks = parts.filter(|parts| parts[0] == "tasks" && parts.len() > 2);
        names.extend(of_tasks.map(|mut parts| parts.swap_remove(1)));
    });
    names
}

fn guard(whens: &[Value]) -> String {
    let guards: Vec<String> = whens
        .iter()
        .map(|when| match json::text(when, "/cel") {
            "" => {
                let values: Vec<&str> = json::list(when, "/values").iter().filter_map(Value::as_str).collect();
                let (input, operator) = (json::text(when, "/input"), json::text(when, "/operator"));
                format!("{input} {operator} [{}]", values.join(", "))
            }
            cel => cel.to_owned(),
        })
        .collect();
    guards.join(" and ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::nodes;

    #[test]
    fn order_comes_from_run_after_and_from_results() {
        let found = nodes(&json!({
            "tasks": [
                {"name": "a"},
                {"name": "b", "runAfter": ["a"], "params": [{"name": "x", "value": "$(tasks['c'].results.y)"}]},
                {"name": "d", "when": [
                    {"input": "$(tasks.b.results.z)", "operator": "in", "values": ["failed"]},
                    {"cel": "1 == 1"},
                ]},
            ],
            "finally": [{"name": "e"}],
        }));
        let after = |index: usize| found[index].after.iter().map(String::as_str).collect::<Vec<_>>();
        assert!(after(0).is_empty());
        assert_eq!(after(1), ["a", "c"]);
        assert_eq!(after(2), ["b"]);
        assert_eq!(found[2].guard, "$(tasks.b.results.z) in [failed] and 1 == 1");
        assert!(found[3].finally && !found[2].finally);
    }
}
