//! Secrets are in nothing that is stored or told, however steps print them.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tidemill_bus::{Bus, Connect};
use tidemill_kit::{NatsServer, ask, tell, wait_until};
use tidemill_messages::stream::SUBJECTS;

use super::metrics::http;
use super::story::{World, webhooks};
use crate::Test;
use crate::webhook::post;

/// How long each thing may take that is waited for.
const LIMIT: Duration = Duration::from_secs(60);
/// In a variable, in a file, in the headers of a webhook.
const CANARIES: [&str; 3] = [
    "canary-variable-7f3a9c51",
    "canary-file-b2d84e60",
    "canary-header-c91e07aa",
];
/// Printed beside them: what the search must find.
const CONTROL: &str = "control-word-31415926";
/// Where Secrets themselves lie, and where the command to apply them does.
const SECRETS: &str = "object.core.secrets.";

pub(super) fn tests() -> Vec<Test> {
    vec![Test::new("trace::canaries_are_nowhere", canaries)]
}

fn canaries() -> Result<()> {
    let nats = NatsServer::start()?;
    let metrics = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let world = World::new(&[
        ("TIDEMILL_NATS", &nats.url()),
        ("TIDEMILL_TELEMETRY_LISTEN", &metrics),
        ("TIDEMILL_STREAMS_STORE", "512MiB"),
        ("TIDEMILL_LOG", "debug,async_nats=info,hyper=info,h2=info,rustls=info"),
    ])?;
    let mut up = world.up()?;
    world.apply(&[
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "canaries"}, "stringData": {
            "variable": CANARIES[0], "file": CANARIES[1], "header": CANARIES[2],
        }}),
        json!({"apiVersion": "triggers.tekton.dev/v1beta1", "kind": "EventListener", "metadata": {"name": "el"}, "spec": {
            "triggers": [{"name": "t", "interceptors": [{"ref": {"name": "gitlab"}, "params": [
                {"name": "secretRef", "value": {"secretName": "canaries", "secretKey": "header"}},
            ]}], "template": {"spec": {"resourcetemplates": [
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"}},
            ]}}}],
        }}),
    ])?;
    let headers = [
        ("X-Gitlab-Token", CANARIES[2]),
        ("X-Gitlab-Event", "Push Hook"),
        ("Authorization", CANARIES[2]),
    ];
    let answer = post(&webhooks(&up)?, "/default/el", &headers, "{}")?;
    ensure!(answer.code == 202, "{}", answer.body);
    let accepted = wait_until(LIMIT, || {
        tell(&world.state(), &["events"]).is_ok_and(|text| text.contains("made-"))
    });
    ensure!(accepted, "the webhook was not accepted");
    let file = world.file("run.yaml");
    std::fs::write(&file, run())?;
    let ran = ask(&world.state(), &["run", "-f", &file.to_string_lossy()])?;
    let told = world.collector.wait_for("RUN leak", LIMIT);
    ensure!(told, "the run is not told of:\n{}", up.process.spoken());
    let shown = [
        String::from_utf8_lossy(&ran.stdout).into_owned(),
        String::from_utf8_lossy(&ran.stderr).into_owned(),
        tell(&world.state(), &["logs", "leak"])?,
        tell(&world.state(), &["describe", "pipelinerun", "leak"])?,
        tell(&world.state(), &["get", "pipelinerun,taskrun,pod,event", "-o", "yaml"])
            .or_else(|_| tell(&world.state(), &["get", "taskrun", "-o", "yaml"]))?,
        tell(&world.state(), &["events", "show", &answer.id()?])?,
    ];
    ensure!(shown[2].contains(CONTROL) && shown[2].contains("***"), "{}", shown[2]);
    let mut places: Vec<(String, String)> = shown
        .into_iter()
        .map(|text| ("what commands show".to_owned(), text))
        .collect();
    places.push(("spans".to_owned(), format!("{:?}", world.collector.received())));
    places.push(("metrics".to_owned(), http(&metrics, "GET /metrics", "")?));
    places.extend(stored(&nats.url())?);
    places.push(("the log of the services".to_owned(), up.process.stop()?));
    ensure!(
        places
            .iter()
            .any(|(place, text)| place.starts_with("log.") && text.contains(CONTROL)),
        "the search does not see what steps print"
    );
    for (place, text) in &places {
        for canary in CANARIES {
            for form in [canary.to_owned(), base64(canary)] {
                ensure!(!text.contains(&form), "{place} has {form}: {}", around(text, &form));
            }
        }
    }
    Ok(())
}

/// What a careless pipeline does with its Secrets.
fn run() -> String {
    let leak = format!(
        "#!/bin/sh\nfor word in \"$CANARY\" \"$(cat /secrets/file)\" {CONTROL}; do\n  echo \"plain $word\"\n  printf %s \"$word\" | base64\n  printf %s \"$word\" | head -c 9; sleep 0.3; printf '%s\\n' \"$word\" | tail -c +10\n  head -c 65530 /dev/zero | tr '\\0' x; echo \"$word\"\n  echo \"error $word\" >&2\ndone\nprintf %s \"$CANARY\" > $(results.leaked.path)\n"
    );
    json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "leak"}, "spec": {"pipelineSpec": {"tasks": [
        {"name": "print", "taskSpec": {
            "results": [{"name": "leaked"}],
            "volumes": [{"name": "secrets", "secret": {"secretName": "canaries"}}],
            "steps": [{"name": "leak", "image": "any", "script": leak,
                "env": [{"name": "CANARY", "valueFrom": {"secretKeyRef": {"name": "canaries", "key": "variable"}}}],
                "volumeMounts": [{"name": "secrets", "mountPath": "/secrets"}]}],
        }},
        {"name": "pass-on", "params": [{"name": "word", "value": "$(tasks.print.results.leaked)"}], "taskSpec": {
            "params": [{"name": "word"}],
            "steps": [{"name": "echo", "image": "any", "script": "#!/bin/sh\necho \"param $(params.word)\"\n"},
                {"name": "fail", "image": "any", "script": "#!/bin/sh\n$CANARY\n",
                 "env": [{"name": "CANARY", "valueFrom": {"secretKeyRef": {"name": "canaries", "key": "variable"}}}]}],
        }},
    ]}}})
    .to_string()
}

/// Everything in all streams but the Secrets themselves, by subject; logs also as one text each.
fn stored(url: &str) -> Result<Vec<(String, String)>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let bus = Bus::connect(Connect::new(url)).await?;
        let mut places = Vec::new();
        for (stream, _) in SUBJECTS {
            for message in bus.read_all(stream, ">", 0, false).await.context(stream)? {
                if message.subject.starts_with(SECRETS) {
                    continue;
                }
                let text = format!("{:?} {}", message.headers, String::from_utf8_lossy(&message.payload));
                places.push((message.subject, text));
            }
        }
        Ok(places)
    })
}

fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            encoded.push(char::from(letter));
        }
    }
    encoded
}

fn around<'a>(text: &'a str, form: &str) -> &'a str {
    let at = text.find(form).unwrap_or_default();
    let (mut from, mut to) = (at.saturating_sub(120), (at + 120).min(text.len()));
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    while !text.is_char_boundary(to) {
        to += 1;
    }
    &text[from..to]
}
