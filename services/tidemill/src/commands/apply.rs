//! `tidemill apply`: bring objects to what files say.

use clap::Args;
use serde_json::{Value, json};
use tidemill_resources::manifest::Manifest;

use crate::cli::Global;
use crate::client::{Address, Client};
use crate::error::{Error, Exit};
use crate::files::{Input, read};
use crate::merge::three_way;
use crate::output::{Format, print_object};
use crate::{names, say};

/// Create objects, or bring them to what the files say
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill apply -f tasks.yaml -f pipeline.yaml")]
pub(crate) struct Apply {
    /// Files or folders; - for standard input
    #[arg(short, long = "file", required = true, value_name = "FILE")]
    files: Vec<Input>,
    /// Write the objects
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was not there.
    Created,
    /// It was there and was changed.
    Configured,
    /// It was as wanted.
    Unchanged,
}

impl Apply {
    /// Applies all; the files are checked as a whole first.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        let manifests = read(&self.files)?;
        let client = global.client().await?;
        let mut written = Vec::new();
        for manifest in &manifests {
            let (address, outcome, object) = match one(&client, manifest).await {
                Ok(done) => done,
                Err(error) => {
                    say_written(&written);
                    return Err(error);
                }
            };
            match self.output {
                Some(format) => say::data(&print_object(&object, format)?),
                None => say::line(&format!("{} {}", address.say(), outcome.word())),
            }
            written.push(address.say());
        }
        Ok(Exit::Success)
    }
}

impl Outcome {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Says what a set that failed in its middle left behind.
pub(crate) fn say_written(written: &[String]) {
    if !written.is_empty() {
        say::line(&format!("written before the failure: {}", written.join(", ")));
    }
}

/// Creates the object or merges it into the one that is there.
///
/// # Errors
/// [`Error::Refused`]; [`Error::Usage`] when the object has no name.
pub(crate) async fn one(client: &Client, manifest: &Manifest) -> Result<(Address, Outcome, Value), Error> {
    let address = Address::of(&manifest.written, client.namespace())?;
    if address.name.is_none() {
        return Err(Error::usage_hint(
            format!("{}, document {}: apply needs a name", manifest.file, manifest.document),
            "use `tidemill create` for an object with generateName",
        ));
    }
    let wanted = annotated(&manifest.written);
    match client.create(&address, &wanted).await {
        Ok(object) => return Ok((address, Outcome::Created, object)),
        Err(error) if error.is_already_exists() => {}
        Err(error) => return Err(error),
    }
    let live = client.get(&address).await?;
    let last = last_applied(&live);
    let patch = three_way(&last, &live, &wanted);
    if patch.is_empty() {
        return Ok((address, Outcome::Unchanged, live));
    }
    let object = client.merge(&address, &Value::Object(patch)).await?;
    Ok((address, Outcome::Configured, object))
}

/// With what is applied kept in an annotation, so that the next time knows what was removed. Not for
/// Secrets: their values belong into no annotation.
fn annotated(written: &Value) -> Value {
    let mut wanted = written.clone();
    if written["kind"] == "Secret" {
        return wanted;
    }
    let text = written.to_string();
    if let Some(metadata) = wanted.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(names::LAST_APPLIED.to_owned(), text.into());
        }
    }
    wanted
}

/// What was applied last; of a Secret its data, all of which is ours.
fn last_applied(live: &Value) -> Value {
    if live["kind"] == "Secret" {
        return json!({"data": live["data"]});
    }
    let annotations = live.pointer("/metadata/annotations");
    let text = annotations.and_then(|annotations| annotations.get(names::LAST_APPLIED));
    text.and_then(Value::as_str)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidemill_resources::manifest::{File, Limits, Manifest, ManifestSet};

    use super::{Outcome, annotated, last_applied, one};
    use crate::client::script::{Exchange, Script};

    const TASKS: &str = "/apis/tekton.dev/v1/namespaces/ci/tasks";

    fn manifest() -> Manifest {
        let text =
            "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: a}\nspec: {steps: [{image: i, script: ls}]}\n";
        let file = File {
            name: "a.yaml",
            bytes: text.as_bytes(),
        };
        ManifestSet::parse(&[file], &Limits::default(), false)
            .unwrap()
            .manifests
            .remove(0)
    }

    #[tokio::test]
    async fn an_object_is_created_once_then_merged_then_left_alone() {
        let create = format!("POST {TASKS}?fieldValidation=Warn");
        let mut live = annotated(&manifest().written);
        live["spec"]["steps"][0]["script"] = json!("pwd");
        let script = Script::start([
            Exchange::new(&create, json!({"kind": "Task"})).with(json!({"metadata": {"name": "a"}})),
            Exchange::refused(&create, 409, "AlreadyExists"),
            Exchange::new(&format!("GET {TASKS}/a"), &live),
            Exchange::new(
                &format!("PATCH {TASKS}/a?fieldValidation=Warn"),
                json!({"kind": "Task"}),
            )
            .with(json!({"spec": {"steps": [{"image": "i", "script": "ls"}]}})),
            Exchange::refused(&create, 409, "AlreadyExists"),
            Exchange::new(&format!("GET {TASKS}/a"), annotated(&manifest().written)),
        ])
        .await;
        for outcome in [Outcome::Created, Outcome::Configured, Outcome::Unchanged] {
            assert_eq!(one(&script.client, &manifest()).await.unwrap().1, outcome);
        }
        script.must_be_over();
    }

    #[test]
    fn what_was_applied_is_remembered_but_no_secret_is() {
        let task = json!({"kind": "Task", "metadata": {"name": "a"}, "spec": {"steps": []}});
        assert_eq!(last_applied(&annotated(&task)), task);
        let secret = json!({"kind": "Secret", "metadata": {"name": "a"}, "stringData": {"key": "hunter2"}});
        assert_eq!(annotated(&secret), secret);
    }
}
