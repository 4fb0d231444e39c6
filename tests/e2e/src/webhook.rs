//! Webhooks of real forges, signed as they sign, against the whole product.
//!
//! Payloads follow the forges' documentation; words and values are our own.

mod events;
pub(crate) mod forge;
mod injection;
mod payloads;
mod seed;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidemill_kit::{tell, wait_until};

use crate::Test;
use crate::server::{shared_state, shared_webhooks};
pub(crate) use forge::post;
use forge::{Answer, sha1, sha256};

/// How long an event may take to its end.
const END_LIMIT: Duration = Duration::from_secs(30);
/// What all listeners here sign with.
const SECRET: &str = "a secret of ours";

/// Each forge, each kind of proof.
pub fn tests() -> Vec<Test> {
    let mut tests = vec![
        Test::new("webhook::gitlab_push", gitlab_push),
        Test::new(
            "webhook::gitlab_tokens_that_prove_nothing",
            gitlab_tokens_that_prove_nothing,
        ),
        Test::new("webhook::github_push", github_push),
        Test::new(
            "webhook::github_signatures_that_prove_nothing",
            github_signatures_that_prove_nothing,
        ),
        Test::new("webhook::bitbucket_push", bitbucket_push),
        Test::new("webhook::bitbucket_server_push", bitbucket_server_push),
        Test::new("webhook::forms_become_lists", forms_become_lists),
    ];
    tests.extend(events::tests());
    tests.extend(injection::tests());
    tests.extend(seed::tests());
    tests
}

/// A namespace with a listener `el` that makes one ConfigMap of each event that passes.
pub(crate) struct Place {
    pub(crate) state: PathBuf,
    pub(crate) namespace: String,
    pub(crate) webhooks: String,
    folder: TempDir,
}

impl Place {
    /// `interceptors` come first; `values` are the ConfigMap's data: name and path.
    pub(crate) fn new(name: &str, interceptors: &Value, values: &[(&str, &str)]) -> Result<Self> {
        let place = Self::empty(name)?;
        let names: Vec<Value> = values.iter().map(|(name, _)| json!({"name": name})).collect();
        let bindings: Vec<Value> = values
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let data: Value = values
            .iter()
            .map(|(name, _)| ((*name).to_owned(), json!(format!("$(tt.params.{name})"))))
            .collect();
        let kinds = "triggers.tekton.dev/v1beta1";
        place.apply(&[
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"}, "stringData": {"key": SECRET}}),
            json!({"apiVersion": kinds, "kind": "TriggerTemplate", "metadata": {"name": "tt"}, "spec": {
                "params": names, "resourcetemplates": [{
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"}, "data": data,
                }],
            }}),
            json!({"apiVersion": kinds, "kind": "EventListener", "metadata": {"name": "el"}, "spec": {"triggers": [{
                "name": "t", "interceptors": interceptors, "bindings": bindings, "template": {"ref": "tt"},
            }]}}),
        ])?;
        Ok(place)
    }

    /// A namespace of its own, with nothing in it.
    pub(crate) fn empty(name: &str) -> Result<Self> {
        let place = Self {
            state: shared_state()?,
            namespace: format!("webhook-{name}"),
            webhooks: shared_webhooks()?,
            folder: tempfile::Builder::new().prefix("tidemill-webhook-").tempdir()?,
        };
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}});
        place.apply(&[namespace])?;
        Ok(place)
    }

    /// Applies objects.
    pub(crate) fn apply(&self, objects: &[Value]) -> Result<()> {
        let file = self.folder.path().join("objects.json");
        std::fs::write(
            &file,
            json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string(),
        )?;
        self.tell(&["apply", "-f", &file.to_string_lossy()]).map(drop)
    }

    /// A command in this namespace; must succeed.
    pub(crate) fn tell(&self, arguments: &[&str]) -> Result<String> {
        let mut all = vec!["-n", self.namespace.as_str()];
        all.extend_from_slice(arguments);
        tell(&self.state, &all)
    }

    /// Sends a webhook to the listener; must be taken in.
    pub(crate) fn send(&self, headers: &[(&str, &str)], body: &str) -> Result<Answer> {
        let answer = self.post(headers, body)?;
        ensure!(answer.code == 202, "{}: {}", answer.code, answer.body);
        Ok(answer)
    }

    /// Sends a webhook to the listener.
    pub(crate) fn post(&self, headers: &[(&str, &str)], body: &str) -> Result<Answer> {
        post(&self.webhooks, &format!("/{}/el", self.namespace), headers, body)
    }

    /// The event with this id, once it has come to its end.
    pub(crate) fn event(&self, id: &str) -> Result<Value> {
        let mut found = Value::Null;
        let ended = wait_until(END_LIMIT, || {
            let shown = self.tell(&["events", "show", id, "-o", "json"]);
            found = shown
                .ok()
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_default();
            found["status"]["outcome"]
                .as_str()
                .is_some_and(|outcome| outcome != "pending")
        });
        ensure!(ended, "event {id} did not come to its end: {found}");
        Ok(found)
    }

    /// What was sent must be accepted; gives the data of the ConfigMap that was made.
    pub(crate) fn made(&self, answer: &Answer) -> Result<Value> {
        let event = self.event(&answer.id()?)?;
        let status = &event["status"];
        ensure!(status["outcome"] == "accepted", "it was not accepted: {status}");
        let name = status["triggers"][0]["objects"][0]["name"]
            .as_str()
            .context("no object")?;
        let object = self.tell(&["get", "configmap", name, "-o", "json"])?;
        let object: Value = serde_json::from_str(&object)?;
        let label = &object["metadata"]["labels"]["triggers.tekton.dev/triggers-eventid"];
        ensure!(*label == answer.id()?, "its label names another event: {label}");
        Ok(object["data"].clone())
    }

    /// What was sent must end so, with `words` in the reason; nothing may be made of it.
    pub(crate) fn must_be(&self, answer: &Answer, outcome: &str, words: &str) -> Result<()> {
        let event = self.event(&answer.id()?)?;
        let trigger = &event["status"]["triggers"][0];
        ensure!(event["status"]["outcome"] == outcome, "{}", event["status"]);
        ensure!(
            trigger["text"].as_str().is_some_and(|text| text.contains(words)),
            "{trigger}"
        );
        ensure!(trigger["objects"].is_null(), "{trigger}");
        Ok(())
    }

    /// How many ConfigMaps were made.
    pub(crate) fn count(&self) -> Result<usize> {
        let list = self.tell(&["get", "configmap", "-o", "name"])?;
        Ok(list.lines().filter(|line| line.contains("made-")).count())
    }
}

fn interceptor(name: &str, events: &[&str]) -> Value {
    json!([{"ref": {"name": name}, "params": [
        {"name": "secretRef", "value": {"secretName": "hook", "secretKey": "key"}},
        {"name": "eventTypes", "value": events},
    ]}])
}

fn gitlab_push() -> Result<()> {
    let values = [
        ("sha", "$(body.checkout_sha)"),
        ("url", "$(body.repository.git_http_url)"),
        ("who", "$(body.user_username)"),
        ("project", "$(body.project.id)"),
        ("hook", "$(header.X-Gitlab-Event)"),
    ];
    let place = Place::new("gitlab", &interceptor("gitlab", &["Push Hook"]), &values)?;
    let body = payloads::gitlab_push("main", "A plain message").to_string();
    let headers = payloads::gitlab_headers("Push Hook", SECRET, "b1d2c3");
    let answer = place.send(&headers, &body)?;
    let expected = json!({
        "sha": payloads::SHA, "url": "https://gitlab.example/lake/boat.git", "who": "wren", "project": "77",
        "hook": "Push Hook",
    });
    ensure!(place.made(&answer)? == expected, "{}", place.made(&answer)?);
    let again = place.send(&headers, &body)?;
    ensure!(
        again.body == answer.body,
        "a redelivery is told another id: {}",
        again.body
    );
    let tag = place.send(&payloads::gitlab_headers("Tag Push Hook", SECRET, "b1d2c4"), &body)?;
    place.must_be(&tag, "filtered", "event \"Tag Push Hook\" is none of Push Hook")?;
    ensure!(place.count()? == 1, "{} objects were made", place.count()?);
    let told = wait_until(END_LIMIT, || {
        place.tell(&["events"]).is_ok_and(|text| text.contains("redelivery of"))
    });
    ensure!(told, "the redelivery is not told:\n{}", place.tell(&["events"])?);
    Ok(())
}

fn gitlab_tokens_that_prove_nothing() -> Result<()> {
    let place = Place::new(
        "gitlab-tokens",
        &interceptor("gitlab", &["Push Hook"]),
        &[("sha", "$(body.after)")],
    )?;
    let body = payloads::gitlab_push("main", "A plain message").to_string();
    for token in ["a secret of theirs", "", "a secret of our", "a secret of ours "] {
        // A header's value has no blanks at its ends: the last one is the token itself.
        let answer = place.send(&payloads::gitlab_headers("Push Hook", token, "d-1"), &body)?;
        match token.trim_end() == SECRET {
            true => drop(place.made(&answer)?),
            false => place.must_be(&answer, "refused", "X-Gitlab-Token")?,
        }
    }
    let missing = place.send(
        &[("X-Gitlab-Event", "Push Hook"), ("Content-Type", "application/json")],
        &body,
    )?;
    place.must_be(&missing, "refused", "X-Gitlab-Token")?;
    ensure!(place.count()? == 1, "{} objects were made", place.count()?);
    let shown = place.tell(&["events", "-o", "json"])?;
    ensure!(
        !shown.contains("of theirs") && !shown.contains(SECRET),
        "a token is shown"
    );
    Ok(())
}

fn github_push() -> Result<()> {
    let values = [
        ("sha", "$(body.after)"),
        ("message", "$(body.head_commit.message)"),
        ("files", "$(extensions.changed_files)"),
        ("hook", "$(header.X-GitHub-Hook-ID)"),
    ];
    let mut github = interceptor("github", &["push"]);
    github[0]["params"]
        .as_array_mut()
        .context("a list")?
        .push(json!({"name": "addChangedFiles", "value": {"enabled": true}}));
    let place = Place::new("github", &github, &values)?;
    let body = payloads::github_push().to_string();
    let signature = sha256(SECRET, &body);
    let answer = place.send(&payloads::github_headers("push", "d-1", &signature), &body)?;
    let expected = json!({
        "sha": payloads::SHA, "message": "Row faster\n\nand \"straight\"", "files": "oars.txt,hull.txt,old.txt", "hook": "4711",
    });
    ensure!(place.made(&answer)? == expected, "{}", place.made(&answer)?);
    let ping = json!({"zen": "Keep it afloat.", "hook_id": 4711}).to_string();
    let ping = place.send(&payloads::github_headers("ping", "d-2", &sha256(SECRET, &ping)), &ping)?;
    place.must_be(&ping, "filtered", "event \"ping\" is none of push")
}

fn github_signatures_that_prove_nothing() -> Result<()> {
    let place = Place::new(
        "github-signatures",
        &interceptor("github", &["push"]),
        &[("sha", "$(body.after)")],
    )?;
    let body = payloads::github_push().to_string();
    let other = body.replace("main", "evil");
    let old = format!("sha1={}", "0".repeat(40));
    for (delivery, signature) in [
        ("wrong", sha256("another key", &body)),
        ("foreign", sha256(SECRET, &other)),
        ("short", sha256(SECRET, &body)[..40].to_owned()),
        ("odd", "sha256=zz".to_owned()),
        ("old", old),
        ("empty", String::new()),
    ] {
        let answer = place.send(&payloads::github_headers("push", delivery, &signature), &body)?;
        place
            .must_be(&answer, "refused", "X-Hub-Signature-256")
            .with_context(|| delivery.to_owned())?;
    }
    let missing = place.send(&[("X-GitHub-Event", "push"), ("X-GitHub-Delivery", "missing")], &body)?;
    place.must_be(&missing, "refused", "X-Hub-Signature-256")?;
    // Tekton's interceptor takes no forms, though GitHub can send them.
    let form = format!("payload={}", body.replace('"', "%22").replace('&', "%26"));
    let signature = sha256(SECRET, &form);
    let mut headers = payloads::github_headers("push", "form", &signature);
    headers.retain(|(name, _)| *name != "Content-Type");
    headers.push(("Content-Type", "application/x-www-form-urlencoded"));
    let answer = place.send(&headers, &form)?;
    let outcome = place.event(&answer.id()?)?["status"]["outcome"].clone();
    ensure!(
        outcome == "refused" || outcome == "failed" || outcome == "filtered",
        "a form is {outcome}"
    );
    ensure!(place.count()? == 0, "{} objects were made", place.count()?);
    Ok(())
}

fn bitbucket_push() -> Result<()> {
    let values = [
        ("sha", "$(body.push.changes[0].new.target.hash)"),
        ("branch", "$(body.push.changes[0].new.name)"),
        ("repository", "$(body.repository.full_name)"),
    ];
    let place = Place::new("bitbucket", &interceptor("bitbucket", &["repo:push"]), &values)?;
    let body = payloads::bitbucket_push().to_string();
    let expected = json!({"sha": payloads::SHA, "branch": "main", "repository": "lake/boat"});
    for (signature, delivery) in [(sha256(SECRET, &body), "a"), (sha1(SECRET, &body), "b")] {
        let answer = place.send(&payloads::bitbucket_headers("repo:push", delivery, &signature), &body)?;
        ensure!(place.made(&answer)? == expected, "{}", place.made(&answer)?);
    }
    let wrong = sha256("another key", &body);
    let answer = place.send(&payloads::bitbucket_headers("repo:push", "c", &wrong), &body)?;
    place.must_be(&answer, "refused", "X-Hub-Signature")?;
    let shown = place.tell(&[
        "events",
        "--from",
        "bitbucket",
        "--branch",
        "main",
        "--outcome",
        "refused",
    ])?;
    ensure!(shown.contains("repo:push main 59b20b8"), "{shown}");
    Ok(())
}

fn bitbucket_server_push() -> Result<()> {
    let values = [
        ("sha", "$(body.changes[0].toHash)"),
        ("branch", "$(body.changes[0].ref.displayId)"),
    ];
    let place = Place::new(
        "bitbucket-server",
        &interceptor("bitbucket", &["repo:refs_changed"]),
        &values,
    )?;
    let body = payloads::bitbucket_server_push().to_string();
    let signature = sha256(SECRET, &body);
    let answer = place.send(
        &payloads::bitbucket_headers("repo:refs_changed", "a", &signature),
        &body,
    )?;
    ensure!(
        place.made(&answer)? == json!({"sha": payloads::SHA, "branch": "main"}),
        "{}",
        place.made(&answer)?
    );
    Ok(())
}

fn forms_become_lists() -> Result<()> {
    let values = [("text", "$(body.text[0])"), ("all", "$(body.tag)")];
    let slack = json!([{"ref": {"name": "slack"}, "params": [{"name": "requestedFields", "value": ["text"]}]}, {"ref": {"name": "cel"}, "params": [
        {"name": "filter", "value": "body.command[0] == '/deploy'"},
    ]}]);
    let place = Place::new("forms", &slack, &values)?;
    let headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("X-Slack-Signature", "v0=abc"),
    ];
    let answer = place.send(&headers, "command=%2Fdeploy&text=to+the+%22lake%22+%26+back&tag=a")?;
    let event = place.event(&answer.id()?)?;
    // A list in the quotes of a text is what Tekton makes of it too: no JSON any more.
    ensure!(event["status"]["outcome"] == "failed", "{}", event["status"]);
    let place = Place::new("forms-text", &slack, &values[..1])?;
    let answer = place.send(&headers, "command=%2Fdeploy&text=to+the+%22lake%22+%26+back&tag=a")?;
    ensure!(
        place.made(&answer)? == json!({"text": "to the \"lake\" & back"}),
        "{}",
        place.made(&answer)?
    );
    let other = place.send(&headers, "command=%2Fstatus&text=now")?;
    place.must_be(&other, "filtered", "body.command[0] == '/deploy'")
}
