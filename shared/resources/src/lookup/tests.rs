use std::collections::BTreeSet;

use super::{Lookup, Nothing, missing};
use crate::manifest::{Diagnostic, File, Limits, ManifestSet};

const TASK: &str = "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: docker}\nspec: {steps: [{image: i}]}\n";
const PIPELINE: &str = "\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata:
  name: p
spec:
  tasks:
  - {name: a, taskRef: {name: docker}}
  - name: b
    taskRef:
      name: docker-911
  - {name: c, taskRef: {name: anything, kind: Odd, apiVersion: example.com/v1}}
  - {name: d, taskRef: {resolver: git}}
  - name: e
    pipelineSpec: {tasks: [{name: x, taskRef: {name: other}}]}
  finally:
  - {name: f, taskRef: {name: $(params.which)}}
  - {name: g, taskRef: {name: zzz}}
  params: [{name: which}]
";
const RUN: &str = "\
apiVersion: tekton.dev/v1beta1
kind: PipelineRun
metadata: {name: r}
spec:
  pipelineRef: {name: q}
  serviceAccountName: bot
  workspaces:
  - {name: a, persistentVolumeClaim: {claimName: data}}
  - {name: b, secret: {secretName: key}}
";

fn set(texts: &[&str]) -> ManifestSet {
    let files: Vec<File<'_>> = texts
        .iter()
        .map(|text| File {
            name: "pipeline.yaml",
            bytes: text.as_bytes(),
        })
        .collect();
    ManifestSet::parse(&files, &Limits::default(), true).unwrap()
}

fn lines(found: &[Diagnostic]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

struct Server;

impl Lookup for Server {
    fn names(&self, kind: &str, namespace: &str) -> Option<BTreeSet<String>> {
        let names: &[&str] = match (kind, namespace) {
            ("Task", "default") => &["docker-911", "zzz", "other"],
            ("PersistentVolumeClaim", _) => &["one", "two", "three", "four", "five", "six"],
            _ => &[],
        };
        Some(names.iter().map(|name| (*name).to_owned()).collect())
    }
}

#[test]
fn a_missing_task_is_told_with_the_nearest_one() {
    assert_eq!(
        lines(&set(&[TASK, PIPELINE]).dangling("default", &Nothing)),
        [
            r#"pipeline.yaml, document 1, spec.tasks[1].taskRef.name: no Task "docker-911" in namespace "default"; there is "docker""#,
            r#"pipeline.yaml, document 1, spec.tasks[4].pipelineSpec.tasks[0].taskRef.name: no Task "other" in namespace "default"; there is "docker""#,
            r#"pipeline.yaml, document 1, spec.finally[1].taskRef.name: no Task "zzz" in namespace "default"; there is "docker""#,
        ]
    );
    assert_eq!(
        lines(&set(&[TASK, PIPELINE]).dangling("default", &Server)),
        Vec::<String>::new()
    );
    let elsewhere = lines(&set(&[PIPELINE]).dangling("elsewhere", &Server));
    assert!(
        elsewhere[0].ends_with(r#"no Task "docker" in namespace "elsewhere"; there is none"#),
        "{elsewhere:?}"
    );
}

#[test]
fn what_a_run_needs_is_told_once_a_server_knows() {
    assert_eq!(
        lines(&set(&[RUN]).dangling("default", &Nothing)),
        [r#"pipeline.yaml, document 1, spec.pipelineRef.name: no Pipeline "q" in namespace "default"; there is none"#]
    );
    assert_eq!(
        lines(&set(&[RUN]).dangling("default", &Server))[1..],
        [
            r#"pipeline.yaml, document 1, spec.serviceAccountName: no ServiceAccount "bot" in namespace "default"; there is none"#,
            r#"pipeline.yaml, document 1, spec.workspaces[0].persistentVolumeClaim.claimName: no PersistentVolumeClaim "data" in namespace "default"; there is "five", "four", "one", "six", "three" and 1 more"#,
            r#"pipeline.yaml, document 1, spec.workspaces[1].secret.secretName: no Secret "key" in namespace "default"; there is none"#,
        ]
    );
}

#[test]
fn the_text_is_the_same_for_whoever_asks() {
    let existing = ["docker".to_owned()].into();
    assert_eq!(
        missing("Task", "docker-911", "default", &existing),
        r#"no Task "docker-911" in namespace "default"; there is "docker""#
    );
}
