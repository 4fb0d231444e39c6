//! Values of webhooks that look like something else: what Tekton does is done.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Place, SECRET, interceptor, payloads};
use crate::Test;

/// Each kind of value.
pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new("webhook::texts_stay_texts", texts_stay_texts),
        Test::new(
            "webhook::variables_out_of_an_event_stay_text",
            variables_out_of_an_event_stay_text,
        ),
        Test::new(
            "webhook::an_object_where_a_text_was_meant",
            an_object_where_a_text_was_meant,
        ),
        Test::new(
            "webhook::trigger_test_warns_of_what_a_sender_can_do",
            trigger_test_warns_of_what_a_sender_can_do,
        ),
    ]
}

fn place(name: &str) -> Result<Place> {
    Place::new(
        name,
        &interceptor("gitlab", &["Push Hook"]),
        &[("message", "$(body.commits[0].message)")],
    )
}

fn send(place: &Place, delivery: &str, body: &Value) -> Result<super::Answer> {
    place.send(
        &payloads::gitlab_headers("Push Hook", SECRET, delivery),
        &body.to_string(),
    )
}

fn texts_stay_texts() -> Result<()> {
    let place = place("texts")?;
    for (number, message) in [
        "It's \"quoted\"",
        "\", \"data\": {\"evil\": \"yes\"}, \"x\": \"",
        "{\"kind\": \"Secret\"}",
        "two\nlines\r\nand a\ttab",
        "back\\slash \\\" and \\u0041",
        "部署 🚀 \u{1}",
        "`rm -rf /` && $HOME ; ${IFS}",
        "%s %n ../../etc/passwd",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = send(&place, &format!("d-{number}"), &payloads::gitlab_push("main", message))?;
        let made = place.made(&answer)?;
        ensure!(made == json!({"message": message}), "{message:?} became {made}");
    }
    Ok(())
}

fn variables_out_of_an_event_stay_text() -> Result<()> {
    let place = place("variables")?;
    for (number, message) in [
        "$(params.token)",
        "$(tt.params.message)",
        "$(uid)",
        "$(body.after)",
        "$$(x)",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = send(&place, &format!("d-{number}"), &payloads::gitlab_push("main", message))?;
        let made = place.made(&answer)?;
        let expected = message.replace("$(", "$$(");
        ensure!(made == json!({"message": expected}), "{message:?} became {made}");
    }
    Ok(())
}

fn an_object_where_a_text_was_meant() -> Result<()> {
    let place = place("objects")?;
    let mut body = payloads::gitlab_push("main", "");
    body["commits"][0]["message"] = json!({"a": "b"});
    let answer = send(&place, "d-1", &body)?;
    place.must_be(&answer, "failed", "with its values it is no longer JSON")?;
    // Chosen so that the quotes fit: the object has a field more, as with Tekton. That is told, and
    // what is no ConfigMap any more is not made.
    body["commits"][0]["message"] = json!({",": ":"});
    let answer = send(&place, "d-2", &body)?;
    let event = place.event(&answer.id()?)?;
    let trigger = &event["status"]["triggers"][0];
    ensure!(event["status"]["outcome"] == "failed", "{}", event["status"]);
    ensure!(
        trigger["error"]
            .as_str()
            .is_some_and(|text| text.contains("cannot be a key")),
        "{trigger}"
    );
    ensure!(
        trigger["warnings"].to_string().contains("changed its shape at data"),
        "{trigger}"
    );
    ensure!(place.count()? == 0, "{} objects were made", place.count()?);
    Ok(())
}

fn trigger_test_warns_of_what_a_sender_can_do() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("tidemill-trigger-").tempdir()?;
    let (listener, body) = (folder.path().join("listener.json"), folder.path().join("body.json"));
    let object = json!({
        "apiVersion": "triggers.tekton.dev/v1beta1", "kind": "EventListener", "metadata": {"name": "el"},
        "spec": {"triggers": [{
            "name": "t", "interceptors": interceptor("gitlab", &["Push Hook"]),
            "bindings": [{"name": "message", "value": "$(body.commits[0].message)"}],
            "template": {"spec": {"params": [{"name": "message"}], "resourcetemplates": [{
                "apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"generateName": "x-"},
                "spec": {"taskSpec": {"steps": [{"image": "busybox", "script": "echo $(tt.params.message)"}]}},
            }]}},
        }]},
    });
    std::fs::write(&listener, object.to_string())?;
    std::fs::write(&body, payloads::gitlab_push("main", "Hello").to_string())?;
    let (listener, body) = (listener.to_string_lossy(), body.to_string_lossy());
    let arguments = [
        "trigger",
        "test",
        "-f",
        &*listener,
        "--body",
        &*body,
        "--header",
        "X-Gitlab-Event: Push Hook",
    ];
    let output = tidemill_kit::ask(&folder.path().join("no-state"), &arguments)?;
    let (out, said) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(output.status.success(), "{said}");
    ensure!(out.contains("kind: TaskRun") && out.contains("echo Hello"), "{out}");
    for words in [
        "Secret hook/key is not among the files",
        "t: accepted, 1 objects",
        "body.commits[0].message stands in a script of the TaskRun (at spec.taskSpec.steps[0].script)",
        "body.commits[0].message can change the shape of the TaskRun",
    ] {
        ensure!(said.contains(words), "it does not say {words:?}:\n{said}");
    }
    Ok(())
}
