//! What bounds an expression, whatever it is given.

use serde_json::{Value, json};

use super::super::Failure;
use super::{evaluated, payload};
use crate::lookup::Known;

#[test]
fn work_is_bounded() {
    let text = "x".repeat(200_000);
    let many: Vec<Value> = (0..3000).map(|n| json!({"n": n, "s": "abcdefgh"})).collect();
    let body = json!({"text": text, "many": many});
    let costly = [
        "body.many.all(a, body.many.all(b, body.many.all(c, a.n + b.n + c.n >= 0.0)))",
        "body.many.map(a, body.many)",
        "body.many.map(a, body.many.map(b, 1)).size() > 0",
        "body.text.replace('x', body.text)",
        "body.text.split('').map(c, body.text)",
        "body.many.map(m, body.text.matches('a(b|c)*d')).size() > 0",
        "[[body, body, body, body, body], [body, body, body, body, body]].map(x, [x, x, x, x, x, x, x, x])",
        "body.many.exists(a, body.many.filter(b, body.text.contains(a.s)).size() > 5000) || true",
        "lists.range(100000).map(x, lists.range(100000))",
        "lists.range(1000000000000)",
    ];
    for text in costly {
        match evaluated(text, &body, &Known::complete()) {
            Err(Failure::Fault(why)) => assert!(why.contains("steps"), "{text}: {why}"),
            Err(Failure::Undecided(why)) => assert!(why.contains("a range ends"), "{text}: {why}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let fine = "body.many.filter(m, m.n >= 1500.0).map(m, m.n).size() == 1500 && body.text.size() == 200000";
    assert_eq!(evaluated(fine, &body, &Known::complete()), Ok(json!(true)));
}

#[test]
fn depth_is_bounded() {
    let deep = [
        "(".repeat(2000) + "1" + &")".repeat(2000),
        "[".repeat(2000),
        "!".repeat(2000) + "true",
        "- ".repeat(2000) + "1",
        "a ? b : ".repeat(900) + "c",
        "1".to_owned() + &" + 1".repeat(1500),
        "body".to_owned() + &".a".repeat(3000),
        "body".to_owned() + &"[0]".repeat(2000),
        "x".to_owned() + &".f()".repeat(1500),
        "[1].map(a, ".repeat(700),
        "\"".repeat(3000),
        "x".repeat(9000),
    ];
    for text in deep {
        let shown: String = text.chars().take(20).collect();
        assert!(
            matches!(evaluated(&text, &payload(), &Known::complete()), Err(Failure::Fault(_))),
            "{shown}"
        );
    }
    // What is not too long for the parser may still be too deep to evaluate.
    for text in [
        "body".to_owned() + &".a".repeat(64),
        "x".to_owned() + &".f()".repeat(32),
        "body".to_owned() + &"[0]".repeat(64),
        "a ? b : ".repeat(20) + &"(".repeat(20) + "-".repeat(20).as_str() + "x" + &".a".repeat(64) + &")".repeat(20),
    ] {
        assert!(evaluated(&text, &payload(), &Known::complete()).is_err(), "{text}");
    }
    let sum = "1".to_owned() + &" + 1".repeat(50);
    assert_eq!(evaluated(&sum, &payload(), &Known::complete()), Ok(json!(51)));
    let nested = "(".repeat(20) + "body.n" + &")".repeat(20);
    assert_eq!(evaluated(&nested, &payload(), &Known::complete()), Ok(json!(1)));
}

/// Values at the edge of their types have a value or none, but never end the process.
#[test]
fn edges_end() {
    for text in [
        "timestamp('9999-12-31T23:59:59Z') + duration('9999999h')",
        "timestamp('0001-01-01T00:00:00Z') - timestamp('9999-12-31T23:59:59Z')",
        "timestamp(9223372036854775807)",
        "duration('99999999999999999999h')",
        "duration('2562047h') + duration('2562047h')",
        "-duration('-2562047h')",
        "timestamp('2026-11-23T13:00:00Z').getHours('Nope/Zone')",
        "timestamp('2026-11-23T13:00:00Z').getHours('+25:99')",
        "timestamp('2026-11-23T13:00:00Z').getFullYear('é')",
        "-9223372036854775807 - 2",
        "(-9223372036854775807 - 1) / -1",
        "(-9223372036854775807 - 1) % -1",
        "-(-9223372036854775807 - 1)",
        "math.abs(-9223372036854775807 - 1)",
        "math.bitShiftLeft(1, 64) + math.bitShiftRight(1, -1)",
        "math.round(1e308) + math.ceil(-1e308)",
        "int(1e300) + int(-1e300)",
        "uint(-1.0) + 18446744073709551615u + 1u",
        "double('1e999') / 0.0",
        "1 / 0",
        "5 % 0",
        "'abc'.substring(5) + 'abc'.substring(2, 1) + 'abc'.substring(-1)",
        "'é'.charAt(-1) + 'é'.charAt(9223372036854775807)",
        "'é'.indexOf('x', 9) + 'é'.lastIndexOf('x', -1)",
        "[1][-1]",
        "[1][9223372036854775807]",
        "[1][0.5]",
        "lists.range(-1)",
        "[1, 2].slice(1, 0) + [1, 2].slice(-1, 9)",
        "[[1]].flatten(-1)",
        "[1, 'a'].sort()",
        "[{}].sort()",
        "'%d %s %'.format([1])",
        "'%.99999999999f'.format([1.0])",
        "'%d'.format([])",
        "base64.decode('***')",
        "string(b'\\xff')",
        "'\\uD800'",
        "{'a': 1, 'a': 2}",
        "{1.5: 1}",
        "{[1]: 1}",
        "body.nope.?deep.orValue(1)",
        "optional.none().value()",
        "type(body)",
        "body",
        "'a'.split('', -5) + 'a,b'.split(',', 9223372036854775807)",
        "'aaa'.replace('', 'x', 9223372036854775807)",
        "'a'.translate('(', '') + 'a'.translate('a{1000}{1000}', '')",
        "'a'.translate('a', '$99999999999${nope}$')",
        "'http://[::1'.parseURL() == 'x:%zz'.parseURL()",
        "'a: &a [*a]'.parseYAML()",
        "'{{{'.parseYAML()",
        "''.parseYAML()",
        "'[1]'.parseJSON()",
    ] {
        let _value_or_not = evaluated(text, &payload(), &Known::complete()).is_ok();
    }
    assert!(evaluated("body.nope.?deep.orValue(1)", &payload(), &Known::complete()).is_err());
    assert_eq!(
        evaluated("body.?nope.orValue(1)", &payload(), &Known::complete()),
        Ok(json!(1))
    );
}

#[test]
fn texts_that_unfold_are_bounded() {
    let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        yaml.push_str(&format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(", ")));
    }
    let long = format!("a: &a {}\nb: [{}]", "x".repeat(100_000), "*a, ".repeat(900) + "*a");
    for text in [yaml, long, "[".repeat(5000), "- ".repeat(5000), "{a: ".repeat(5000)] {
        let found = evaluated("body.t.parseYAML().size()", &json!({"t": text}), &Known::complete());
        assert!(
            matches!(found, Err(Failure::Undecided(ref why)) if why.starts_with("parseYAML")),
            "{found:?}"
        );
    }
    let json = json!({"t": "[".repeat(100_000)});
    assert!(evaluated("body.t.parseJSON()", &json, &Known::complete()).is_err());
}
