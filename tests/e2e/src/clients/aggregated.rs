//! The gateway as a part of a cluster: who is believed, what is the cluster's own, and what happens when it dies.

mod installation;
mod moving;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidemill_kit::wait_until;

use super::fixtures::{LONG, RUN, TASK};
use super::ground::{Cluster, Ground, RELEASE, SERVICE, cluster};
use super::kubectl::{Body, create, furnish, test};
use super::program::{Program, SOON, found, refused};
use crate::Test;

/// A test with a cluster of its own, by the path of kubectl.
type Whole = fn(&Path) -> Result<()>;

pub(super) fn tests() -> Vec<Test> {
    let all: [(&str, Body); 4] = [
        ("only_the_proxy_says_who_asks", only_the_proxy_says_who_asks),
        ("core_kinds_are_the_clusters", core_kinds_are_the_clusters),
        ("namespaces_are_the_clusters", namespaces_are_the_clusters),
        (
            "the_cluster_collects_what_a_run_owned",
            the_cluster_collects_what_a_run_owned,
        ),
    ];
    let shared = all
        .into_iter()
        .map(|(name, body)| test(Ground::Cluster, "aggregated", name, body));
    let own: [(&str, Whole); 2] = [
        (
            "an_installation_lives_and_goes",
            installation::an_installation_lives_and_goes,
        ),
        (
            "custom_resources_are_not_fought",
            moving::custom_resources_are_not_fought,
        ),
    ];
    let own = own.into_iter().map(|(name, body)| {
        Test::new(format!("clients-cluster::aggregated::{name}"), move || {
            let kubernetes = found("TIDEMILL_KUBERNETES", "deploy/tools/kubernetes")?;
            match (found("TIDEMILL_KUBECTL", "deploy/tools/kubectl")?, kubernetes) {
                (Some(kubectl), Some(_)) => body(&kubectl),
                _ => Ok(()),
            }
        })
    });
    shared.chain(own).collect()
}

/// What the gateway itself answers to a request of curl: the code and the text.
fn direct(kubectl: &Program, path: &str, arguments: &[&str]) -> Result<(String, String)> {
    let cluster = cluster(kubectl.path())?;
    let authority = tempfile::NamedTempFile::new()?;
    std::fs::write(authority.path(), cluster.authority("v1.tekton.dev")?)?;
    let host = format!("{SERVICE}.{RELEASE}.svc");
    let port = cluster.port(&cluster.folder("state"))?;
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--write-out", "\n%{http_code}", "--cacert"])
        .arg(authority.path())
        .args(["--connect-to", &format!("{host}:443:127.0.0.1:{port}")])
        .args(arguments)
        .arg(format!("https://{host}{path}"))
        .output()?;
    let said = String::from_utf8(output.stdout)?;
    let (text, code) = said.rsplit_once('\n').context("curl said nothing")?;
    ensure!(code != "000", "curl: {}", String::from_utf8_lossy(&output.stderr));
    Ok((code.to_owned(), text.to_owned()))
}

fn only_the_proxy_says_who_asks(kubectl: &Program) -> Result<()> {
    furnish(kubectl)?;
    let path = format!("/apis/tekton.dev/v1/namespaces/{}/tasks", kubectl.namespace());
    let forged = ["-H", "X-Remote-User: admin", "-H", "X-Remote-Group: system:masters"];
    ensure!(
        direct(kubectl, &path, &forged)?.0 == "401",
        "a forged header was believed"
    );
    ensure!(direct(kubectl, &path, &[])?.0 == "401");
    ensure!(direct(kubectl, "/readyz", &[])?.0 == "200");
    // A token of the cluster is asked about there, and so is what its account may.
    kubectl.tell(&["create", "serviceaccount", "robot"])?;
    let bearer = format!(
        "Authorization: Bearer {}",
        kubectl.tell(&["create", "token", "robot"])?.trim()
    );
    let (code, text) = direct(kubectl, &path, &["-H", &bearer])?;
    ensure!(code == "403" && text.contains("cannot list resource"), "{code} {text}");
    ensure!(direct(kubectl, &path, &["-H", "Authorization: Bearer a.b.c"])?.0 == "401");
    let account = format!("--serviceaccount={}:robot", kubectl.namespace());
    kubectl.tell(&["create", "rolebinding", "robot", "--clusterrole=view", &account])?;
    let mut last = (String::new(), String::new());
    let seen = wait_until(SOON, || {
        last = direct(kubectl, &path, &["-H", &bearer]).unwrap_or_default();
        last.0 == "200"
    });
    ensure!(seen && last.1.contains("greet"), "{last:?}");
    Ok(())
}

fn core_kinds_are_the_clusters(kubectl: &Program) -> Result<()> {
    kubectl.tell(&["create", "secret", "generic", "a", "--from-literal=one=1"])?;
    let admin = admin(kubectl)?;
    for path in [
        "/api/v1/namespaces/default/secrets",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    ] {
        let (code, _) = direct(kubectl, path, &["-H", &admin])?;
        ensure!(code == "404", "{path}: {code}");
    }
    let resources = kubectl.tell(&["api-resources", "--no-headers"])?;
    ensure!(
        resources.lines().filter(|line| line.starts_with("secrets ")).count() == 1,
        "{resources}"
    );
    // The API server asks for descriptions now and then, and joins them to its own.
    let described = wait_until(SOON, || {
        let all = kubectl.tell(&["get", "--raw", "/openapi/v2"]);
        all.is_ok_and(|all| all.contains("/apis/tekton.dev/v1/namespaces/{namespace}/pipelineruns"))
    });
    ensure!(described, "/openapi/v2 holds no pipelineruns");
    Ok(())
}

/// The header of somebody who may do everything.
fn admin(kubectl: &Program) -> Result<String> {
    kubectl.tell(&["create", "serviceaccount", "root"])?;
    let account = format!("--serviceaccount={}:root", kubectl.namespace());
    let name = format!("root-of-{}", kubectl.namespace());
    kubectl.tell(&[
        "create",
        "clusterrolebinding",
        &name,
        "--clusterrole=cluster-admin",
        &account,
    ])?;
    let token = kubectl.tell(&["create", "token", "root"])?;
    Ok(format!("Authorization: Bearer {}", token.trim()))
}

fn namespaces_are_the_clusters(kubectl: &Program) -> Result<()> {
    let arguments = ["create", "-f", "-"];
    let nowhere = kubectl.in_namespace("nowhere-at-all");
    refused(
        &arguments,
        &nowhere.fed(&arguments, TASK)?,
        &["namespaces \"nowhere-at-all\" not found"],
    )?;
    let name = format!("{}-going", kubectl.namespace());
    kubectl.tell(&["create", "namespace", &name])?;
    let going = kubectl.in_namespace(&name);
    for text in [TASK, LONG] {
        going.feed(&arguments, text)?;
    }
    // Its controller deletes what is in it through the API server, and waits until nothing is left.
    kubectl.tell(&["delete", "namespace", &name, "--timeout=60s"])?;
    kubectl.refused(&["get", "namespace", &name], &["NotFound"])
}

fn the_cluster_collects_what_a_run_owned(kubectl: &Program) -> Result<()> {
    furnish(kubectl)?;
    let run = create(kubectl, RUN)?;
    kubectl.tell(&["wait", "--for=condition=Succeeded", "--timeout=60s", &run])?;
    let uid = kubectl.tell(&["get", &run, "-o", "jsonpath={.metadata.uid}"])?;
    let name = run.rsplit('/').next().unwrap_or_default();
    kubectl.feed(&["create", "-f", "-"], &owned(name, &uid).to_string())?;
    kubectl.tell(&["delete", &run])?;
    kubectl.until(&["get", "configmap", "owned"], "NotFound").map(drop)
}

/// A ConfigMap that is owned by a run.
fn owned(run: &str, uid: &str) -> Value {
    let owner = json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "name": run, "uid": uid});
    let metadata = json!({"name": "owned", "ownerReferences": [owner]});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
}

/// Creates an object as the administrator.
fn write(cluster: &Cluster, object: &Value) -> Result<()> {
    let file = cluster.folder("object.json");
    std::fs::write(&file, object.to_string())?;
    cluster.kubectl(&["create", "-f", &file.to_string_lossy()]).map(drop)
}
