//! Expressions and bodies at random.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::evaluated;
use crate::lookup::Known;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[a-c]{1}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

fn any_expression() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "body",
        "header",
        "extensions",
        ".a",
        ".b",
        "[0]",
        "['a']",
        "1",
        "2.5",
        "'x'",
        "b'y'",
        "null",
        "true",
        " + ",
        " - ",
        " * ",
        " / ",
        " % ",
        " == ",
        " in ",
        " && ",
        " || ",
        " ? ",
        " : ",
        "!",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ".map(x, ",
        ".all(x, ",
        ".filter(x, ",
        "x",
        ".split('')",
        ".replace('', 'ab')",
        ".join()",
        ".parseJSON()",
        ".parseYAML()",
        ".parseURL()",
        ".marshalJSON()",
        ".first()",
        ".truncate(-3)",
        ".translate('.', '$0$0')",
        ".size()",
        "timestamp(",
        "duration(",
        "int(",
        "string(",
        "lists.range(",
        "math.abs(",
        "sets.contains(",
        ".format(",
        ".substring(1, 0)",
        ".charAt(9)",
        ".sort()",
        ".flatten()",
        ".?a",
        "optional.of(",
        "dyn(",
        "type(",
        "has(body.a)",
        ".compareSecret('k', 'n')",
        "-9223372036854775808",
        "18446744073709551615u",
        ".getFullYear('x')",
        ".matches('a*')",
        ".@x",
        "`",
        "\\",
        "\n",
        "é",
    ]);
    prop_oneof![
        prop::collection::vec(word, 1..14).prop_map(|words| words.concat()),
        "\\PC{0,40}",
    ]
}

/// As many cases as the environment wants, but no fewer than expressions need.
fn config() -> ProptestConfig {
    let wanted = ProptestConfig::default();
    ProptestConfig {
        cases: wanted.cases.max(400),
        ..wanted
    }
}

proptest! {
    #![proptest_config(config())]

    /// Nothing that is written or sent makes an expression panic or hang.
    #[test]
    fn any_expression_ends(text in any_expression(), body in any_json()) {
        let body = json!({"a": body});
        let _ignored = evaluated(&text, &body, &Known::complete()).is_ok();
    }
}
