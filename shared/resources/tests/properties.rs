//! What holds for any input.

use proptest::prelude::*;
use serde_json::{Map, Value};
use tidemill_resources::manifest::{decode_yaml, to_yaml};
use tidemill_resources::{Duration, File, Limits, ManifestSet, Operation, ParamValue, admit};

const LIMITS: Limits = Limits {
    file_bytes: 1 << 20,
    document_bytes: 1 << 16,
    documents: 50,
    values: 5000,
    depth: 30,
};

/// Words that mean something in these objects, so that random ones go deep.
const WORDS: &[&str] = &[
    "spec",
    "tasks",
    "name",
    "taskRef",
    "taskSpec",
    "steps",
    "image",
    "script",
    "params",
    "value",
    "default",
    "type",
    "array",
    "when",
    "operator",
    "in",
    "values",
    "input",
    "runAfter",
    "a",
    "$(params.a)",
    "$(tasks.a.results.b[*])",
    "timeout",
    "1h",
    "workspaces",
    "results",
    "finally",
    "matrix",
    "include",
    "metadata",
    "labels",
    "resources",
    "pipelineSpec",
    "$(",
    "stepTemplate",
    "status",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => ".{0,12}"]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    let kinds = prop::sample::select(&["Task", "Pipeline", "TaskRun", "PipelineRun"][..]);
    let versions = prop::sample::select(&["tekton.dev/v1", "tekton.dev/v1beta1"][..]);
    (kinds, versions, json()).prop_map(|(kind, version, spec)| {
        serde_json::json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "spec": spec})
    })
}

/// A pipeline of tasks that wait for each other by order or by a result, and its edges.
fn graph() -> impl Strategy<Value = (Value, Vec<(usize, usize)>)> {
    (2_usize..9)
        .prop_flat_map(|count| (Just(count), prop::collection::vec((0..count, 0..count, any::<bool>()), 0..10)))
        .prop_map(|(count, edges)| {
            let task = |node: usize| {
                let of = |by_order: bool| edges.iter().filter(move |edge| edge.0 == node && edge.2 == by_order);
                let after: Vec<String> = of(true).map(|edge| format!("t{}", edge.1)).collect();
                let reads: Vec<String> = of(false).map(|edge| format!("$(tasks.t{}.results.r)", edge.1)).collect();
                serde_json::json!({"name": format!("t{node}"), "taskRef": {"name": "x"}, "runAfter": after,
                    "params": [{"name": "p", "value": reads}]})
            };
            let tasks: Vec<Value> = (0..count).map(task).collect();
            let pipeline = serde_json::json!({"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": "p"}, "spec": {"tasks": tasks}});
            (pipeline, edges.iter().map(|edge| (edge.0, edge.1)).collect())
        })
}

/// Whether some node reaches itself, by closing the relation.
fn has_cycle(edges: &[(usize, usize)]) -> bool {
    let mut reach = [[false; 9]; 9];
    edges.iter().for_each(|(from, to)| reach[*from][*to] = true);
    for middle in 0..9 {
        for from in 0..9 {
            for to in 0..9 {
                reach[from][to] |= reach[from][middle] && reach[middle][to];
            }
        }
    }
    (0..9).any(|node| reach[node][node])
}

proptest! {
    #[test]
    fn a_graph_is_refused_exactly_when_it_has_a_cycle((pipeline, edges) in graph()) {
        match admit(pipeline, Operation::Create, true) {
            Ok(admitted) => {
                prop_assert!(!has_cycle(&edges));
                let again = admit(admitted.object.to_value(), Operation::Create, true).unwrap();
                prop_assert_eq!(again.object, admitted.object);
            }
            Err(rejected) => {
                prop_assert!(has_cycle(&edges), "{}", rejected);
                prop_assert_eq!(rejected.problems.len(), 1);
            }
        }
    }

    #[test]
    fn a_duration_is_read_as_it_was_written(nanoseconds in any::<i64>()) {
        let duration = Duration::from_nanos(nanoseconds);
        prop_assert_eq!(duration.to_string().parse::<Duration>().unwrap(), duration);
    }

    #[test]
    fn any_text_is_a_duration_or_an_error(text in "[-+0-9.hmsnuµ ]{0,16}") {
        if let Ok(duration) = text.parse::<Duration>() {
            prop_assert_eq!(duration.to_string().parse::<Duration>(), Ok(duration));
        }
    }

    #[test]
    fn a_parameters_value_keeps_its_shape(value in json()) {
        let typed: ParamValue = serde_json::from_value(value.clone()).unwrap();
        prop_assert_eq!(&ParamValue::from_json(value), &typed);
        let written = serde_json::to_value(&typed).unwrap();
        prop_assert_eq!(serde_json::from_value::<ParamValue>(written).unwrap(), typed);
    }

    #[test]
    fn admission_answers_and_its_answer_stands(value in object(), strict in any::<bool>()) {
        match admit(value, Operation::Create, strict) {
            Ok(admitted) => {
                let again = admit(admitted.object.to_value(), Operation::Create, true).unwrap();
                prop_assert_eq!(again.object, admitted.object);
            }
            Err(rejected) => prop_assert!(rejected.problems.iter().any(tidemill_resources::Problem::is_error)),
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-c:\\-?&*|>{}\\[\\],!%#'\"\\n \\t<0-9]{0,80}") {
        let _answer = ManifestSet::parse(&[File { name: "f", bytes: text.as_bytes() }], &LIMITS, true);
    }

    #[test]
    fn written_yaml_is_read_as_the_same_value(value in json()) {
        let yaml = to_yaml(&value).unwrap();
        prop_assume!(!value.is_null());
        prop_assert_eq!(decode_yaml(yaml.as_bytes(), &LIMITS).unwrap(), value, "{}", yaml);
    }
}
