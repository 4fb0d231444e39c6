//! What the article leaves out, and what it says with other names: the test's own files.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::world::{Seed, tree};

/// Name of the seed's run over SSH.
pub(super) const FIRST_RUN: &str = "pipelinerun-911";

/// The Task that clones.
pub(super) fn git_clone() -> Result<String> {
    own("git-clone-911.yaml")
}

/// The account of the first run.
pub(super) fn accounts() -> Result<String> {
    own("accounts.yaml")
}

/// The seed's Task `docker` under the name by which its Pipeline calls it.
pub(super) fn docker(seed: &Seed) -> Result<String> {
    Ok(seed
        .file("task-docker.yaml")?
        .replacen("name: docker\n", "name: docker-911\n", 1)
        .replacen("{name: docker}", "{name: docker-911}", 1))
}

/// The Pipeline `pipeline` of the triggers: the seed's, with the SSH keys optional, and with so many seconds for a
/// release to become ready (the seed's own five minutes without).
pub(super) fn pipeline(seed: &Seed, seconds: Option<u32>) -> Result<String> {
    let mut text = seed
        .file("pipeline.yaml")?
        .replacen("pipeline-911", "pipeline", 1)
        .replacen(
            "    - name: secret-gitee-auth\n",
            "    - name: secret-gitee-auth\n      optional: true\n",
            1,
        );
    if let Some(seconds) = seconds {
        let value = json!({"name": "upgrade_extra_params", "value": format!("--timeout {seconds}s")});
        let first = "      params:\n        - name: charts_dir\n";
        let short = "      params:\n        - {name: charts_dir,";
        text = text
            .replacen(
                first,
                &format!("      params:\n        - {value}\n        - name: charts_dir\n"),
                1,
            )
            .replacen(
                short,
                &format!("      params:\n        - {value}\n        - {{name: charts_dir,"),
                1,
            );
    }
    Ok(text)
}

/// The Secret of the workspace with the SSH keys, for the cluster's Git server.
pub(super) fn ssh_secret() -> Result<String> {
    let trust = Path::new("/var/lib/tidemill-cluster/trust");
    let read = |name: &str| fs::read_to_string(trust.join(name)).with_context(|| format!("read the test's {name}"));
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "git-ssh-secret-gee"},
        "stringData": {"id_ed25519": read("id_ed25519")?, "known_hosts": read("known_hosts")?},
    });
    Ok(secret.to_string())
}

fn own(name: &str) -> Result<String> {
    let path = tree().join("tests/cluster/seed").join(name);
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}
