//! `tidemill trigger test`: what a webhook would start.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};
use tidemill_resources::admission::{self, Operation};
use tidemill_triggers::{
    BODY_BYTES_MAX, Decision, Event, Headers, Request, TriggerOutcome, evaluate, event_id, event_key, probe,
};

use super::bench::Bench;
use crate::cli::Global;
use crate::error::{Error, Exit};
use crate::files::{Input, read};
use crate::output::{Format, print_object};
use crate::say;

/// Evaluate a webhook offline, and print what would be created
///
/// The objects go to standard output; what each trigger decides, and what a sender of webhooks could do
/// with your template, to standard error. Exit code 1 when a trigger fails or refuses the sender, or an
/// object would be refused.
#[derive(Debug, Args)]
#[command(
    before_help = "Example: tidemill trigger test -f demo/triggers.yaml --body payload.json --header 'X-Gitlab-Event: Push Hook'"
)]
pub(super) struct Test {
    /// Files or folders with the EventListener and what it refers to; - for standard input
    #[arg(short, long = "file", required = true, value_name = "FILE")]
    files: Vec<Input>,
    /// The webhook's body; - for standard input
    #[arg(short, long, value_name = "FILE")]
    body: PathBuf,
    /// A header of the webhook; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Which EventListener, where the files have several
    #[arg(short, long, value_name = "NAME")]
    listener: Option<String>,
    /// How to write the objects
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

impl Test {
    /// Evaluates.
    pub(super) fn run(self, global: &Global) -> Result<Exit, Error> {
        let namespace = global.namespace().unwrap_or("default");
        let bench = Bench::new(&read(&self.files)?, namespace, self.listener.as_deref())?;
        let request = self.request(&bench)?;
        let (listener, triggers, missing) = bench.unverified(false);
        for secret in missing {
            say::warning(&format!(
                "Secret {secret} is not among the files: the sender is taken for proven"
            ));
        }
        let key = event_key("trigger-test", &request, "trigger-test");
        let event = Event::read(&request, event_id(&key), Timestamp::now(), listener.checks_payload());
        let event = event.map_err(|error| Error::failed(error.to_string(), "the sender would be answered 400"))?;
        let outcomes = evaluate(&listener, &triggers, &bench.known, &event);
        if outcomes.is_empty() {
            say::line("the EventListener has no trigger");
        }
        let mut is_good = true;
        let mut objects = Vec::new();
        for outcome in outcomes {
            is_good &= tell(&outcome);
            if let Decision::Accepted { objects: made } = outcome.decision {
                objects.extend(made);
            }
        }
        let (listener, triggers, _) = bench.unverified(true);
        for risk in probe(&listener, &triggers, &bench.known, &request) {
            say::warning(&risk.describe());
        }
        for object in &objects {
            is_good &= check(object);
        }
        say::data(&self.print(&objects)?);
        Ok(if is_good { Exit::Success } else { Exit::Failure })
    }

    fn request(&self, bench: &Bench) -> Result<Request, Error> {
        let mut headers = Headers::default();
        for header in &self.headers {
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| Error::usage(format!("--header {header:?}: expected NAME: VALUE")))?;
            headers.add(name.trim(), value.trim());
        }
        let body = body(&self.body)?;
        Ok(Request {
            url: format!("/{}/{}", bench.listener.namespace(), bench.listener.name()),
            headers,
            body,
        })
    }

    fn print(&self, objects: &[Value]) -> Result<String, Error> {
        match self.output {
            Some(Format::Json | Format::Name) => {
                let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": objects});
                let format = self.output.unwrap_or(Format::Json);
                print_object(&list, format)
            }
            _ => {
                let documents = objects.iter().map(|object| print_object(object, Format::Yaml));
                Ok(documents.collect::<Result<Vec<_>, _>>()?.join("---\n"))
            }
        }
    }
}

/// Says what a trigger decided; `false` when it is at fault or refuses the sender.
fn tell(outcome: &TriggerOutcome) -> bool {
    let name = match outcome.trigger.as_str() {
        "" => "trigger without a name",
        name => name,
    };
    say::line(&format!("{name}: {}", outcome.decision.describe()));
    for warning in &outcome.warnings {
        say::warning(&format!("{name}: {warning}"));
    }
    matches!(outcome.decision, Decision::Accepted { .. } | Decision::Filtered { .. })
}

/// Whether the server would take an object that was made; says why not.
fn check(object: &Value) -> bool {
    let kind = object["kind"].as_str().unwrap_or_default();
    let problems = match admission::admit(object.clone(), Operation::Create, false) {
        Ok(admitted) => admitted.warnings,
        Err(rejected) => rejected.problems,
    };
    let mut is_taken = true;
    for problem in problems {
        if problem.is_error() {
            is_taken = false;
            say::line(&format!("error: the {kind} would be refused: {problem}"));
        } else {
            say::warning(&format!("{kind}: {problem}"));
        }
    }
    is_taken
}

/// The body, at most as much as is evaluated and one byte.
fn body(path: &std::path::Path) -> Result<Vec<u8>, Error> {
    use std::io::Read as _;
    let most = BODY_BYTES_MAX as u64 + 1;
    let mut bytes = Vec::new();
    let read = match path.to_str() {
        Some("-") => std::io::stdin().lock().take(most).read_to_end(&mut bytes),
        _ => std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)),
    };
    read.map_err(Error::io(format!("read {}", path.display())))?;
    Ok(bytes)
}
