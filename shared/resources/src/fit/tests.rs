use crate::manifest::{Diagnostic, File, Limits, ManifestSet};

const TASK: &str = "\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: image}
spec:
  params: [{name: tag}, {name: files, type: array}, {name: at, properties: {host: {}, port: {}}, default: {port: '1'}}, {name: mode, enum: [a, b], default: a}]
  workspaces: [{name: source}, {name: cache, optional: true}]
  results: [{name: digest}]
  steps: [{image: i}]
";

fn misfits(text: &str) -> Vec<String> {
    let files = [
        File {
            name: "task",
            bytes: TASK.as_bytes(),
        },
        File {
            name: "f",
            bytes: text.as_bytes(),
        },
    ];
    let set = ManifestSet::parse(&files, &Limits::default(), true).unwrap();
    set.misfits("default").iter().map(Diagnostic::to_string).collect()
}

fn pipeline(tasks: &str) -> Vec<String> {
    misfits(&format!(
        "apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {{name: p}}\nspec: {{workspaces: [{{name: w}}], tasks: [{tasks}]}}\n"
    ))
}

#[test]
fn a_call_gives_what_its_task_needs() {
    let call = "{name: a, taskRef: {name: image}, workspaces: [{name: source, workspace: w}], params: [{name: tag, value: x}, \
        {name: files, value: $(tasks.b.results.list)}, {name: at, value: {host: h}}, {name: more, value: ok}]}";
    assert_eq!(
        pipeline(&format!("{call}, {{name: b, taskRef: {{name: other}}}}")),
        Vec::<String>::new()
    );
}

#[test]
fn what_is_missing_or_mistyped_is_told() {
    assert_eq!(
        pipeline(
            "{name: a, taskRef: {name: image}, params: [{name: tg, value: x}, {name: files, value: one}, {name: at, value: {port: '2'}}, {name: mode, value: c}]}"
        ),
        [
            r#"f, document 1, spec.tasks[0].params: Task "image" needs the parameter "tag" (did you mean "tg"?)"#,
            r#"f, document 1, spec.tasks[0].params[1].value: a value of type string, expected type array, as "files" is declared"#,
            r#"f, document 1, spec.tasks[0].params[2].value: the key "host" is missing"#,
            r#"f, document 1, spec.tasks[0].params[3].value: "c" is not allowed, expected a or b"#,
            r#"f, document 1, spec.tasks[0].workspaces: Task "image" needs the workspace "source""#,
        ]
    );
}

#[test]
fn results_are_those_of_the_task() {
    let call = "taskRef: {name: image}, matrix: {params: [{name: tag, value: [x]}]}, params: [{name: files, value: []}, {name: at, value: {host: h}}]";
    let found = pipeline(&format!(
        "{{name: a, {call}}}, {{name: b, taskRef: {{name: other}}, params: [{{name: p, value: $(tasks.a.results.digst)}}]}}"
    ));
    assert_eq!(
        found[1..],
        [
            r#"f, document 1, spec.tasks[1].params[0].value: $(tasks.a.results.digst): the Task declares no result "digst" (did you mean "digest"?)"#
        ]
    );
}

#[test]
fn runs_give_what_they_start_needs() {
    let run = "apiVersion: tekton.dev/v1beta1\nkind: PipelineRun\nmetadata: {name: r}\nspec: {pipelineRef: {name: p}}\n---\napiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: p}\nspec: {params: [{name: url}], workspaces: [{name: w}, {name: o, optional: true}], tasks: [{name: t, taskRef: {name: x}}]}\n";
    assert_eq!(
        misfits(run),
        [
            r#"f, document 1, spec.params: Pipeline "p" needs the parameter "url""#,
            r#"f, document 1, spec.workspaces: Pipeline "p" needs the workspace "w""#,
        ]
    );
    let run = "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {name: r}\nspec: {taskRef: {name: image}, params: [{name: tag, value: [x]}, {name: files, value: []}, {name: at, value: {host: h}}], workspaces: [{name: source, emptyDir: {}}]}\n";
    assert_eq!(
        misfits(run),
        [r#"f, document 1, spec.params[0].value: a value of type array, expected type string, as "tag" is declared"#]
    );
    let elsewhere = run.replace("{name: r}", "{name: r, namespace: lab}");
    assert_eq!(
        misfits(&elsewhere),
        Vec::<String>::new(),
        "the Task is in another namespace"
    );
}
