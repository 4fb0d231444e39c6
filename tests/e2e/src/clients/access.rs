//! Who may do what, as `kubectl` sees it.

use std::process::Command;

use anyhow::{Result, ensure};
use tidemill_kit::{tell, wait_until};

use super::fixtures::{RUN, TASK};
use super::ground::Ground;
use super::kubectl::{Body, furnish, select, test};
use super::program::{Program, SOON, contains, refused};
use crate::Test;
use crate::server::shared_state;

/// About what the gateway decides itself where there is no cluster.
const ALONE: [&str; 3] = [
    "nobody_grants_what_he_lacks",
    "certificates_name_users",
    "strangers_see_health_and_discovery_only",
];

pub(super) fn tests(ground: Ground) -> Vec<Test> {
    let all: [(&str, Body); 6] = [
        ("roles_decide", roles_decide),
        ("a_wrong_token_opens_nothing", a_wrong_token_opens_nothing),
        ("nobody_grants_what_he_lacks", nobody_grants_what_he_lacks),
        ("one_asks_as_another", one_asks_as_another),
        ("certificates_name_users", certificates_name_users),
        (
            "strangers_see_health_and_discovery_only",
            strangers_see_health_and_discovery_only,
        ),
    ];
    select(&all, &ALONE, ground)
        .map(|(name, body)| test(ground, "access", name, body))
        .collect()
}

/// Kubectl as a fresh service account.
fn robot(kubectl: &Program) -> Result<Program> {
    kubectl.tell(&["create", "serviceaccount", "robot"])?;
    let token = kubectl.tell(&["create", "token", "robot"])?;
    Ok(kubectl.with_token(token.trim()))
}

fn account(kubectl: &Program) -> String {
    format!("--serviceaccount={}:robot", kubectl.namespace())
}

fn roles_decide(kubectl: &Program) -> Result<()> {
    furnish(kubectl)?;
    let robot = robot(kubectl)?;
    let who = format!("system:serviceaccount:{}:robot", kubectl.namespace());
    contains(&robot.tell(&["auth", "whoami"])?, &[&who, "system:authenticated"])?;
    let words = format!(
        "pipelines.tekton.dev is forbidden: User \"{who}\" cannot list resource \"pipelines\" in API group \
         \"tekton.dev\" in the namespace \"{}\"",
        kubectl.namespace()
    );
    robot.refused(&["get", "pipelines"], &["(Forbidden)", &words])?;
    kubectl.tell(&[
        "create",
        "role",
        "reader",
        "--verb=get,list,watch",
        "--resource=pipelines.tekton.dev",
    ])?;
    kubectl.tell(&["create", "rolebinding", "reader", "--role=reader", &account(kubectl)])?;
    contains(&robot.tell(&["get", "pipelines"])?, &["greetings"])?;
    ensure!(robot.tell(&["auth", "can-i", "list", "pipelines.tekton.dev"])?.trim() == "yes");
    robot.refused(&["auth", "can-i", "delete", "pipelines.tekton.dev"], &["no"])?;
    robot.refused(
        &["delete", "pipeline", "greetings"],
        &["(Forbidden)", "cannot delete resource"],
    )?;
    robot.refused(&["get", "pipelines", "-A"], &["at the cluster scope"])?;
    let arguments = ["create", "-f", "-"];
    refused(
        &arguments,
        &robot.fed(&arguments, RUN)?,
        &["cannot create resource \"pipelineruns\""],
    )?;
    // A role of the whole cluster, given in this namespace only.
    kubectl.tell(&[
        "create",
        "rolebinding",
        "editor",
        "--clusterrole=edit",
        &account(kubectl),
    ])?;
    let run = robot.feed(&["create", "-f", "-", "-o", "name"], RUN)?;
    robot.tell(&["wait", "--for=condition=Succeeded", "--timeout=60s", run.trim()])?;
    robot.refused(&["get", "secrets", "-A"], &["(Forbidden)"])?;
    contains(
        &robot.tell(&["auth", "can-i", "--list"])?,
        &["*.tekton.dev", "[create delete"],
    )?;
    // Without the account its token is worth nothing.
    kubectl.tell(&["delete", "serviceaccount", "robot"])?;
    robot.until(&["get", "pipelines"], "You must be logged in").map(drop)
}

fn a_wrong_token_opens_nothing(kubectl: &Program) -> Result<()> {
    for token in ["wrong", "a.b.c"] {
        kubectl
            .with_token(token)
            .refused(&["get", "pods"], &["You must be logged in"])?;
    }
    Ok(())
}

fn nobody_grants_what_he_lacks(kubectl: &Program) -> Result<()> {
    let robot = robot(kubectl)?;
    kubectl.tell(&[
        "create",
        "rolebinding",
        "admin",
        "--clusterrole=admin",
        &account(kubectl),
    ])?;
    robot.tell(&["create", "role", "reader", "--verb=get", "--resource=secrets"])?;
    let more = ["create", "role", "more", "--verb=*", "--resource=*.*"];
    robot.refused(&more, &["is forbidden", "cannot grant what he does not hold"])?;
    let all = [
        "create",
        "rolebinding",
        "all",
        "--clusterrole=cluster-admin",
        &account(kubectl),
    ];
    robot.refused(&all, &["is forbidden", "cannot grant what he does not hold"])?;
    robot.tell(&["create", "rolebinding", "view", "--clusterrole=view", &account(kubectl)])?;
    let everywhere = [
        "create",
        "clusterrolebinding",
        "x",
        "--clusterrole=view",
        &account(kubectl),
    ];
    robot.refused(&everywhere, &["is forbidden", "at the cluster scope"])
}

fn one_asks_as_another(kubectl: &Program) -> Result<()> {
    kubectl.feed(&["apply", "-f", "-"], TASK)?;
    kubectl.refused(&["get", "tasks", "--as=jane"], &["User \"jane\" cannot list"])?;
    kubectl.tell(&[
        "create",
        "rolebinding",
        "jane",
        "--clusterrole=view",
        "--user=jane",
        "--group=developers",
    ])?;
    contains(&kubectl.tell(&["get", "tasks", "--as=jane"])?, &["greet"])?;
    contains(
        &kubectl.tell(&["get", "tasks", "--as=joe", "--as-group=developers"])?,
        &["greet"],
    )?;
    let robot = robot(kubectl)?;
    robot.refused(
        &["get", "tasks", "--as=jane"],
        &["cannot impersonate resource \"users\""],
    )
}

fn certificates_name_users(kubectl: &Program) -> Result<()> {
    let state = shared_state()?;
    let config = tell(
        &state,
        &["kubeconfig", "--user", "jane", "--group", "developers", "--days", "2"],
    )?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), config)?;
    let jane = kubectl.with_kubeconfig(file.path());
    contains(
        &jane.tell(&["auth", "whoami"])?,
        &["jane", "developers", "system:authenticated"],
    )?;
    jane.refused(&["get", "tasks"], &["User \"jane\" cannot list"])?;
    kubectl.tell(&[
        "create",
        "rolebinding",
        "jane",
        "--clusterrole=view",
        "--group=developers",
    ])?;
    jane.tell(&["get", "tasks"]).map(drop)
}

fn strangers_see_health_and_discovery_only(_: &Program) -> Result<()> {
    let state = shared_state()?;
    let config = std::fs::read_to_string(state.join("kubeconfig"))?;
    let server = config.lines().find_map(|line| line.trim().strip_prefix("server: "));
    let server = server.unwrap_or_default().trim_matches('"').to_owned();
    let authority = state.join("tls/ca.crt");
    let code = |path: &str| {
        let answer = Command::new("curl")
            .args([
                "--silent",
                "--output",
                "/dev/null",
                "--write-out",
                "%{http_code}",
                "--cacert",
            ])
            .arg(&authority)
            .arg(format!("{server}{path}"))
            .output();
        answer
            .map(|answer| String::from_utf8_lossy(&answer.stdout).into_owned())
            .unwrap_or_default()
    };
    let ready = wait_until(SOON, || code("/readyz") == "200");
    ensure!(ready, "the server is not ready for strangers");
    for path in ["/healthz", "/livez", "/version", "/api", "/apis", "/apis/tekton.dev/v1"] {
        ensure!(code(path) == "200", "{path}: {}", code(path));
    }
    for path in ["/api/v1/namespaces", "/apis/tekton.dev/v1/tasks", "/openapi/v3", "/odd"] {
        ensure!(code(path) == "401", "{path}: {}", code(path));
    }
    Ok(())
}
