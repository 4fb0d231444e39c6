use serde_json::{Value, json};

use super::{Failure, View, object, pipeline, pipeline_run, task_run};
use crate::output::Palette;

const VIEW: View = View {
    palette: Palette::SIGNS,
    now: jiff::Timestamp::constant(1_000_000_000, 0),
    columns: 0,
};

/// Compares with `tests/<name>.txt`; `UPDATE=1` writes it instead.
fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/describe/tests/{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{}", path.display());
}

/// The time `seconds` before now.
fn ago(seconds: i64) -> String {
    let time = VIEW.now.as_second() - seconds;
    jiff::Timestamp::from_second(time).unwrap().to_string()
}

fn child(task: &str, started: i64, ended: i64) -> Value {
    json!({
        "metadata": {"name": format!("shop-7-{task}"), "namespace": "default",
                     "labels": {"tekton.dev/pipelineTask": task}},
        "status": {"startTime": ago(started), "completionTime": ago(ended),
                   "conditions": [{"type": "Succeeded", "status": "True", "reason": "Succeeded"}]},
    })
}

fn run() -> Value {
    let params: Vec<Value> = [
        ("source", "file:///srv/git/shop.git"),
        ("image", "registry.example.com/shop:1.4.0"),
        ("folder", "deploy"),
        ("release", "shop"),
        ("target", "production"),
        ("settings", "replicas=3,log.level=info"),
        ("profile", "large.yaml"),
    ]
    .iter()
    .map(|(name, value)| json!({"name": name, "value": value}))
    .collect();
    json!({
        "metadata": {"name": "shop-7", "namespace": "default", "labels": {"tekton.dev/pipeline": "shop"}},
        "spec": {
            "pipelineRef": {"name": "shop"},
            "taskRunTemplate": {"serviceAccountName": "builder"},
            "timeouts": {"pipeline": "1h0m0s"},
            "params": params,
            "workspaces": [{"name": "sources", "persistentVolumeClaim": {"claimName": "sources"}}],
        },
        "status": {
            "startTime": ago(250), "completionTime": ago(100),
            "conditions": [{"type": "Succeeded", "status": "True", "reason": "Completed", "message": "Tasks Completed: 5"}],
            "skippedTasks": [{"name": "rollback", "reason": "When Expressions evaluated to false"}],
        },
    })
}

#[test]
fn a_run_has_the_sections_of_tkn() {
    let children = [
        child("clone", 250, 244),
        child("test", 243, 239),
        child("build", 242, 231),
        child("docker", 241, 186),
        child("deploy", 185, 111),
    ];
    golden("pipeline_run", &pipeline_run(VIEW, &run(), &children, &[]));
}

#[test]
fn pages_fit_their_terminal() {
    let children = [
        child("clone", 250, 244),
        child("a-task-with-a-rather-long-name", 243, 239),
    ];
    for columns in [120, 80, 60, 44] {
        for palette in [Palette::SIGNS, Palette::PLAIN] {
            let view = View {
                palette,
                columns,
                ..VIEW
            };
            let text = pipeline_run(view, &run(), &children, &[]);
            for line in text.lines() {
                assert!(crate::output::width(line) <= columns, "{columns}: {line}");
            }
            let words: String = text.split_whitespace().collect();
            assert!(words.contains("registry.example.com/shop:1.4.0"), "{text}");
        }
    }
}

#[test]
fn without_signs_and_colour_it_is_ascii() {
    let view = View {
        palette: Palette::PLAIN,
        ..VIEW
    };
    let text = pipeline_run(view, &run(), &[child("clone", 250, 244)], &[]);
    assert!(text.is_ascii(), "{text}");
    assert!(text.contains("\nTaskruns\n\n NAME             TASK NAME   STARTED         DURATION   STATUS\n"));
    assert!(
        text.contains(" * shop-7-clone   clone       4 minutes ago   6s         Succeeded\n"),
        "{text}"
    );
}

#[test]
fn a_failed_run_says_who_started_it_and_why_it_failed() {
    let mut failed = run();
    failed["metadata"]["annotations"] = json!({
        "tidemill.dev/started-by": "ada, tidemill run",
        "tidemill.dev/releases": "production/shop failed at revision 5, rolled back to revision 4; production/cache",
    });
    failed["status"]["spanContext"] = json!({"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"});
    failed["status"]["conditions"] = json!([{"type": "Succeeded", "status": "False", "reason": "Failed",
        "message": "Tasks Completed: 2 (Failed: 1, Cancelled 0), Skipped: 1"}]);
    failed["status"]["skippedTasks"] = json!([{"name": "rollback", "reason": "PipelineRun was stopping"}]);
    failed["status"]["results"] =
        json!([{"name": "commit", "value": "3f2c1aa"}, {"name": "tags", "value": ["a", "b"]}]);
    failed["spec"]["params"] = json!([]);
    let mut deploy = child("deploy", 60, 29);
    deploy["status"]["conditions"] = json!([{"status": "False", "reason": "Failed", "message": "step upgrade failed"}]);
    let failure = Failure {
        task: "deploy".to_owned(),
        step: "upgrade".to_owned(),
        what: "exited 1 after 31s".to_owned(),
        log: vec!["+ helm".to_owned(), "Error: UPGRADE FAILED".to_owned()],
        ..Failure::default()
    };
    golden(
        "failed_run",
        &pipeline_run(VIEW, &failed, &[child("clone", 70, 64), deploy], &[failure]),
    );
}

#[test]
fn a_task_run_shows_its_steps_and_attempts() {
    let run = json!({
        "metadata": {"name": "r-deploy", "namespace": "ci", "labels": {"tekton.dev/pipelineTask": "deploy"}},
        "spec": {"taskRef": {"name": "deploy"}, "timeout": "1h0m0s"},
        "status": {
            "startTime": ago(40), "podName": "r-deploy-pod",
            "conditions": [{"status": "Unknown", "reason": "Running"}],
            "retriesStatus": [{"startTime": ago(90), "completionTime": ago(50),
                               "conditions": [{"status": "False", "message": "step upgrade exited 1"}]}],
            "steps": [
                {"name": "a", "terminationReason": "Completed", "terminated": {"exitCode": 0,
                 "startedAt": ago(40), "finishedAt": ago(30)}},
                {"name": "b", "terminationReason": "Continued", "terminated": {"exitCode": 3,
                 "startedAt": ago(30), "finishedAt": ago(29)}},
                {"name": "c", "running": {"startedAt": ago(29)}},
                {"name": "d", "waiting": {"reason": "PodInitializing"}},
            ],
        },
    });
    golden("task_run", &task_run(VIEW, &run, &[]));
}

#[test]
fn a_pipeline_shows_what_it_wants() {
    let definition = json!({
        "metadata": {"name": "p", "namespace": "ci", "creationTimestamp": ago(7200)},
        "spec": {
            "description": "Builds and deploys.",
            "params": [{"name": "url"}, {"name": "tags", "type": "array", "default": ["a", "b"]}],
            "workspaces": [{"name": "source", "optional": true}],
            "tasks": [{"name": "clone", "taskRef": {"name": "git-clone"}},
                      {"name": "build", "taskSpec": {}, "runAfter": ["clone"]}],
            "finally": [{"name": "tell", "taskRef": {"name": "tell"}}],
        },
    });
    let runs = [
        json!({"metadata": {"name": "p-run-1"}, "status": {"startTime": ago(100), "completionTime": ago(40),
        "conditions": [{"status": "True", "reason": "Succeeded"}]}}),
    ];
    golden("pipeline", &pipeline(VIEW, &definition, &runs));
}

#[test]
fn the_values_of_a_secret_are_not_shown() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ci",
        "creationTimestamp": ago(5)}, "data": {"password": "aHVudGVyMg=="}});
    let text = object(VIEW, &secret).unwrap();
    assert!(text.contains(" ∙ password   7 bytes\n"), "{text}");
    assert!(!text.contains("aHVudGVyMg"));
}

#[test]
fn other_kinds_show_their_content_as_yaml() {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"key": "value"}});
    let text = object(VIEW, &map).unwrap();
    assert!(text.contains("Kind:      ConfigMap (v1)\n"), "{text}");
    assert!(text.ends_with("\n\ndata:\n  key: value\n"), "{text}");
}
