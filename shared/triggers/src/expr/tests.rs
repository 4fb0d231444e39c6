mod bounds;
mod fuzz;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Failure, Params, ask, check, run};
use crate::event::{Event, Headers, Request};
use crate::interceptor::{Asked, Extensions, Stop};
use crate::lookup::{Known, Lookups};

fn event(body: &Value) -> Event {
    let request = Request {
        url: "/hooks/el?x=1".to_owned(),
        headers: Headers::from_iter([
            ("x-gitHUB-event", "push"),
            ("X-Secret-Token", "s3cret"),
            ("Accept", "a"),
            ("accept", "b"),
        ]),
        body: body.to_string().into_bytes(),
    };
    Event::read(&request, "id-1".to_owned(), Timestamp::UNIX_EPOCH, true).unwrap()
}

fn evaluated(text: &str, body: &Value, lookups: &dyn Lookups) -> Result<Value, Failure> {
    let extensions: Extensions = serde_json::from_value(json!({"seen": {"by": "first"}})).unwrap();
    let asked = Asked {
        event: &event(body),
        extensions: &extensions,
        namespace: "ci",
        trigger: "t",
        lookups,
    };
    run::value(text, &asked)
}

fn payload() -> Value {
    json!({
        "n": 1, "half": 0.5, "big": 1_234_567_890_123_u64, "ok": true, "none": null,
        "ref": "refs/heads/main", "sha": "3f2c1aa9d0", "json": "{\"a\":[1,2]}", "yaml": "a: {b: [x]}",
        "list": ["a", "b", "a"], "pairs": [{"k": "x", "v": 1}, {"k": "y", "v": 2}],
        "url": "https://me:pw@git.example.com:8443/a%20b?q=1&q=2#top",
    })
}

#[test]
fn expressions_have_the_values_of_tekton() {
    let golden = [
        // Numbers are doubles, compared by value.
        ("body.n == 1 && body.n == 1.0 && body.n < 2", json!(true)),
        ("body.half * 4.0", json!(2)),
        ("string(body.big)", json!("1234567890123")),
        ("int(body.n) + 1", json!(2)),
        ("body.none == null && has(body.ok) && !has(body.nope)", json!(true)),
        // Headers.
        (
            "header.match('X-GitHub-Event', 'push') && !header.match('x-nope', 'push')",
            json!(true),
        ),
        ("header.canonical('accept') + header.canonical('nope')", json!("a")),
        ("header['Accept']", json!(["a", "b"])),
        ("extensions.seen.by + requestURL", json!("first/hooks/el?x=1")),
        // Tekton's own functions.
        ("body.sha.truncate(7)", json!("3f2c1aa")),
        ("'äöü'.truncate(3) + 'ab'.truncate(9) + 'ab'.truncate(-1)", json!("äab")),
        ("body.json.parseJSON().a[1]", json!(2)),
        ("body.yaml.parseYAML().a.b[0]", json!("x")),
        ("body.url.parseURL().host", json!("git.example.com:8443")),
        (
            "body.url.parseURL().path + body.url.parseURL().fragment",
            json!("/a btop"),
        ),
        ("body.url.parseURL().query.q", json!("1,2")),
        ("body.url.parseURL().queryStrings.q", json!(["1", "2"])),
        ("body.url.parseURL().auth.username", json!("me")),
        (
            "body.pairs.marshalJSON()",
            json!(r#"[{"k":"x","v":1},{"k":"y","v":2}]"#),
        ),
        ("body.list.first() + body.list.last()", json!("aa")),
        ("[1, 2].last() + 1", json!(3)),
        ("body.ref.translate('^refs/(heads|tags)/', '$1:')", json!("heads:main")),
        // Strings, encoders, sets, lists, math.
        ("body.ref.split('/')[2].upperAscii()", json!("MAIN")),
        ("'a,b,c'.split(',', 2)", json!(["a", "b,c"])),
        (
            "''.split(',') == [''] && 'ab'.split('') == ['a', 'b'] && ''.split('') == []",
            json!(true),
        ),
        (
            "'a.b.c'.replace('.', '-') + 'aaa'.replace('a', 'b', 2)",
            json!("a-b-cbba"),
        ),
        ("['a', 'b'].join('-') + ['a', 'b'].join()", json!("a-bab")),
        (
            "body.ref.matches('^refs/heads/.+$') && matches('abc', 'b')",
            json!(true),
        ),
        ("'tacocat'.substring(1, 4).indexOf('c')", json!(1)),
        ("base64.encode(b'hi') + string(base64.decode('aGk='))", json!("aGk=hi")),
        ("b'hi'", json!("aGk=")),
        ("sets.contains([1, 2], [2]) && !sets.contains([1], [2])", json!(true)),
        (
            "sets.equivalent([1, 2], [2, 1, 1]) && sets.intersects(body.list, ['b', 'z'])",
            json!(true),
        ),
        ("body.list.distinct()", json!(["a", "b"])),
        ("lists.range(3).map(x, x * 2)", json!([0, 2, 4])),
        ("math.greatest(1, 3, 2) - math.least(1, 3)", json!(2)),
        ("body.pairs.filter(p, p.v > 1).map(p, p.k)", json!(["y"])),
        (
            "body.pairs.exists(p, p.k == 'x') && body.pairs.all(p, p.v > 0)",
            json!(true),
        ),
        ("body.pairs.exists_one(p, p.k == 'x')", json!(true)),
        ("[3, 1, 2].sort() == [1, 2, 3]", json!(true)),
        ("body.ok ? {'a': [body.n]} : {}", json!({"a": [1]})),
        (
            "timestamp('2026-11-23T13:00:00Z') > timestamp('2026-01-01T00:00:00Z')",
            json!(true),
        ),
        ("timestamp('2026-11-23T13:00:00Z')", json!("2026-11-23T13:00:00Z")),
        ("duration('90s')", json!("90s")),
        ("'v%d.%s'.format([1, 'x'])", json!("v1.x")),
    ];
    for (text, expected) in golden {
        let found = evaluated(text, &payload(), &Known::complete());
        assert_eq!(found, Ok(expected), "{text}");
    }
}

#[test]
fn faults_are_told_without_what_was_read() {
    for (text, part) in [
        ("body.nope.deep == 1", "there is no nope"),
        ("decodeb64('x')", "decodeb64 is neither variable nor function"),
        ("header + 1", "does not take"),
        ("[].first()", "the list is empty"),
        ("'x'.matches('(')", "a pattern cannot be read"),
        ("body.sha.parseJSON()", "parseJSON: "),
        ("'s'.compareSecret('k', 'n', 'other')", "the Trigger's namespace only"),
    ] {
        let Err(Failure::Undecided(why)) = evaluated(text, &payload(), &Known::complete()) else {
            panic!("{text} has a value");
        };
        assert!(why.contains(part), "{text}: {why}");
        assert!(!why.contains("s3cret"), "{why}");
    }
    for (text, part) in [
        ("", "empty"),
        ("body.", "column"),
        ("@pay(1)", "column"),
        ("Type{a: 1}", "messages"),
    ] {
        let Err(Failure::Fault(why)) = evaluated(text, &payload(), &Known::complete()) else {
            panic!("{text} was read");
        };
        assert!(why.contains(part), "{text}: {why}");
    }
}

#[test]
fn secrets_are_compared_and_asked_for() {
    let text = "header.canonical('X-Secret-Token').compareSecret('token', 'hook')";
    let mut known = Known::default();
    assert!(matches!(
        evaluated(text, &payload(), &known),
        Err(Failure::Stop(Stop::Pending(need))) if need.describe() == r#"key "token" of Secret ci/hook"#
    ));
    known.add_secret("ci", "hook", "token", "s3cret");
    assert_eq!(evaluated(text, &payload(), &known), Ok(json!(true)));
    known.add_secret("ci", "hook", "token", "other");
    assert_eq!(evaluated(text, &payload(), &known), Ok(json!(false)));
    let never = "false && 'x'.compareSecret('a', 'b')";
    assert_eq!(evaluated(never, &payload(), &Known::default()), Ok(json!(false)));
}

#[test]
fn overlays_nest_and_do_not_see_each_other() {
    let params = |overlays: Value| -> Params {
        serde_json::from_value(json!({"filter": "body.n == 1", "overlays": overlays})).unwrap()
    };
    let event = event(&payload());
    let (extensions, lookups) = (Extensions::new(), Known::complete());
    let asked = Asked {
        event: &event,
        extensions: &extensions,
        namespace: "ci",
        trigger: "t",
        lookups: &lookups,
    };
    let added = ask(
        &params(json!([
            {"key": "pr.short", "expression": "body.sha.truncate(7)"},
            {"key": "pr.n", "expression": "body.n"},
            {"key": "a\\.b", "expression": "['x']"},
        ])),
        &asked,
    );
    let expected = json!({"pr": {"short": "3f2c1aa", "n": 1}, "a.b": ["x"]});
    assert_eq!(added.map(Value::Object), Ok(expected));
    let blind = ask(
        &params(json!([{"key": "a", "expression": "1"}, {"key": "b", "expression": "extensions.a"}])),
        &asked,
    );
    assert!(matches!(blind, Err(Stop::Failed(why)) if why.contains("there is no a")));
}

#[test]
fn parameters_are_checked_without_an_event() {
    let told = |value: Value| check(value.as_object().unwrap());
    assert_eq!(told(json!({})), ["cel has neither filter nor overlays"]);
    assert!(told(json!({"filter": "body.a == "}))[0].starts_with("filter: column "));
    assert!(told(json!({"overlays": [{"key": "", "expression": "1"}]}))[0].contains("key is missing"));
    assert_eq!(told(json!({"filter": "true"})), Vec::<String>::new());
}
