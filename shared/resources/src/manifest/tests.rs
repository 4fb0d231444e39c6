use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Diagnostic, File, Limits, ManifestSet, decode_json, decode_yaml, to_yaml};

mod limits;

const LIMITS: Limits = Limits {
    file_bytes: 1 << 20,
    document_bytes: 1 << 16,
    documents: 20,
    values: 5000,
    depth: 20,
};

fn parse(text: &str) -> Result<ManifestSet, Vec<Diagnostic>> {
    ManifestSet::parse(
        &[File {
            name: "pipeline.yaml",
            bytes: text.as_bytes(),
        }],
        &LIMITS,
        false,
    )
}

fn refused(text: &str) -> Vec<String> {
    parse(text).unwrap_err().iter().map(Diagnostic::render).collect()
}

fn value(text: &str) -> Value {
    decode_yaml(text.as_bytes(), &LIMITS).unwrap()
}

#[test]
fn an_error_shows_the_place() {
    let text = "\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata:
  name: p
spec:
  tasks:
    - name: a
      taskRef:
        name: t
      when:
        - input: x
          operator: is
          values: [ok]
      runAftre: [b]
";
    assert_eq!(
        refused(text),
        [
            "\
error: pipeline.yaml, document 1, spec.tasks[0].when[0].operator: \"is\" is not an operator
   |
12 |           operator: is
   |                     ^^ expected in or notin (or use `cel:`)",
            "\
warning: pipeline.yaml, document 1, spec.tasks[0].runAftre: unknown field \"runAftre\"
   |
14 |       runAftre: [b]
   |       ^^^^^^^^ did you mean \"runAfter\"?",
        ]
    );
}

#[test]
fn what_is_missing_is_shown_where_it_belongs() {
    let text = "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: t}\nspec:\n  steps:\n  - script: x\n    timeout: 5\n---\n# empty\n---\nkind: Task\n";
    assert_eq!(
        refused(text),
        [
            "\
error: pipeline.yaml, document 1, spec.steps[0].timeout: found the number 5
  |
7 |     timeout: 5
  |              ^ expected a duration such as \"1h30m\"",
            "\
error: pipeline.yaml, document 3, apiVersion: is missing
   |
11 | kind: Task
   | ^ expected a string",
        ]
    );
    let text = "apiVersion: tekton.dev/v1beta1\nkind: Task\nmetadata: {name: t}\nspec:\n  steps:\n    - name: a\n";
    assert_eq!(
        refused(text),
        ["\
error: pipeline.yaml, document 1, spec.steps[0].image: is missing
  |
6 |     - name: a
  |       ^ or set it in stepTemplate"]
    );
}

#[test]
fn broken_text_gives_one_error() {
    for (text, expected) in [
        ("kind: [a, b\n", "error: pipeline.yaml, document 1, line 1: "),
        ("a: b\n c: d\n", "error: pipeline.yaml, document 1, line 2: "),
        (
            "a: 1\na: 2\n",
            "error: pipeline.yaml, document 1, line 2: the key \"a\" stands twice\n  |\n2 | a: 2\n  | ^",
        ),
        (
            "? [a]\n: b\n",
            "error: pipeline.yaml, document 1, line 1: a key must be a string",
        ),
        ("a: *b\n", "error: pipeline.yaml, document 1, line 1: "),
        (
            "a: &a [*a]\n",
            "error: pipeline.yaml, document 1, line 1: an alias inside what it stands for",
        ),
        (
            "a: .inf\n",
            "error: pipeline.yaml, document 1, line 1: \".inf\" is not a number JSON can hold",
        ),
        (
            "<<: 5\n",
            "error: pipeline.yaml, document 1, line 1: a merge key takes an object or a list of objects",
        ),
        (
            "a: !!binary eA==\n",
            "error: pipeline.yaml, document 1, line 1: \"eA==\" has the tag !!binary, which is not supported",
        ),
    ] {
        let found = refused(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(expected), "{text}: {}", found[0]);
    }
    let diagnostics = ManifestSet::parse(
        &[File {
            name: "x",
            bytes: b"a: b\n\xff",
        }],
        &LIMITS,
        false,
    )
    .unwrap_err();
    assert_eq!(diagnostics[0].to_string(), "x: line 2 is not UTF-8");
    assert_eq!(
        refused("just text"),
        [
            "error: pipeline.yaml, document 1, line 1: not an object\n  |\n1 | just text\n  | ^^^^^^^^^ expected apiVersion, kind, metadata"
        ]
    );
}

#[test]
fn yaml_reads_as_with_kubectl() {
    let text = "on: yes\n0644: 0644\n1.5: x\ntext: \"yes\"\nblock: |\n  a\n   b\nfolded: >-\n  a\n  b\nempty:\nlist: [1, two, 3.5]\n";
    assert_eq!(
        value(text),
        json!({"true": true, "420": 420, "1.5": "x", "text": "yes", "block": "a\n b\n", "folded": "a b", "empty": null, "list": [1, "two", 3.5]})
    );
}

#[test]
fn aliases_and_merge_keys_are_replaced() {
    let text = "base: &b {a: 1, c: 2}\none:\n  c: 3\n  <<: *b\ntwo:\n  <<: [{a: 9}, *b]\ncopy: *b\n\"<<\": text\n";
    assert_eq!(
        value(text),
        json!({"base": {"a": 1, "c": 2}, "one": {"a": 1, "c": 3}, "two": {"a": 9, "c": 2}, "copy": {"a": 1, "c": 2}, "<<": "text"})
    );
}

#[test]
fn lists_of_objects_are_taken_apart() {
    let text = "kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: B}}\n";
    assert_eq!(
        refused(text),
        ["\
error: pipeline.yaml, document 1, items[1].metadata.name: \"B\" cannot be a name
  |
5 | - {apiVersion: v1, kind: ConfigMap, metadata: {name: B}}
  |                                                      ^ expected lower case letters, digits, inner dashes and dots"]
    );
    assert_eq!(parse(&text.replace("name: B", "name: b")).unwrap().manifests.len(), 2);
}

#[test]
fn lines_of_secrets_are_not_shown() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {pin: 4711, word: hunter2}\n";
    assert_eq!(
        refused(text),
        ["error: pipeline.yaml, document 1, stringData.pin: not a string: expected a string (put it in quotes)"]
    );
    let broken = refused(&text.replace("hunter2}", "hunter2"));
    assert!(broken.len() == 1 && !broken[0].contains("hunter2"), "{broken:?}");
}

#[test]
fn json_is_read_as_well() {
    let text = "{\n\t\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\",\n\t\"metadata\": {\"name\": \"a\"}, \"data\": {\"k\": \"a\\n\\u00e4\\/\"}}";
    let set = parse(text).unwrap();
    assert_eq!(set.manifests[0].object.rest["data"]["k"], "a\nä/");
    assert_eq!(decode_json(text.as_bytes(), &LIMITS).unwrap(), set.manifests[0].written);
    let error = decode_json(b"{\"a\": }", &LIMITS).unwrap_err();
    assert!(error.message.starts_with("not JSON: expected value"), "{error}");
    let error = decode_json(&vec![b' '; (1 << 16) + 1], &LIMITS).unwrap_err();
    assert_eq!(
        error.to_string(),
        "65537 bytes, expected at most 65536 bytes a document"
    );
}

#[test]
fn one_object_is_one_object() {
    let error = decode_yaml(b"a: 1\n---\nb: 2\n", &LIMITS).unwrap_err();
    assert_eq!(error.to_string(), "2 objects, expected one");
}

#[test]
fn a_long_line_is_shown_in_part() {
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{labels: {{{}}}, name: B}}\n",
        "k: v".to_owned() + &" ".repeat(300)
    );
    let found = refused(&text);
    let lines: Vec<&str> = found[0].lines().collect();
    assert!(
        lines[2].starts_with("3 | …") && lines[2].chars().count() < 130,
        "{found:?}"
    );
    let caret = lines[3].find('^').unwrap();
    assert_eq!(lines[2].chars().nth(caret), Some('B'), "{found:?}");
}

#[test]
fn written_yaml_reads_back() {
    let texts = [
        "yes",
        "on",
        "y",
        "N",
        "~",
        "null",
        "0644",
        "1_000",
        "1e3",
        "0x1F",
        "2026-01-31",
        "",
        " ",
        "a: b",
        "- x",
        "#c",
        "multi\nline\n",
        "trail ",
        "'q'",
        "\"",
        "\t",
        "é",
        "$(params.x)",
        "!t",
        "*a",
        "&a",
        "%",
        "@x",
        "`x`",
        "<<",
        "1:30",
        ".5",
        "+1",
        "0o17",
        "null\n",
    ];
    let long = "word ".repeat(60);
    let value = json!({
        "texts": texts.to_vec(), "long": long, "script": "#!/bin/sh\nset -e\n  echo \"hi\"   \n\nend", "number": 5, "float": 1.5, "yes": true, "empty": {}, "none": [], "null": null,
        "nested": [[1, [2]], {"a": [{"b": {}}]}],
        "on": texts.iter().map(|text| ((*text).to_owned(), Value::from(*text))).collect::<serde_json::Map<_, _>>(),
    });
    let yaml = to_yaml(&value).unwrap();
    assert_eq!(
        super::decode_yaml(yaml.as_bytes(), &Limits::default()).unwrap(),
        value,
        "{yaml}"
    );
}

/// Runs `work` and fails when it takes so long that its cost must grow faster than
/// its input; the bound leaves room for unoptimised builds on busy machines.
fn at_once<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
    result
}
