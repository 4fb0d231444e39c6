//! Credentials of a ServiceAccount, as Tekton writes them.

use anyhow::{Result, ensure};

use super::Place;
use crate::Test;

pub(super) fn tests() -> Vec<Test> {
    vec![Test::new("pods::credentials_of_the_service_account", all)]
}

/// An account with credentials of two kinds, and one that is not there.
pub(crate) const ACCOUNT: &str = r#"
apiVersion: v1
kind: Secret
metadata: {name: git-user, annotations: {tekton.dev/git-0: "https://git.example"}}
type: kubernetes.io/basic-auth
stringData: {username: somebody, password: hunter2hunter2}
---
apiVersion: v1
kind: Secret
metadata: {name: git-key, annotations: {tekton.dev/git-0: "git.example:2222"}}
type: kubernetes.io/ssh-auth
stringData: {ssh-privatekey: a-private-key, known_hosts: "git.example ssh-ed25519 AAAA"}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
secrets: [{name: git-user}, {name: git-key}, {name: missing}]
"#;

const RUN: &str = r#"
  serviceAccountName: robot
  taskSpec:
    steps:
      - name: look
        image: IMAGE
        script: |
          echo "home is $HOME"
          cat ~/.gitconfig ~/.ssh/config; wc -c < ~/.git-credentials; ls -l ~/.ssh/id_git-key
          cat /tekton/creds/.git-credentials
      - name: other
        image: IMAGE
        securityContext: {runAsUser: 1000}
        env: [{name: HOME, value: /tekton/home}]
        script: cat ~/.ssh/known_hosts
"#;

fn all() -> Result<()> {
    let place = Place::new("pods-credentials")?;
    place.in_cluster(ACCOUNT)?;
    place.create("TaskRun", "look", RUN)?;
    let ended = place.ended("taskrun", "look")?;
    let logs = place.logs("taskrun", "look")?;
    ensure!(ended.0 == "Succeeded", "{ended:?}\n{logs}");
    for text in [
        "helper = store",
        "[credential \"https://git.example\"]",
        "Port 2222",
        "IdentityFile ~/.ssh/id_git-key",
        "-rw-------",
        "git.example ssh-ed25519 AAAA",
        "names Secret \"missing\"",
    ] {
        ensure!(logs.contains(text), "no {text:?} in\n{logs}");
    }
    ensure!(!logs.contains("hunter2hunter2"), "a password is shown:\n{logs}");
    Ok(())
}
