//! `tidemill create`: create objects, and with a run start it.

use clap::Args;
use serde_json::{Value, json};

use super::apply::say_written;
use crate::cli::Global;
use crate::client::{Address, Client};
use crate::error::{Error, Exit};
use crate::files::{Input, read};
use crate::output::{Format, print_object};
use crate::{json, names, say};

/// Create objects; a run that is created starts
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill create -f run.yaml")]
pub(crate) struct Create {
    /// Files or folders; - for standard input
    #[arg(short, long = "file", required = true, value_name = "FILE")]
    files: Vec<Input>,
    /// Write the objects
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

impl Create {
    /// Creates all; the files are checked as a whole first.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        let manifests = read(&self.files)?;
        let client = global.client().await?;
        let mut written = Vec::new();
        for manifest in &manifests {
            let created = match one(&client, &manifest.written, "tidemill create").await {
                Ok(created) => created,
                Err(error) => {
                    say_written(&written);
                    return Err(error);
                }
            };
            let name = Address::of(&created, client.namespace())?.say();
            match self.output {
                Some(format) => say::data(&print_object(&created, format)?),
                None => say::line(&format!("{name} created")),
            }
            written.push(name);
        }
        Ok(Exit::Success)
    }
}

/// Creates the object; a run is annotated with who asked for it, and how.
///
/// # Errors
/// [`Error::Refused`]; [`Error::Usage`] with a hint when a run of that name exists.
pub(crate) async fn one(client: &Client, object: &Value, how: &str) -> Result<Value, Error> {
    let address = Address::of(object, client.namespace())?;
    let mut object = object.clone();
    let is_run = matches!(address.kind().kind, "PipelineRun" | "TaskRun");
    if is_run {
        annotate(&mut object, names::STARTED_BY, &format!("{} with `{how}`", person()));
    }
    match client.create(&address, &object).await {
        Err(error) if error.is_already_exists() && is_run => Err(Error::failed(
            format!(
                "{} exists already in namespace {}",
                address.say(),
                namespace_of(&object, client)
            ),
            format!(
                "a run is created once: give it generateName instead of name, choose a name with `tidemill run --name`, or `tidemill delete {}`",
                address.say()
            ),
        )),
        other => other,
    }
}

/// Sets an annotation unless the file has it.
pub(crate) fn annotate(object: &mut Value, key: &str, value: &str) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.entry(key).or_insert_with(|| value.into());
    }
}

fn namespace_of(object: &Value, client: &Client) -> String {
    match json::namespace(object) {
        "" => client.namespace().to_owned(),
        namespace => namespace.to_owned(),
    }
}

/// Who sits at the terminal.
fn person() -> String {
    let user = rustix::process::getuid().as_raw();
    let set = |name| std::env::var(name).ok().filter(|name: &String| !name.is_empty());
    let listed = || name_in(&std::fs::read_to_string("/etc/passwd").ok()?, user);
    set("USER")
        .or_else(|| set("LOGNAME"))
        .or_else(listed)
        .unwrap_or_else(|| format!("user {user}"))
}

/// The name of a user in the text of `/etc/passwd`.
fn name_in(users: &str, id: u32) -> Option<String> {
    let id = id.to_string();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{annotate, name_in};

    #[test]
    fn users_are_found_by_id() {
        let users = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(name_in(users, 1000).as_deref(), Some("ada"));
        assert_eq!(name_in(users, 7), None);
    }

    #[test]
    fn an_annotation_of_the_file_stays() {
        let mut run = json!({"metadata": {"name": "a"}});
        annotate(&mut run, "k", "ours");
        annotate(&mut run, "k", "other");
        assert_eq!(run["metadata"]["annotations"]["k"], "ours");
    }
}
