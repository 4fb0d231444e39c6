//! Text made to hurt: each gives one error, at once.

use super::{LIMITS, at_once};
use crate::manifest::{File, Limits, ManifestSet};

fn one_error(bytes: &[u8], limits: &Limits) -> String {
    let found = at_once(|| ManifestSet::parse(&[File { name: "f", bytes }], limits, false).unwrap_err());
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].to_string()
}

#[test]
fn a_file_of_100_mb_is_not_read() {
    let bytes = vec![b'a'; 100_000_000];
    assert_eq!(
        one_error(&bytes, &Limits::default()),
        "f: the file is too large, expected at most 33554432 bytes a file"
    );
}

#[test]
fn a_document_over_the_limit_is_refused_and_its_neighbours_do_not_count() {
    let document = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  k: \"{}\"\n",
        "x".repeat(40_000)
    );
    let three = format!("{document}---\n{document}---\n{document}");
    let set = ManifestSet::parse(
        &[File {
            name: "f",
            bytes: three.as_bytes(),
        }],
        &LIMITS,
        false,
    )
    .unwrap();
    assert_eq!(set.manifests.len(), 3);
    let large = format!("a: b\n---\nk: \"{}\"\n", "x".repeat(70_000));
    assert_eq!(
        one_error(large.as_bytes(), &LIMITS),
        "f, document 2, line 3: the document is too large, expected at most 65536 bytes and 5000 values a document"
    );
}

#[test]
fn a_bomb_of_aliases_does_not_go_off() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..40 {
        let row = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{row}]\n"));
    }
    let expected = "the document is too large once its aliases are replaced, expected at most 3145728 bytes and 500000 values a document";
    assert_eq!(
        one_error(text.as_bytes(), &Limits::default()),
        format!("f, document 1, line 6: {expected}")
    );
}

#[test]
fn a_long_text_repeated_by_aliases_counts_in_bytes() {
    let text = format!("t: &t \"{}\"\nl: [{}]\n", "x".repeat(1000), vec!["*t"; 100].join(", "));
    let error = one_error(text.as_bytes(), &LIMITS);
    assert!(error.contains("too large once its aliases are replaced"), "{error}");
}

#[test]
fn merge_keys_are_no_way_round_the_budget() {
    let base: String = (0..5000).map(|key| format!("  k{key}: v\n")).collect();
    let many = "- <<: *b\n".repeat(100_000);
    let text = format!("base: &b\n{base}list:\n{many}");
    let error = one_error(text.as_bytes(), &Limits::default());
    assert!(error.contains("too large once its aliases are replaced"), "{error}");
    let text = format!("a: &b {{x: 1}}\nm:\n{}", "  <<: *b\n".repeat(100_000));
    assert_eq!(
        one_error(text.as_bytes(), &Limits::default()),
        "f, document 1, line 4: the key \"<<\" stands twice"
    );
}

#[test]
fn depth_is_limited_in_every_style() {
    let flow = format!("a: {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let block: String = (0..1000).map(|level| format!("{}k:\n", " ".repeat(level))).collect();
    let dashes = format!("{}x\n", "- ".repeat(20_000));
    for text in [flow, block, dashes] {
        let error = one_error(text.as_bytes(), &Limits::default());
        assert!(error.contains("nest"), "{error}");
    }
    let mut text = String::from("a0: &a0 [x]\n");
    for level in 1..30 {
        text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(
        one_error(text.as_bytes(), &LIMITS),
        "f, document 1, line 21: lists and objects are nested too deep, expected at most 20 levels"
    );
}

#[test]
fn documents_are_counted() {
    assert_eq!(
        one_error("a: b\n---\n".repeat(30).as_bytes(), &LIMITS),
        "f, document 21, line 40: too many documents, expected at most 20 documents a file"
    );
}

#[test]
fn hostile_sizes_take_no_time() {
    let keys: String = (0..60_000).map(|key| format!("k{key}: v\n")).collect();
    let anchors: String = (0..20_000).map(|anchor| format!("- &a{anchor} x\n")).collect();
    let quotes = "\"".repeat(1_000_000);
    let text = format!("k: |\n{}", "  x\n".repeat(700_000));
    for text in [keys, anchors, quotes, text] {
        at_once(|| {
            ManifestSet::parse(
                &[File {
                    name: "f",
                    bytes: text.as_bytes(),
                }],
                &Limits::default(),
                false,
            )
            .unwrap_err()
        });
    }
}

#[test]
fn a_thousand_faults_cost_no_more_than_fifty() {
    let tasks: String = (0..5000)
        .map(|task| {
            format!(
                "  - {{name: task-number-{task}, taskRef: {{name: x}}, runAfter: [task-numbr-{task}], oops{task}: 1}}\n"
            )
        })
        .collect();
    let text = format!("apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {{name: p}}\nspec:\n  tasks:\n{tasks}");
    let files = [File {
        name: "f",
        bytes: text.as_bytes(),
    }];
    let Err(found) = at_once(|| ManifestSet::parse(&files, &Limits::default(), false)) else {
        panic!("accepted");
    };
    assert_eq!(found.len(), 51);
}

#[test]
fn a_pipeline_of_ten_thousand_tasks_is_read() {
    let tasks: String = (0..10_000)
        .map(|task| {
            format!(
                "  - {{name: t{task}, taskRef: {{name: x}}, runAfter: [{}]}}\n",
                if task == 0 {
                    String::new()
                } else {
                    format!("t{}", task - 1)
                }
            )
        })
        .collect();
    let text = format!("apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {{name: p}}\nspec:\n  tasks:\n{tasks}");
    let set = at_once(|| {
        ManifestSet::parse(
            &[File {
                name: "f",
                bytes: text.as_bytes(),
            }],
            &Limits::default(),
            true,
        )
        .unwrap()
    });
    assert_eq!(set.warnings, []);
}

#[test]
fn a_file_full_of_faults_ends_early() {
    let faults = "kind: X\n---\n".repeat(9000);
    let files = [File {
        name: "f",
        bytes: faults.as_bytes(),
    }];
    let Err(found) = at_once(|| ManifestSet::parse(&files, &Limits::default(), false)) else {
        panic!("accepted");
    };
    assert_eq!(found.len(), 1001);
    assert_eq!(
        found[1000].to_string(),
        "f: too much is wrong, the rest was not looked at"
    );
}

#[test]
fn a_file_full_of_warnings_is_accepted_whole() {
    let document = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nodd: 1\n---\n";
    let files = [File {
        name: "f",
        bytes: &document.repeat(1500).into_bytes(),
    }];
    let Ok(set) = at_once(|| ManifestSet::parse(&files, &Limits::default(), false)) else {
        panic!("refused")
    };
    assert_eq!(set.manifests.len(), 1500);
    assert_eq!(set.warnings.len(), 1001);
    assert_eq!(set.warnings[1000].to_string(), "f: 500 more problems are not told");
}
