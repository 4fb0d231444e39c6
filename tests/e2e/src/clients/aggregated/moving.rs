//! Beside a Tekton and away from it.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidemill_kit::{Up, ask, get, wait_until};

use super::write;
use crate::clients::ground::{Cluster, RELEASE, SERVICE, chart};
use crate::clients::program::{SOON, contains};

/// Where Tekton's definitions are, the chart is not installed and the gateway does not start; both say why. What Tekton
/// keeps is taken over.
pub(super) fn custom_resources_are_not_fought(path: &Path) -> Result<()> {
    let cluster = Cluster::bare(path)?;
    for (kind, plural) in [("PipelineRun", "pipelineruns"), ("Task", "tasks")] {
        let name = format!("{plural}.tekton.dev");
        write(&cluster, &definition(kind, plural))?;
        cluster.kubectl(&[
            "wait",
            "--for=condition=Established",
            &format!("crd/{name}"),
            "--timeout=60s",
        ])?;
    }
    let refused = cluster.helm(&["install", RELEASE, &chart(), "--create-namespace"]);
    let said = refused.err().map(|error| format!("{error:#}")).unwrap_or_default();
    contains(
        &said,
        &["pipelineruns.tekton.dev", "gateway.aggregated=false", "tidemill import"],
    )?;
    // As if it was told to nevertheless, by somebody who may see it.
    let state = cluster.folder("state");
    std::fs::create_dir_all(&state)?;
    let settings = format!(
        "[gateway]\naggregated = true\nservice = \"{RELEASE}/{SERVICE}\"\nkubeconfig = {:?}\n",
        cluster.kubeconfig()
    );
    std::fs::write(state.join("tidemill.toml"), settings)?;
    let mut up = Up::start_unready(&state, &[])?;
    ensure!(
        wait_until(SOON, || up.process.has_ended()),
        "it started:\n{}",
        up.process.spoken()
    );
    contains(&up.process.spoken(), &["v1.tekton.dev", "tidemill import", "managedBy"])?;
    take_over(&cluster)
}

fn take_over(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&["create", "namespace", "ci"])?;
    let metadata = |name: &str| json!({"name": name, "namespace": "ci", "labels": {"team": "blue"}});
    let step = json!({"name": "a", "image": "busybox", "script": "true"});
    write(
        cluster,
        &json!({"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": metadata("build"), "spec": {"steps": [step]}}),
    )?;
    for name in ["over", "running"] {
        let spec = json!({"pipelineSpec": {"tasks": [{"name": "a", "taskRef": {"name": "build"}}]}});
        write(
            cluster,
            &json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": metadata(name), "spec": spec}),
        )?;
    }
    let status = json!({"status": {
        "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:00Z",
        "conditions": [{"type": "Succeeded", "status": "True", "reason": "Completed", "lastTransitionTime": "2026-01-01T00:01:00Z"}],
    }});
    let patch = [
        "patch",
        "pipelinerun",
        "over",
        "--namespace=ci",
        "--subresource=status",
        "--type=merge",
        "--patch",
    ];
    cluster.kubectl(&[&patch[..], &[&status.to_string()]].concat())?;
    let here = cluster.folder("here");
    let _up = Up::start(&here, &[])?;
    let from = cluster.kubeconfig().to_string_lossy().into_owned();
    let import = ["import", "--from", &from, "--all-namespaces", "--runs"];
    let said = told(&here, &[&import[..], &["--dry-run"]].concat())?;
    contains(&said, &["ci task/build can be taken over", "1 finished runs"])?;
    let said = told(&here, &import)?;
    contains(
        &said,
        &[
            "namespace/ci created",
            "ci task/build created",
            "ci pipelinerun/over taken over",
            "1 runs are not over",
        ],
    )?;
    contains(&told(&here, &import)?, &["ci task/build unchanged", "0 finished runs"])?;
    let run = get(&here, "ci", &["pipelinerun", "over"])?;
    ensure!(
        run["status"]["conditions"][0]["reason"] == "Completed" && run["metadata"]["labels"]["team"] == "blue",
        "{run}"
    );
    let started = get(&here, "ci", &["taskrun"])?;
    ensure!(
        started["items"].as_array().is_some_and(Vec::is_empty),
        "history was run again: {started}"
    );
    let tasks = get(&here, "ci", &["task", "build"])?;
    ensure!(tasks["spec"]["steps"][0]["script"] == "true", "{tasks}");
    Ok(())
}

fn definition(kind: &str, plural: &str) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version =
        json!({"name": "v1", "served": true, "storage": true, "schema": schema, "subresources": {"status": {}}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.tekton.dev")},
        "spec": {
            "group": "tekton.dev", "scope": "Namespaced", "versions": [version],
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
        },
    })
}

/// What a command that must succeed said to people.
fn told(state: &Path, arguments: &[&str]) -> Result<String> {
    let output = ask(state, arguments)?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{text}");
    Ok(text + &String::from_utf8_lossy(&output.stdout))
}
