//! `tidemill logs`: what the steps of a run wrote.

use std::collections::{BTreeSet, HashSet};

use clap::{ArgAction, Args};
use jiff::Timestamp;
use serde_json::Value;
use tidemill_settings::Span;
use tokio::sync::mpsc;

use super::describe::task_runs_of;
use super::kind_and_name;
use crate::cli::Global;
use crate::client::{Address, Change, Client, encode};
use crate::error::{Error, Exit};
use crate::follow::{Follower, Log, LogLine, QUEUE_LENGTH, Wanted, logs_of, read};
use crate::output::Palette;
use crate::{json, names, say};

/// Logs read at the same time when following: as many tasks as one run may have started.
const READERS: usize = 256;

/// Show what the steps of a run wrote
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill logs good --task 3-build")]
pub(crate) struct Logs {
    /// Kind and name of the run; a name alone is a pipelinerun's
    #[arg(required = true, num_args = 1..=2, value_name = "KIND NAME")]
    what: Vec<String>,
    /// Go on until the run is over
    #[arg(short, long)]
    follow: bool,
    /// Only this task
    #[arg(short, long)]
    task: Option<String>,
    /// Only this step
    #[arg(short, long)]
    step: Option<String>,
    /// Only so many of the last lines of each step
    #[arg(long, value_name = "LINES")]
    tail: Option<usize>,
    /// Only what was written since then: a time such as 2026-11-23T13:05:02Z, or how long ago, such as 10m
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Only what was written before then: a time or how long ago, as with --since
    #[arg(long, value_name = "TIME", value_parser = since, conflicts_with = "tail")]
    until: Option<Timestamp>,
    /// Only lines that hold this text
    #[arg(long)]
    text: Option<String>,
    /// The time in front of each line
    #[arg(long)]
    timestamps: bool,
    /// Task and step in front of each line
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    prefix: bool,
}

/// A time, or how long ago.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let ago: Span = text
        .parse()
        .map_err(|_| format!("`{text}` is no time; expected such as 2026-11-23T13:05:02Z or 10m"))?;
    Timestamp::now()
        .checked_sub(ago.duration())
        .map_err(|error| error.to_string())
}

impl Logs {
    /// Prints them, interleaved by task when following.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        let (kind, name) = kind_and_name(&self.what, "pipelinerun")?;
        if !matches!(kind.kind, "PipelineRun" | "TaskRun") {
            return Err(Error::usage(format!("a {} has no log, only a run has", kind.singular)));
        }
        let client = global.client().await?;
        let address = Address::object(kind, client.namespace(), &name);
        let run = client.get(&address).await?;
        let printer = Printer {
            palette: say::stdout().palette,
            prefix: self.prefix,
            pipeline: kind.kind == "PipelineRun",
        };
        if self.follow && !json::is_over(&run) {
            follow(&client, &run, self.wanted(), &printer).await?;
        } else {
            self.print(&client, &run, &printer).await?;
        }
        Ok(Exit::Success)
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            task: self.task.clone(),
            step: self.step.clone(),
            follow: self.follow,
            tail: self.tail,
            since: self.since,
            until: self.until,
            text: self.text.clone(),
            timestamps: self.timestamps,
        }
    }

    /// One log after the other, in the order of tasks and steps.
    async fn print(&self, client: &Client, run: &Value, printer: &Printer) -> Result<(), Error> {
        let runs = if printer.pipeline {
            task_runs_of(client, run).await?
        } else {
            vec![run.clone()]
        };
        self.must_have_begun(run, &runs)?;
        let wanted = self.wanted();
        for log in runs.iter().flat_map(|run| logs_of(run, &wanted)) {
            let (sender, mut lines) = mpsc::channel(QUEUE_LENGTH);
            let read = async {
                read(client, &log, &sender).await;
                drop(sender);
            };
            let print = async {
                while let Some(line) = lines.recv().await {
                    printer.print(&line);
                }
            };
            futures::join!(read, print);
        }
        Ok(())
    }

    /// What is asked for by name is there.
    fn must_have_begun(&self, run: &Value, runs: &[Value]) -> Result<(), Error> {
        let is_it = |run: &Value, task: &String| json::task_of(run) == *task || task_label(run) == task;
        if let Some(task) = &self.task
            && !runs.iter().any(|run| is_it(run, task))
        {
            let known: Vec<String> = runs.iter().map(json::task_of).collect();
            return Err(Error::failed(
                format!("{} has no task {task:?} that was started", json::name(run)),
                format!("it has {}", known.join(", ")),
            ));
        }
        let of_tasks = Wanted {
            step: None,
            ..self.wanted()
        };
        let logs: Vec<Log> = runs.iter().flat_map(|run| logs_of(run, &of_tasks)).collect();
        if let Some(step) = &self.step
            && !logs.iter().any(|log| log.step() == step)
        {
            let known: BTreeSet<&str> = logs.iter().map(Log::step).collect();
            let known: Vec<&str> = known.into_iter().collect();
            return Err(Error::failed(
                format!("{} has no step {step:?} that has begun", json::name(run)),
                format!("it has {}", known.join(", ")),
            ));
        }
        Ok(())
    }
}

fn task_label(run: &Value) -> &str {
    json::text(run, "/metadata/labels/tekton.dev~1pipelineTask")
}

/// Shows lines as they come until the run is over and every log has ended.
async fn follow(client: &Client, run: &Value, wanted: Wanted, printer: &Printer) -> Result<(), Error> {
    let (mut follower, mut lines) = Follower::new(client, wanted, READERS);
    let this = format!(
        "fieldSelector={}",
        encode(&format!("metadata.name={}", json::name(run)))
    );
    let of_run = format!(
        "labelSelector={}",
        encode(&format!("{}={}", names::PIPELINE_RUN, json::name(run)))
    );
    let namespace = Some(json::namespace(run));
    let kind = if printer.pipeline { "pipelinerun" } else { "taskrun" };
    let collection = Address::collection_of(super::kind(kind)?, namespace);
    let children = Address::collection_of(super::kind("taskrun")?, namespace);
    let mut runs = client.watch(&collection, &this);
    let mut task_runs = client.watch(&children, if printer.pipeline { &of_run } else { &this });
    let mut settled = HashSet::new();
    let mut last = run.clone();
    while !is_complete(&last, &settled, printer.pipeline) {
        tokio::select! {
            change = runs.next() => match change? {
                Change::Present(run) => last = run,
                Change::Deleted(_) => break,
            },
            change = task_runs.next() => if let Change::Present(run) = change? {
                follower.observe(&run);
                if json::is_over(&run) {
                    settled.insert(json::name(&run).to_owned());
                }
            },
            Some(line) = lines.recv() => printer.print(&line),
        }
    }
    let readers = follower.finish();
    while let Some(line) = lines.recv().await {
        printer.print(&line);
    }
    drop(readers);
    Ok(())
}

/// Whether the run is over and the end of each of its TaskRuns was seen.
fn is_complete(run: &Value, settled: &HashSet<String>, pipeline: bool) -> bool {
    if !json::is_over(run) {
        return false;
    }
    if !pipeline {
        return settled.contains(json::name(run));
    }
    json::list(run, "/status/childReferences")
        .iter()
        .all(|child| settled.contains(json::text(child, "/name")))
}

/// Writes lines as `tkn` does: `[task : step] line`, an empty line after each step.
struct Printer {
    palette: Palette,
    prefix: bool,
    pipeline: bool,
}

impl Printer {
    fn print(&self, line: &LogLine) {
        say::data(&self.text(line));
    }

    fn text(&self, line: &LogLine) -> String {
        match (&line.text, self.prefix) {
            (Some(text), true) if self.pipeline => {
                let prefix = self
                    .palette
                    .by_key(&line.task, &format!("[{} : {}]", line.task, line.step));
                format!("{prefix} {text}\n")
            }
            (Some(text), true) => {
                let prefix = self.palette.by_key(&line.step, &format!("[{}]", line.step));
                format!("{prefix} {text}\n")
            }
            (Some(text), false) => format!("{text}\n"),
            (None, true) => "\n".to_owned(),
            (None, false) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LogLine, Printer};
    use crate::output::Palette;

    #[test]
    fn lines_look_as_with_tkn() {
        let line = |text: Option<&str>| LogLine {
            task: "build".to_owned(),
            step: "compile".to_owned(),
            text: text.map(str::to_owned),
        };
        let printer = |prefix, pipeline| Printer {
            palette: Palette::PLAIN,
            prefix,
            pipeline,
        };
        assert_eq!(printer(true, true).text(&line(Some("ok"))), "[build : compile] ok\n");
        assert_eq!(printer(true, false).text(&line(Some("ok"))), "[compile] ok\n");
        assert_eq!(printer(true, true).text(&line(None)), "\n");
        assert_eq!(printer(false, true).text(&line(Some("ok"))), "ok\n");
        assert_eq!(printer(false, true).text(&line(None)), "");
    }
}
