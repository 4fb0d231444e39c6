//! What people do with `kubectl`: apply, create, wait, change, delete.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tidemill_kit::wait_until;

use super::fixtures::{LONG, PIPELINE, RUN, TASK};
use super::ground::Ground;
use super::program::{Program, SOON, contains, kubectl, refused};
use crate::Test;

/// What a test does with kubectl.
pub(super) type Body = fn(&Program) -> Result<()>;

/// Where pods have a kubelet, or Tidemill shows them; where the cluster's own kinds are Tidemill's.
const ALONE: [&str; 2] = ["logs_are_followed", "items_with_a_name_are_merged"];

pub(super) fn tests(ground: Ground) -> Vec<Test> {
    let all: [(&str, Body); 14] = [
        ("fields_have_managers", fields_have_managers),
        ("one_goes_over_to_server_side_apply", one_goes_over_to_server_side_apply),
        ("items_with_a_name_are_merged", items_with_a_name_are_merged),
        ("a_folder_is_applied_twice", a_folder_is_applied_twice),
        ("an_apply_changes_and_removes", an_apply_changes_and_removes),
        ("a_run_is_created_and_waited_for", a_run_is_created_and_waited_for),
        ("a_run_is_watched", a_run_is_watched),
        ("patches_and_labels", patches_and_labels),
        (
            "fields_that_do_not_exist_are_refused",
            fields_that_do_not_exist_are_refused,
        ),
        ("a_dry_run_stores_nothing", a_dry_run_stores_nothing),
        ("the_older_of_two_writers_loses", the_older_of_two_writers_loses),
        ("a_started_run_keeps_its_spec", a_started_run_keeps_its_spec),
        ("what_is_owned_goes_with_its_owner", what_is_owned_goes_with_its_owner),
        ("logs_are_followed", logs_are_followed),
    ];
    select(&all, &ALONE, ground)
        .map(|(name, body)| test(ground, "kubectl", name, body))
        .collect()
}

/// What of the tests makes sense there: all but those of `alone` where there is a cluster.
pub(super) fn select<T: Copy>(
    all: &[(&'static str, T)],
    alone: &[&str],
    ground: Ground,
) -> impl Iterator<Item = (&'static str, T)> {
    all.iter()
        .copied()
        .filter(move |(name, _)| ground == Ground::Alone || !alone.contains(name))
}

/// A test in a namespace of its own; skipped aloud without kubectl.
pub(super) fn test(ground: Ground, group: &str, name: &str, body: Body) -> Test {
    Test::new(format!("{}::{group}::{name}", ground.name()), move || {
        match kubectl(ground)? {
            Some(kubectl) => body(&kubectl),
            None => Ok(()),
        }
    })
}

/// With the pipeline and its task.
pub(super) fn furnish(kubectl: &Program) -> Result<()> {
    for text in [TASK, PIPELINE] {
        kubectl.feed(&["apply", "-f", "-"], text)?;
    }
    Ok(())
}

/// Creates an object from a text; gives `kind/name`.
pub(super) fn create(kubectl: &Program, text: &str) -> Result<String> {
    let name = kubectl.feed(&["create", "-f", "-", "-o", "name"], text)?;
    Ok(name.trim().to_owned())
}

/// The folder of objects that all tests of the project know, else the demonstration's.
fn folder() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .context("no root")?;
    let shared = root.parent().map(|above| above.join("shared/seed"));
    Ok(shared
        .filter(|path| path.is_dir())
        .unwrap_or_else(|| root.join("tests/e2e/fixtures/seed")))
}

fn a_folder_is_applied_twice(kubectl: &Program) -> Result<()> {
    let folder = folder()?;
    let path = folder.to_string_lossy();
    let first = kubectl.tell(&["apply", "-f", &path])?;
    contains(
        &first,
        &[
            "pipeline.tekton.dev/",
            "task.tekton.dev/",
            "secret/",
            "serviceaccount/",
            " created",
        ],
    )?;
    // Where defaults were filled in, or a Secret had stringData, kubectl sends a patch each time, as to
    // Tekton; nothing stored changes by it.
    let kinds = "pipeline,task,secret,serviceaccount,role,rolebinding,persistentvolumeclaim";
    let fields = "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}\n{end}";
    let before = kubectl.tell(&["get", kinds, "-o", fields])?;
    let again = kubectl.tell(&["apply", "-f", &path])?;
    for line in again.lines() {
        let known = line.ends_with(" unchanged") || line.ends_with(" configured");
        ensure!(known, "it is not as it was applied: {line}");
    }
    let after = kubectl.tell(&["get", kinds, "-o", fields])?;
    ensure!(before == after, "what was applied again changed:\n{before}\n{after}");
    let runs = kubectl.tell(&["get", "pipelinerun"])?;
    contains(&runs, &["NAME", "SUCCEEDED", "REASON", "STARTTIME", "COMPLETIONTIME"])
}

fn an_apply_changes_and_removes(kubectl: &Program) -> Result<()> {
    let apply = |text: &str| kubectl.feed(&["apply", "-f", "-"], text);
    let map = |data: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {data}\n");
    ensure!(apply(&map("{one: '1', two: '2'}"))? == "configmap/a created\n");
    ensure!(apply(&map("{two: '3'}"))? == "configmap/a configured\n");
    let data = kubectl.tell(&["get", "configmap", "a", "-o", "jsonpath={.data}"])?;
    ensure!(data == r#"{"two":"3"}"#, "{data}");
    let account =
        |names: &str| format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: a}}\nsecrets: [{names}]\n");
    apply(&account("{name: one}, {name: two}"))?;
    apply(&account("{name: two}, {name: three}"))?;
    let names = kubectl.tell(&["get", "sa", "a", "-o", "jsonpath={.secrets[*].name}"])?;
    ensure!(names == "two three", "{names}");
    furnish(kubectl)?;
    let changed = TASK.replace("default: world", "default: moon");
    ensure!(apply(&changed)? == "task.tekton.dev/greet configured\n");
    let value = kubectl.tell(&["get", "task", "greet", "-o", "jsonpath={.spec.params[0].default}"])?;
    ensure!(value == "moon", "{value}");
    // The same in the older version: nothing changes, and it can be read there.
    let older = kubectl.tell(&[
        "get",
        "tasks.v1beta1.tekton.dev",
        "greet",
        "-o",
        "jsonpath={.apiVersion}",
    ])?;
    ensure!(older == "tekton.dev/v1beta1", "{older}");
    Ok(())
}

fn fields_have_managers(kubectl: &Program) -> Result<()> {
    let by = |manager: &str, text: &str, more: &[&str]| {
        let manager = format!("--field-manager={manager}");
        kubectl.fed(&[&["apply", "--server-side", "-f", "-", &manager], more].concat(), text)
    };
    let field = |path: &str| {
        kubectl.tell(&[
            "get",
            "task",
            "greet",
            "--show-managed-fields",
            "-o",
            &format!("jsonpath={path}"),
        ])
    };
    let said = kubectl.feed(&["apply", "--server-side", "-f", "-"], TASK)?;
    ensure!(said == "task.tekton.dev/greet serverside-applied\n", "{said}");
    // Another says more of it, and the first does not take that away.
    let label = "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: greet, labels: {team: blue}}\n";
    ensure!(by("second", label, &[])?.status.success());
    kubectl.feed(&["apply", "--server-side", "-f", "-"], TASK)?;
    ensure!(field("{.metadata.labels.team}")? == "blue");
    let managers = field("{.metadata.managedFields[*].manager}")?;
    ensure!(managers == "kubectl second", "{managers}");
    // What is the first's is his until it is taken.
    let other = TASK.replace("Says hello and goodbye.", "Says nothing.");
    let arguments = ["apply", "--server-side"];
    refused(
        &arguments,
        &by("second", &other, &[])?,
        &[
            "Apply failed with 1 conflict",
            "conflict with \"kubectl\"",
            ".spec.description",
        ],
    )?;
    ensure!(by("second", &other, &["--force-conflicts"])?.status.success());
    ensure!(field("{.spec.description}")? == "Says nothing.");
    // What is said no more goes.
    ensure!(
        by("second", &other.replace("  description: Says nothing.\n", ""), &[])?
            .status
            .success()
    );
    let left = field("{.metadata.labels}{.spec.description}")?;
    ensure!(
        left.is_empty() || !left.contains("blue") && !left.contains("nothing"),
        "{left}"
    );
    // An edit makes what it changes the editor's.
    kubectl.tell(&["label", "task", "greet", "team=red"])?;
    refused(
        &arguments,
        &by("third", label, &[])?,
        &["conflict with \"kubectl-label\"", ".metadata.labels.team"],
    )
}

fn one_goes_over_to_server_side_apply(kubectl: &Program) -> Result<()> {
    let apply = |text: &str, more: &[&str]| kubectl.feed(&[&["apply", "-f", "-"], more].concat(), text);
    apply(TASK, &[])?;
    // What the same person applied before is no conflict, and goes when it is said no more.
    let other = TASK.replace("Says hello and goodbye.", "Says nothing.");
    apply(&other, &["--server-side"])?;
    let shown = |path: &str| {
        let path = format!("jsonpath={path}");
        kubectl.tell(&["get", "task", "greet", "--show-managed-fields", "-o", &path])
    };
    ensure!(shown("{.spec.description}")? == "Says nothing.");
    let managers = shown("{.metadata.managedFields[*].manager}")?;
    ensure!(!managers.contains("kubectl-client-side-apply"), "{managers}");
    apply(&other.replace("  description: Says nothing.\n", ""), &["--server-side"])?;
    ensure!(shown("{.spec.description}")?.is_empty());
    Ok(())
}

fn items_with_a_name_are_merged(kubectl: &Program) -> Result<()> {
    let by = |manager: &str, secrets: &str| {
        let account =
            format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: robot}}\nsecrets: [{secrets}]\n");
        let manager = format!("--field-manager={manager}");
        kubectl.feed(&["apply", "--server-side", "-f", "-", &manager], &account)
    };
    let names = || kubectl.tell(&["get", "serviceaccount", "robot", "-o", "jsonpath={.secrets[*].name}"]);
    by("first", "{name: a}, {name: b}")?;
    by("second", "{name: c}")?;
    ensure!(names()? == "a b c", "{}", names()?);
    by("first", "{name: b}")?;
    ensure!(names()? == "b c", "{}", names()?);
    Ok(())
}

fn a_run_is_created_and_waited_for(kubectl: &Program) -> Result<()> {
    furnish(kubectl)?;
    let run = create(kubectl, RUN)?;
    let name = run
        .strip_prefix("pipelinerun.tekton.dev/")
        .context("no run was named")?;
    ensure!(name.starts_with("greetings-run-") && name.len() > 14, "{name}");
    let waited = kubectl.tell(&["wait", "--for=condition=Succeeded", "--timeout=60s", &run])?;
    ensure!(waited == format!("{run} condition met\n"), "{waited}");
    let row = kubectl.tell(&["get", "pr", name])?;
    contains(&row, &[name, "True", "Succeeded"])?;
    let result = kubectl.tell(&["get", &run, "-o", "jsonpath={.status.results[0].value}"])?;
    ensure!(result == "4", "{result}");
    let described = kubectl.tell(&["describe", &run])?;
    contains(
        &described,
        &["Name:", "greetings-run-", "team=blue", "Succeeded", "Events:"],
    )?;
    let field = format!("involvedObject.name={name},involvedObject.kind=PipelineRun");
    let reasons = [
        "get",
        "events",
        "--field-selector",
        &field,
        "-o",
        "jsonpath={.items[*].reason}",
    ];
    let told = kubectl.until(&reasons, "Succeeded")?;
    contains(&told, &["Started"])?;
    contains(&kubectl.tell(&["describe", &run])?, &["Tasks Completed: 2"])?;
    let all = kubectl.until(&["get", "events"], "Succeeded")?;
    contains(&all, &["LAST SEEN", &format!("pipelinerun/{name}")])?;
    let selected = kubectl.tell(&[
        "get",
        "taskrun",
        "-l",
        &format!("tekton.dev/pipelineRun={name}"),
        "-o",
        "name",
    ])?;
    ensure!(selected.lines().count() == 2, "{selected}");
    let one = kubectl.tell(&[
        "get",
        "pr",
        "--field-selector",
        &format!("metadata.name={name}"),
        "-o",
        "name",
    ])?;
    ensure!(one.trim() == run, "{one}");
    Ok(())
}

fn a_run_is_watched(kubectl: &Program) -> Result<()> {
    furnish(kubectl)?;
    // It waits until the watch has begun, however long that takes.
    let name = "greetings-watched";
    let pending = RUN.replace("generateName: greetings-run-", &format!("name: {name}"));
    create(kubectl, &(pending + "  status: PipelineRunPending\n"))?;
    let mut watching = kubectl.start(&["get", "pipelinerun", "--watch"])?;
    let begun = wait_until(SOON, || watching.spoken().contains(name) || watching.has_ended());
    ensure!(begun, "the watch shows nothing:\n{}", watching.spoken());
    let go = r#"{"spec":{"status":null}}"#;
    kubectl.tell(&["patch", "pipelinerun", name, "--type=merge", "-p", go])?;
    let done = |text: &str| {
        text.lines()
            .any(|line| line.starts_with(name) && line.contains("Succeeded"))
    };
    let seen = wait_until(SOON, || done(&watching.spoken()) || watching.has_ended());
    let spoken = watching.spoken();
    ensure!(seen && done(&spoken), "the watch did not show the end:\n{spoken}");
    let mut lines = spoken.lines().filter(|line| line.starts_with(name));
    let first = lines.next().unwrap_or_default();
    ensure!(
        !first.contains("True"),
        "the run was over when it was first seen:\n{spoken}"
    );
    ensure!(
        spoken.matches("SUCCEEDED").count() == 1,
        "the head is said once:\n{spoken}"
    );
    Ok(())
}

fn patches_and_labels(kubectl: &Program) -> Result<()> {
    furnish(kubectl)?;
    kubectl.tell(&["label", "pipeline", "greetings", "team=red"])?;
    kubectl.tell(&["annotate", "pipeline", "greetings", "note=first"])?;
    kubectl.tell(&["label", "pipeline", "greetings", "team=green", "--overwrite"])?;
    kubectl.refused(
        &["label", "pipeline", "greetings", "team=blue"],
        &["already has a value"],
    )?;
    kubectl.tell(&[
        "patch",
        "pipeline",
        "greetings",
        "--type=merge",
        "-p",
        r#"{"metadata":{"labels":{"a":"b"}}}"#,
    ])?;
    let operations = r#"[{"op":"replace","path":"/spec/description","value":"Twice."}]"#;
    kubectl.tell(&["patch", "pipeline", "greetings", "--type=json", "-p", operations])?;
    kubectl.tell(&["annotate", "pipeline", "greetings", "note-"])?;
    let found = kubectl.tell(&[
        "get",
        "pipeline",
        "-l",
        "team=green,a in (b,c)",
        "-o",
        "jsonpath={.items[0].spec.description}",
    ])?;
    ensure!(found == "Twice.", "{found}");
    kubectl.tell(&["create", "configmap", "a", "--from-literal=one=1"])?;
    kubectl.tell(&["patch", "configmap", "a", "-p", r#"{"data":{"two":"2"}}"#])?;
    let data = kubectl.tell(&["get", "configmap", "a", "-o", "jsonpath={.data}"])?;
    ensure!(data == r#"{"one":"1","two":"2"}"#, "{data}");
    // The default type is for core kinds only, as with every custom resource.
    let strategic = [
        "patch",
        "pipeline",
        "greetings",
        "-p",
        r#"{"metadata":{"labels":{"a":"b"}}}"#,
    ];
    kubectl.refused(&strategic, &["unknown format"])
}

fn fields_that_do_not_exist_are_refused(kubectl: &Program) -> Result<()> {
    let task = TASK.replace("      script: echo", "      scripd: echo");
    let arguments = ["apply", "-f", "-"];
    refused(&arguments, &kubectl.fed(&arguments, &task)?, &["scripd"])?;
    let arguments = ["create", "-f", "-", "--validate=warn"];
    let warned = kubectl.fed(
        &arguments,
        &TASK.replace("      image: busybox", "      image: busybox\n      odd: 1"),
    )?;
    let text = String::from_utf8_lossy(&warned.stderr).into_owned();
    ensure!(warned.status.success(), "{text}");
    contains(&text, &["Warning:", "odd"])?;
    // An API server asks for the descriptions of others now and then.
    let explained = kubectl.until(&["explain", "pipelinerun.spec.timeouts"], "FIELD: timeouts")?;
    contains(
        &explained,
        &[
            "PipelineRun",
            "VERSION:    v1",
            "FIELD: timeouts",
            "pipeline",
            "finally",
        ],
    )?;
    let explained = kubectl.tell(&["explain", "task.spec.steps"])?;
    contains(&explained, &["script", "workingDir", "onError"])
}

fn a_dry_run_stores_nothing(kubectl: &Program) -> Result<()> {
    let said = kubectl.feed(&["apply", "-f", "-", "--dry-run=server"], TASK)?;
    ensure!(said == "task.tekton.dev/greet created (server dry run)\n", "{said}");
    kubectl.refused(
        &["get", "task", "greet"],
        &["Error from server (NotFound): tasks.tekton.dev \"greet\" not found"],
    )
}

fn the_older_of_two_writers_loses(kubectl: &Program) -> Result<()> {
    furnish(kubectl)?;
    let object = kubectl.tell(&["get", "pipeline", "greetings", "-o", "json"])?;
    kubectl.feed(
        &["replace", "-f", "-"],
        &object.replace("\"default\": \"world\"", "\"default\": \"moon\""),
    )?;
    let arguments = ["replace", "-f", "-"];
    let late = kubectl.fed(
        &arguments,
        &object.replace("\"default\": \"world\"", "\"default\": \"sun\""),
    )?;
    refused(&arguments, &late, &["(Conflict)", "the object has been modified"])?;
    let value = kubectl.tell(&[
        "get",
        "pipeline",
        "greetings",
        "-o",
        "jsonpath={.spec.params[0].default}",
    ])?;
    ensure!(value == "moon", "{value}");
    let twice = ["create", "-f", "-"];
    refused(
        &twice,
        &kubectl.fed(&twice, PIPELINE)?,
        &["(AlreadyExists)", "pipelines.tekton.dev \"greetings\" already exists"],
    )
}

fn a_started_run_keeps_its_spec(kubectl: &Program) -> Result<()> {
    create(kubectl, LONG)?;
    kubectl.until(&["get", "pr", "long"], "Running")?;
    let change = r#"{"spec":{"timeouts":{"pipeline":"5m"}}}"#;
    kubectl.refused(
        &["patch", "pr", "long", "--type=merge", "-p", change],
        &["Once the PipelineRun has started, only status updates are allowed"],
    )?;
    // As tkn cancels: the field is not there yet.
    let cancel = r#"[{"op":"replace","path":"/spec/status","value":"Cancelled"}]"#;
    kubectl.tell(&["patch", "pr", "long", "--type=json", "-p", cancel])?;
    kubectl.tell(&["wait", "--for=condition=Succeeded=False", "--timeout=60s", "pr/long"])?;
    contains(&kubectl.tell(&["get", "pr", "long"])?, &["False", "Cancelled"])
}

fn what_is_owned_goes_with_its_owner(kubectl: &Program) -> Result<()> {
    furnish(kubectl)?;
    let (first, second) = (create(kubectl, RUN)?, create(kubectl, RUN)?);
    for run in [&first, &second] {
        kubectl.tell(&["wait", "--for=condition=Succeeded", "--timeout=60s", run])?;
    }
    let deleted = kubectl.tell(&["delete", &first])?;
    contains(&deleted, &["deleted"])?;
    kubectl.refused(&["get", &first], &["NotFound"])?;
    let name = first.rsplit('/').next().unwrap_or_default();
    let children = format!("tekton.dev/pipelineRun={name}");
    let gone = wait_until(SOON, || {
        kubectl
            .tell(&["get", "taskrun,pod", "-l", &children, "-o", "name"])
            .is_ok_and(|text| text.is_empty())
    });
    ensure!(gone, "the task runs of a deleted run stay");
    kubectl.tell(&["delete", "pr", "--all", "--cascade=foreground"])?;
    ensure!(
        kubectl.tell(&["get", "taskrun", "-o", "name"])?.is_empty(),
        "foreground left task runs"
    );
    Ok(())
}

fn logs_are_followed(kubectl: &Program) -> Result<()> {
    create(kubectl, LONG)?;
    kubectl.until(&["get", "pr", "long"], "Running")?;
    kubectl.until(&["get", "pods"], "Running")?;
    let mut following = kubectl.start(&["logs", "-f", "long-wait-pod", "-c", "step-wait"])?;
    following.wait_until_says("waiting", SOON)?;
    ensure!(!following.has_ended(), "following ended while the step runs");
    let cancel = r#"{"spec":{"status":"Cancelled"}}"#;
    kubectl.tell(&["patch", "pr", "long", "--type=merge", "-p", cancel])?;
    following.wait(SOON)?;
    furnish(kubectl)?;
    let run = create(kubectl, RUN)?;
    kubectl.tell(&["wait", "--for=condition=Succeeded", "--timeout=60s", &run])?;
    let pod = format!("{}-first-pod", run.rsplit('/').next().unwrap_or_default());
    ensure!(kubectl.tell(&["logs", &pod, "-c", "step-hello"])? == "Hello, Jane\n");
    let all = kubectl.tell(&["logs", &pod, "--all-containers", "--prefix"])?;
    contains(&all, &["step-hello] Hello, Jane", "step-goodbye] Goodbye, Jane"])?;
    let stamped = kubectl.tell(&["logs", &pod, "-c", "step-hello", "--timestamps", "--tail=1"])?;
    ensure!(stamped.starts_with("20") && stamped.contains("Z Hello"), "{stamped}");
    ensure!(
        kubectl
            .tell(&["logs", &pod, "-c", "step-hello", "--since-time=2999-01-01T00:00:00Z"])?
            .is_empty()
    );
    kubectl.refused(&["logs", &pod, "-c", "step-odd"], &["step-odd"])
}
