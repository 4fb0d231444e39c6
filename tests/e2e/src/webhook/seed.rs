//! The listener and template people have, unmodified.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::forge::post;
use super::{Place, payloads};
use crate::Test;

/// Where their files lie beside this repository; nothing to test where they do not.
pub(super) fn tests() -> Vec<Test> {
    match folder() {
        Some(folder) => vec![Test::new("webhook::files_of_people_unmodified", move || {
            unmodified(&folder)
        })],
        None => {
            eprintln!("webhook::files_of_people_unmodified is left out: there is no shared/seed beside the repository");
            Vec::new()
        }
    }
}

fn folder() -> Option<PathBuf> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut folders = above.map(|folder| folder.join("shared/seed"));
    folders.find(|folder| folder.join("gitlab-listener.yaml").is_file())
}

fn unmodified(folder: &Path) -> Result<()> {
    let place = Place::empty("seed")?;
    for file in ["gitlab-listener.yaml", "gitlab-template.yaml"] {
        place.tell(&["apply", "-f", &folder.join(file).to_string_lossy()])?;
    }
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gitlab-secret"},
        "stringData": {"secretToken": "1234567"}});
    place.apply(&[secret])?;
    let path = format!("/{}/gitlab-listener", place.namespace);
    let body = payloads::gitlab_push("main", "Ship it").to_string();
    let send = |token: &str, delivery: &str| {
        post(
            &place.webhooks,
            &path,
            &payloads::gitlab_headers("Push Hook", token, delivery),
            &body,
        )
    };
    let event = place.event(&send("1234567", "d-1")?.id()?)?;
    let trigger = &event["status"]["triggers"][0];
    ensure!(event["status"]["outcome"] == "accepted", "{}", event["status"]);
    ensure!(trigger["name"] == "gitlab-push-events-trigger", "{trigger}");
    let name = trigger["objects"][0]["name"].as_str().context("no run")?;
    ensure!(name.starts_with("gitlab-run-"), "{name}");
    let run: Value = serde_json::from_str(&place.tell(&["get", "pipelinerun", name, "-o", "json"])?)?;
    let params = run["spec"]["params"].as_array().context("params")?;
    let value = |name: &str| {
        params
            .iter()
            .find(|param| param["name"] == name)
            .map(|param| param["value"].clone())
    };
    ensure!(
        value("git_url") == Some(json!("https://gitlab.example/lake/boat.git")),
        "{params:?}"
    );
    let image = format!("harbor.k8s.local/course/devops-demo:{}", payloads::SHA);
    ensure!(value("image") == Some(json!(image)), "{params:?}");
    let refused = place.event(&send("7654321", "d-1")?.id()?)?;
    ensure!(refused["status"]["outcome"] == "refused", "{}", refused["status"]);
    let shown = place.tell(&["events"])?;
    let line = format!("pipelinerun/{name}");
    ensure!(shown.contains(&line), "{shown}");
    ensure!(
        shown.contains("refused by gitlab: X-Gitlab-Token does not match Secret gitlab-secret/secretToken"),
        "{shown}"
    );
    Ok(())
}
