//! What is known of a run and its tasks.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::graph;
use super::task::{Phase, Task, note};
use crate::json;
use crate::output::plain;

/// Something that happened, for a log of one line an event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// A task began.
    Started {
        /// The task.
        task: String,
        /// Which attempt, from 1.
        attempt: usize,
    },
    /// A task waits for something that people can mend.
    Waits {
        /// The task.
        task: String,
        /// For what, and what to do.
        message: String,
    },
    /// A task is over or will never run.
    Settled {
        /// The task.
        task: String,
        /// How.
        phase: Phase,
        /// How long it took, if it began.
        took: Option<SignedDuration>,
        /// Results, the reason of a failure or of a skip.
        note: String,
    },
}

/// A run under observation.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(super) name: String,
    pub(super) of: String,
    pub(super) class: String,
    pub(super) trace: String,
    pub(super) tasks: Vec<Task>,
}

impl Model {
    /// Takes in the run as it is now: the names of its tasks, and which are skipped.
    pub(crate) fn observe_run(&mut self, run: &Value) -> Vec<Event> {
        self.name = json::name(run).to_owned();
        self.of = [("/spec/pipelineRef/name"), ("/spec/taskRef/name")]
            .into_iter()
            .map(|pointer| json::text(run, pointer))
            .find(|name| !name.is_empty())
            .unwrap_or_default()
            .to_owned();
        let annotations = run.pointer("/metadata/annotations");
        let class = annotations.and_then(|annotations| annotations.get("tidemill.dev/class"));
        self.class = class.and_then(Value::as_str).unwrap_or_default().to_owned();
        self.trace = json::trace_id(run).unwrap_or_default().to_owned();
        for pointer in ["/status/pipelineSpec", "/spec/pipelineSpec"] {
            if let Some(spec) = run.pointer(pointer) {
                self.observe_pipeline(spec);
                break;
            }
        }
        let skipped = json::list(run, "/status/skippedTasks");
        skipped.iter().filter_map(|task| self.skip(task)).collect()
    }

    /// Takes in the pipeline's spec; tasks that are known already stay as they are.
    pub(crate) fn observe_pipeline(&mut self, spec: &Value) {
        if self.tasks.iter().any(|task| task.node.is_some()) {
            return;
        }
        for node in graph::nodes(spec) {
            if let Some(task) = self.tasks.iter_mut().find(|task| task.name == node.name) {
                task.node = Some(node);
            } else {
                self.tasks.push(Task::new(&node.name.clone(), Some(node)));
            }
        }
    }

    /// Takes in a TaskRun as it is now, seen at `at`.
    pub(crate) fn observe_task_run(&mut self, run: &Value, at: Timestamp) -> Vec<Event> {
        let name = json::task_of(run);
        let task = self.entry(&name, run);
        if task.phase.is_settled() {
            return Vec::new();
        }
        let phase = Phase::of(run);
        let attempt = json::list(run, "/status/retriesStatus").len() + 1;
        task.started = json::time(run, "/status/startTime").or(task.started);
        let mut events = Vec::new();
        let began = phase != Phase::Waiting && (task.seen_running.is_none() || attempt > task.attempt);
        if began {
            task.seen_running = Some(at);
            task.attempt = attempt;
            task.note.clear();
            events.push(Event::Started {
                task: name.clone(),
                attempt,
            });
        }
        task.phase = phase;
        if let ("Unknown", "Pending", message) = json::condition(run) {
            let message = plain(message);
            if message != task.note && !message.is_empty() {
                task.note = message.clone();
                events.push(Event::Waits {
                    task: name.clone(),
                    message,
                });
            }
        }
        if phase.is_settled() {
            task.took = task.duration(run, at, began);
            task.note = note(phase, run);
            events.push(Event::Settled {
                task: name,
                phase,
                took: task.took,
                note: task.note.clone(),
            });
        }
        events
    }

    /// Takes in the newest line of a running task's log.
    pub(crate) fn observe_log(&mut self, task: &str, step: &str, line: &str) {
        let line = plain(line);
        let found = self.tasks.iter_mut().find(|known| known.name == task);
        if let Some(task) = found.filter(|task| task.phase == Phase::Running && !line.trim().is_empty()) {
            task.note = format!("{step} │ {}", line.trim_end());
        }
    }

    /// How many tasks are in `phase`.
    pub(crate) fn count(&self, phase: Phase) -> usize {
        self.tasks.iter().filter(|task| task.phase == phase).count()
    }

    /// What a task waits for, for people.
    pub(super) fn waits_for(&self, task: &Task) -> String {
        let Some(node) = &task.node else {
            return String::new();
        };
        if !node.guard.is_empty() {
            return format!("when {}", node.guard);
        }
        if node.finally {
            return "after all tasks".to_owned();
        }
        let open = |name: &&String| {
            let known = self.tasks.iter().find(|task| task.name == **name);
            known.is_none_or(|task| !task.phase.is_settled())
        };
        let open: Vec<&str> = node.after.iter().filter(open).map(String::as_str).collect();
        match open.as_slice() {
            [] => String::new(),
            names => format!("after {}", names.join(", ")),
        }
    }

    fn skip(&mut self, skipped: &Value) -> Option<Event> {
        let name = json::text(skipped, "/name").to_owned();
        let index = self.tasks.iter().position(|task| task.name == name);
        let index = index.unwrap_or_else(|| {
            self.tasks.push(Task::new(&name, None));
            self.tasks.len() - 1
        });
        let task = &mut self.tasks[index];
        if task.phase.is_settled() {
            return None;
        }
        task.phase = Phase::Skipped;
        task.note = json::text(skipped, "/reason").to_owned();
        Some(Event::Settled {
            task: name,
            phase: Phase::Skipped,
            took: None,
            note: task.note.clone(),
        })
    }

    /// The task of that name. The children of a matrix come in the place of their task.
    fn entry(&mut self, name: &str, run: &Value) -> &mut Task {
        if let Some(index) = self.tasks.iter().position(|task| task.name == name) {
            return &mut self.tasks[index];
        }
        let labels = run.pointer("/metadata/labels");
        let label = labels.and_then(|labels| labels.get("tekton.dev/pipelineTask"));
        let base = label.and_then(Value::as_str).unwrap_or_default();
        let sibling = |task: &Task| {
            let tail = task.name.strip_prefix(base).and_then(|tail| tail.strip_prefix('-'));
            task.name == base || tail.is_some_and(|tail| tail.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let last = self.tasks.iter().rposition(|task| !base.is_empty() && sibling(task));
        let index = match last {
            Some(index) if self.tasks[index].name == base => {
                self.tasks[index].name = name.to_owned();
                index
            }
            Some(index) => {
                let node = self.tasks[index].node.clone();
                self.tasks.insert(index + 1, Task::new(name, node));
                index + 1
            }
            None => {
                self.tasks.push(Task::new(name, None));
                self.tasks.len() - 1
            }
        };
        &mut self.tasks[index]
    }
}
