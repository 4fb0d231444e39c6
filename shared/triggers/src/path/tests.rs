use proptest::prelude::*;
use serde_json::{Value, json};

use super::JsonPath;

fn document() -> Value {
    json!({
        "a": {"b": [1, 2, 3], "c-d/e": "dashed", "f.g": "dotted"},
        "commits": [
            {"id": "1", "added": ["x", "y"], "n": 1.0},
            {"id": "2", "added": [], "n": 2.5, "tags": true},
            {"id": "3", "added": ["z"], "n": 3},
        ],
        "quote": "say \"hi\"\n<b>", "none": null, "yes": true, "empty": [], "big": 12_345_678_901_234_u64,
    })
}

fn text(path: &str) -> Result<String, String> {
    let path = JsonPath::read(path).map_err(|fault| fault.to_string())?;
    path.text(&document()).map_err(|fault| fault.to_string())
}

#[test]
fn paths_lead_where_kubernetes_client_goes() {
    for (path, expected) in [
        ("a.b[0]", "1"),
        (".a.b[-1]", "3"),
        ("{a.b}", "[1,2,3]"),
        ("{.a.b[0:2]}", "[1,2]"),
        ("a.b[::2]", "[1,3]"),
        ("a.b[1:]", "[2,3]"),
        ("a.b[-2:]", "[2,3]"),
        ("a.b[0,2]", "[1,3]"),
        ("a.c-d/e", "dashed"),
        ("a.f\\.g", "dotted"),
        ("a['f.g']", "dotted"),
        ("a[\"f.g\"]", "dotted"),
        ("$.a.b[2]", "3"),
        ("commits[*].id", r#"["1","2","3"]"#),
        ("commits[*].added[*]", r#"["x","y","z"]"#),
        ("commits..id", r#"["1","2","3"]"#),
        ("commits[?(@.id=='2')].n", "2.5"),
        ("commits[?(@.n >= 2)].id", r#"["2","3"]"#),
        ("commits[?(@.n != 1)].id", r#"["2","3"]"#),
        ("commits[?(@.tags)].id", "2"),
        ("commits[?(@.tags == true)].id", "2"),
        ("commits[?(@.added[0]==\"z\")].id", "3"),
        ("commits[0]['id','n']", r#"["1",1]"#),
        ("a.*", r#"[[1,2,3],"dashed","dotted"]"#),
        ("quote", r#"say \"hi\"\n<b>"#),
        ("none", "null"),
        ("yes", "true"),
        ("big", "12345678901234"),
        ("commits[0].n", "1"),
        ("empty", "[]"),
    ] {
        assert_eq!(text(path).as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn what_leads_nowhere_is_told() {
    for (path, told) in [
        ("nope", "nope is not found"),
        ("a.nope.deeper", "nope is not found"),
        ("a.b[7]", "index 7 is out of bounds, the list has 3 elements"),
        ("a.b[-4]", "index -4 is out of bounds, the list has 3 elements"),
        ("a[0]", "an index stands on what is no list"),
        ("a[?(@.x)]", "a filter stands on what is no list"),
        ("commits[?(@.id=='9')].n", "nothing matches"),
        ("", "it is empty"),
        ("{.a", "the brace { is not closed"),
        ("{.a}{.b}", "only one pair of braces, around the whole path, is taken"),
        ("a[", "the bracket [ is not closed"),
        ("a.", "a name is missing after a dot"),
        ("a b", "a name has a space; write ['…']"),
        ("a[x]", "\"x\" is no index, slice or quoted name"),
        ("a.b[::0]", "a slice's step is 1 or more"),
        ("commits[?(id)]", "\"id\" is no path, quoted text or number"),
    ] {
        assert_eq!(text(path), Err(told.to_owned()), "{path}");
    }
}

#[test]
fn work_is_bounded() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep.clone(), deep]);
        if deep.to_string().len() > 200_000 {
            break;
        }
    }
    let path = JsonPath::read("..*..*..*..*").unwrap();
    let fault = path.find(&deep).unwrap_err();
    assert_eq!(fault.to_string(), "it takes more than 1000000 steps");
    assert!(JsonPath::read(&"[".repeat(4000)).is_err());
    assert!(JsonPath::read(&"a.".repeat(4000)).is_err());
    let filters = "a[?(@.b".repeat(500) + &")]".repeat(500);
    assert!(JsonPath::read(&filters).is_err());
}

proptest! {
    /// No path panics, neither while it is read nor while it is followed.
    #[test]
    fn any_path_ends(path in prop_oneof![
        "\\PC{0,40}",
        prop::collection::vec(prop::sample::select(vec![
            "a", "commits", ".", "..", "[", "]", "[*]", "*", "0", "-1", ":", ",", "'b'", "?(", "@.n", "@", "$", ")", "==",
            ">", "\"", "\\", "{", "}", "9223372036854775807", "-9223372036854775808", " ", "é",
        ]), 0..16).prop_map(|words| words.concat()),
    ]) {
        let _ignored = text(&path).is_ok();
    }
}
