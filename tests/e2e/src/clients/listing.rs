//! What `kubectl` shows: lists in pages, tables, what there is.

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use super::fixtures::LISTENER;
use super::kubectl::{Body, furnish, test};
use super::program::{Program, contains, rows};
use crate::Test;

pub(super) fn tests() -> Vec<Test> {
    let all: [(&str, Body); 4] = [
        ("a_listener_says_where_it_is", a_listener_says_where_it_is),
        ("lists_come_in_pages", lists_come_in_pages),
        ("what_is_served_is_told", what_is_served_is_told),
        (
            "both_versions_of_a_trigger_are_served",
            both_versions_of_a_trigger_are_served,
        ),
    ];
    all.into_iter()
        .map(|(name, body)| test("listing", name, body))
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
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: map-{number:02}}}\n---\n"
        )?;
    }
    kubectl.feed(&["create", "-f", "-"], &text)?;
    let whole = kubectl.tell(&["get", "configmaps", "-o", "name"])?;
    let paged = kubectl.tell(&["get", "configmaps", "-o", "name", "--chunk-size=4"])?;
    ensure!(whole == paged && whole.lines().count() == 25, "{paged}");
    let table = kubectl.tell(&["get", "configmaps", "--chunk-size=4", "--no-headers"])?;
    ensure!(table.lines().count() == 25, "{table}");
    let sorted = kubectl.tell(&["get", "configmaps", "--sort-by=.metadata.name", "--no-headers"])?;
    ensure!(sorted.starts_with("map-00"), "{sorted}");
    kubectl.tell(&["delete", "configmaps", "--all"])?;
    let path = format!("/api/v1/namespaces/{}/configmaps?limit=1", kubectl.namespace());
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
