//! Finding events again, and evaluating them again.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidemill_kit::{Running, ask, command};

use super::{Place, SECRET, interceptor, payloads};
use crate::Test;

/// How long a followed event may take to be shown.
const SHOWN_LIMIT: Duration = Duration::from_secs(30);

/// What people do with `tidemill events`.
pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "webhook::events_are_found_by_what_they_hold",
            events_are_found_by_what_they_hold,
        ),
        Test::new("webhook::events_are_followed", events_are_followed),
        Test::new("webhook::a_refused_request_is_told", a_refused_request_is_told),
        Test::new(
            "webhook::a_retry_decides_by_what_is_now",
            a_retry_decides_by_what_is_now,
        ),
    ]
}

fn place(name: &str) -> Result<Place> {
    let mut chain = interceptor("gitlab", &["Push Hook"]);
    if let Some(chain) = chain.as_array_mut() {
        chain.push(
            json!({"ref": {"name": "cel"}, "params": [{"name": "filter", "value": "body.ref == 'refs/heads/main'"}]}),
        );
    }
    Place::new(name, &chain, &[("sha", "$(body.after)")])
}

fn push(place: &Place, branch: &str, message: &str, token: &str) -> Result<String> {
    let body = payloads::gitlab_push(branch, message).to_string();
    let answer = place.send(&payloads::gitlab_headers("Push Hook", token, message), &body)?;
    let id = answer.id()?;
    place.event(&id)?;
    Ok(id)
}

fn events_are_found_by_what_they_hold() -> Result<()> {
    let place = place("found")?;
    let main = push(&place, "main", "The first", SECRET)?;
    let docs = push(&place, "docs", "The second", SECRET)?;
    let forged = push(&place, "main", "The third", "guessed")?;
    for (filters, expected) in [
        (vec![], vec![&forged, &docs, &main]),
        (
            vec![
                "--on",
                "today",
                "--type",
                "push",
                "--branch",
                "main",
                "--outcome",
                "accepted",
            ],
            vec![&main],
        ),
        (vec!["--on", "yesterday"], vec![]),
        (
            vec!["--since", "1h", "--outcome", "filtered,refused"],
            vec![&forged, &docs],
        ),
        (vec!["--text", "The second"], vec![&docs]),
        (
            vec!["--where", "body.commits.exists(c, c.message.contains('third'))"],
            vec![&forged],
        ),
        (
            vec!["--repository", "LAKE/", "--commit", "59b20b8", "--limit", "1"],
            vec![&forged],
        ),
        (vec!["--dead"], vec![]),
    ] {
        let mut arguments = vec!["events", "-o", "json"];
        arguments.extend_from_slice(&filters);
        let list: Value = serde_json::from_str(&place.tell(&arguments)?)?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let found: Vec<&str> = items
            .iter()
            .filter_map(|item| item["metadata"]["name"].as_str())
            .collect();
        ensure!(found == expected, "{filters:?} finds {found:?}, expected {expected:?}");
    }
    let table = place.tell(&["events"])?;
    let lines: Vec<&str> = table.lines().collect();
    ensure!(lines.len() == 4 && lines[0].starts_with("ID"), "{table}");
    ensure!(
        lines[2].contains("filtered by cel: ") && lines[2].contains("was false"),
        "{table}"
    );
    ensure!(
        lines[3].contains("t -> configmap/made-") || lines[3].contains("t → configmap/made-"),
        "{table}"
    );
    let page = place.tell(&["events", "show", &main[..8]])?;
    for words in [
        "made configmap/made-",
        "X-Gitlab-Token: (sealed)",
        "\"checkout_sha\": \"59b20b8",
        "sent by 127.0.0.1",
    ] {
        ensure!(page.contains(words), "{words}\n{page}");
    }
    ensure!(!page.contains(SECRET), "the token is shown");
    let wrong = ask(&place.state, &["events", "--where", "body."])?;
    ensure!(!wrong.status.success(), "an expression that is none is taken");
    Ok(())
}

fn events_are_followed() -> Result<()> {
    let place = place("followed")?;
    push(&place, "main", "Before", SECRET)?;
    let arguments = ["-n", place.namespace.as_str(), "events", "--follow"];
    let mut following = Running::start(command(&place.state, &arguments)?)?;
    following.wait_until_says("Push Hook main 59b20b8", SHOWN_LIMIT)?;
    push(&place, "docs", "After", SECRET)?;
    following.wait_until_says("Push Hook docs 59b20b8: filtered by cel: ", SHOWN_LIMIT)?;
    following.stop().map(drop)
}

fn a_refused_request_is_told() -> Result<()> {
    let place = place("not-taken")?;
    let answer = place.post(&payloads::gitlab_headers("Push Hook", SECRET, "d"), "[1, 2]")?;
    ensure!(answer.code == 400, "{}", answer.code);
    let told = tidemill_kit::wait_until(SHOWN_LIMIT, || {
        let shown = place.tell(&["events", "--outcome", "refused"]);
        shown.is_ok_and(|text| text.contains("refused 400: the body is a list, expected a JSON object"))
    });
    ensure!(told, "{}", place.tell(&["events"])?);
    Ok(())
}

fn a_retry_decides_by_what_is_now() -> Result<()> {
    let place = place("retried")?;
    let id = push(&place, "main", "With the next token", "the next token")?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"}, "stringData": {"key": "the next token"}});
    place.apply(&[secret])?;
    let said = place.tell(&["events", "retry", &id[..8]])?;
    ensure!(said.contains("configmap/made-"), "{said}");
    let again = place.tell(&["events", "retry", &id])?;
    ensure!(again == said, "what was made is kept: {again}");
    ensure!(place.count()? == 1, "{} objects were made", place.count()?);
    Ok(())
}
