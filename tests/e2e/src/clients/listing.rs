//! What `kubectl` shows: lists in pages, tables, what there is.

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use super::fixtures::{LISTENER, RUN, TASK};
use super::ground::Ground;
use super::kubectl::{Body, create, furnish, test};
use super::program::{Program, contains, rows};
use crate::Test;

pub(super) fn tests(ground: Ground) -> Vec<Test> {
    let all: [(&str, Body); 6] = [
        ("objects_are_compared_and_edited", objects_are_compared_and_edited),
        ("a_status_is_a_part_of_its_own", a_status_is_a_part_of_its_own),
        ("a_listener_says_where_it_is", a_listener_says_where_it_is),
        ("lists_come_in_pages", lists_come_in_pages),
        ("what_is_served_is_told", what_is_served_is_told),
        (
            "both_versions_of_a_trigger_are_served",
            both_versions_of_a_trigger_are_served,
        ),
    ];
    all.into_iter()
        .map(|(name, body)| test(ground, "listing", name, body))
        .collect()
}

fn a_listener_says_where_it_is(kubectl: &Program) -> Result<()> {
    kubectl.feed(&["apply", "-f", "-"], LISTENER)?;
    let shown = kubectl.until(&["get", "eventlistener", "pushes"], "True")?;
    let rows = rows(&shown);
    ensure!(
        rows[0] == ["NAME", "ADDRESS", "AVAILABLE", "REASON", "READY", "REASON"],
        "{shown}"
    );
    let address = format!("http://el-pushes.{}.svc.cluster.local:8080", kubectl.namespace());
    ensure!(
        rows[1] == ["pushes", &address, "True", "MinimumReplicasAvailable", "True"],
        "{shown}"
    );
    Ok(())
}

fn lists_come_in_pages(kubectl: &Program) -> Result<()> {
    let mut text = String::new();
    for number in 0..25 {
        write!(
            text,
            "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {{name: task-{number:02}}}\n\
             spec: {{steps: [{{image: busybox, script: 'true'}}]}}\n---\n"
        )?;
    }
    kubectl.feed(&["create", "-f", "-"], &text)?;
    let whole = kubectl.tell(&["get", "tasks", "-o", "name"])?;
    let paged = kubectl.tell(&["get", "tasks", "-o", "name", "--chunk-size=4"])?;
    ensure!(whole == paged && whole.lines().count() == 25, "{paged}");
    let table = kubectl.tell(&["get", "tasks", "--chunk-size=4", "--no-headers"])?;
    ensure!(table.lines().count() == 25, "{table}");
    let sorted = kubectl.tell(&["get", "tasks", "--sort-by=.metadata.name", "--no-headers"])?;
    ensure!(sorted.starts_with("task-00"), "{sorted}");
    kubectl.tell(&["delete", "tasks", "--all"])?;
    let path = format!("/apis/tekton.dev/v1/namespaces/{}/tasks?limit=1", kubectl.namespace());
    contains(&kubectl.tell(&["get", "--raw", &path])?, &["\"items\":[]"])
}

fn what_is_served_is_told(kubectl: &Program) -> Result<()> {
    let resources = kubectl.tell(&["api-resources"])?;
    let lines = [
        "pipelineruns pr,prs tekton.dev/v1 true PipelineRun",
        "eventlisteners el triggers.tekton.dev/v1beta1 true EventListener",
        "customruns tekton.dev/v1beta1 true CustomRun",
        "selfsubjectaccessreviews authorization.k8s.io/v1 false SelfSubjectAccessReview",
    ];
    let told: Vec<String> = resources
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for line in lines {
        ensure!(
            told.iter().any(|told| told == line),
            "{line:?} is missing in:\n{resources}"
        );
    }
    contains(
        &kubectl.tell(&["api-versions"])?,
        &["tekton.dev/v1beta1", "triggers.tekton.dev/v1alpha1", "\nv1\n"],
    )?;
    contains(&kubectl.tell(&["version"])?, &["Server Version: v1.34"])?;
    ensure!(kubectl.tell(&["get", "--raw", "/readyz"])? == "ok");
    kubectl.tell(&["get", "tekton-pipelines"])?;
    kubectl.refused(&["get", "odds"], &["the server doesn't have a resource type \"odds\""])
}

fn both_versions_of_a_trigger_are_served(kubectl: &Program) -> Result<()> {
    furnish(kubectl)?;
    kubectl.feed(&["apply", "-f", "-"], LISTENER)?;
    for version in ["v1beta1", "v1alpha1"] {
        let what = format!("eventlisteners.{version}.triggers.tekton.dev");
        let told = kubectl.tell(&["get", &what, "pushes", "-o", "jsonpath={.apiVersion}"])?;
        ensure!(told == format!("triggers.tekton.dev/{version}"), "{told}");
    }
    Ok(())
}

fn objects_are_compared_and_edited(kubectl: &Program) -> Result<()> {
    furnish(kubectl)?;
    let other = TASK.replace("default: world", "default: moon");
    for how in [&["diff", "-f", "-"][..], &["diff", "--server-side", "-f", "-"]] {
        let same = kubectl.fed(how, TASK)?;
        ensure!(same.status.success(), "{}", String::from_utf8_lossy(&same.stdout));
        let differs = kubectl.fed(how, &other)?;
        let shown = String::from_utf8_lossy(&differs.stdout).into_owned();
        ensure!(
            differs.status.code() == Some(1),
            "{}",
            String::from_utf8_lossy(&differs.stderr)
        );
        contains(&shown, &["-  - default: world", "+  - default: moon"])?;
    }
    let said = kubectl.feed(&["apply", "--dry-run=server", "-f", "-"], &other)?;
    ensure!(said == "task.tekton.dev/greet configured (server dry run)\n", "{said}");
    let edited = kubectl
        .command(&["edit", "task", "greet"])
        .env("EDITOR", "sed -i s/world/mars/")
        .output()?;
    ensure!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
    let columns = "custom-columns=NAME:.metadata.name,WHO:.spec.params[0].default";
    let shown = kubectl.tell(&["get", "task", "greet", "-o", columns])?;
    ensure!(rows(&shown) == [["NAME", "WHO"], ["greet", "mars"]], "{shown}");
    kubectl.tell(&[
        "wait",
        "--for=jsonpath={.spec.params[0].default}=mars",
        "task/greet",
        "--timeout=20s",
    ])?;
    let explained = kubectl.tell(&["explain", "pipelinerun.spec.pipelineSpec.tasks.when"])?;
    contains(&explained, &["FIELD: when", "operator", "values"])
}

fn a_status_is_a_part_of_its_own(kubectl: &Program) -> Result<()> {
    furnish(kubectl)?;
    let pending = RUN.replace("generateName: greetings-run-", "name: waiting") + "  status: PipelineRunPending\n";
    create(kubectl, &pending)?;
    kubectl.until(&["get", "pr", "waiting"], "PipelineRunPending")?;
    let patch = [
        "patch",
        "pr",
        "waiting",
        "--type=merge",
        "-p",
        r#"{"status":{"results":[{"name":"by","value":"hand"}]}}"#,
    ];
    kubectl.tell(&patch)?;
    let by = ["get", "pr", "waiting", "-o", "jsonpath={.status.results[0].value}"];
    ensure!(kubectl.tell(&by)?.is_empty(), "a status was written with the rest");
    kubectl.tell(&[&patch[..], &["--subresource=status"]].concat())?;
    ensure!(kubectl.tell(&by)? == "hand");
    kubectl
        .tell(&["delete", "pr", "waiting", "--cascade=foreground", "--timeout=60s"])
        .map(drop)
}
