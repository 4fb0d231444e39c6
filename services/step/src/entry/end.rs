//! The end of a step: what it is judged, what it is told, whose turn comes.

use std::fs;
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use tidemill_messages::CancelReason;
use tidemill_messages::report::{ContainerEnd, ContainerReport, ReportBody};
use tidemill_resources::step::OnError;
use tidemill_resources::task_run::TerminationReason;

use super::play::Play;
use super::turn::{self, Turn};
use super::{RESULTS_PATH, memory};
use crate::error::{Doing, Error};
use crate::sandbox::attempt::words;

impl Play {
    /// The step's guards do not hold.
    pub(super) fn pass_over(&mut self) -> Result<(), Error> {
        self.report_end(self.end(TerminationReason::Skipped, 0, String::new()))?;
        self.go_on(0)
    }

    /// A step that cannot be started fails as if its program had.
    pub(super) fn refuse(&mut self, message: &str) -> Result<(), Error> {
        self.end_unrun(i32::from(crate::process::NOT_RUN), message)
    }

    /// A step whose program never ran: killed before, or not to be started.
    pub(super) fn end_unrun(&mut self, code: i32, message: &str) -> Result<(), Error> {
        let message = self.masks.clean(message);
        self.conclude(code, (!message.is_empty()).then_some(message))
    }

    /// Reports how the step ended and passes the turn on.
    pub(super) fn conclude(&mut self, code: i32, refusal: Option<String>) -> Result<(), Error> {
        let mut end = self.judge(code, refusal.as_ref());
        let now = Instant::now();
        let line = refusal.or_else(|| (self.timed_out || end.out_of_memory).then(|| end.message.clone()));
        if let Some(line) = line {
            self.log.say(&line, now);
        }
        self.say_what_is_missing(now);
        self.send_log(now, true)?;
        let position = self.step.position;
        let results = self.step.directory(position).join("results");
        let names: Vec<String> = self
            .step
            .planned()
            .results
            .iter()
            .map(|result| result.name.clone())
            .collect();
        end.results = self.collector.collect(&results, &names)?;
        let (reason, exit_code) = (end.reason, end.exit_code);
        if reason == TerminationReason::Continued || (self.goes_on_after_errors() && exit_code == 0) {
            let path = self.step.directory(position).join("exitCode");
            fs::write(&path, exit_code.to_string()).doing(|| format!("write {}", path.display()))?;
        }
        self.report_end(end)?;
        if matches!(reason, TerminationReason::Completed | TerminationReason::Continued) {
            // An exit code of its own would fail the pod.
            return self.go_on(0);
        }
        self.skip_the_rest();
        self.end_task()?;
        self.finish(exit_code);
        Ok(())
    }

    fn judge(&self, code: i32, refusal: Option<&String>) -> ContainerEnd {
        let out_of_memory = code != 0 && memory::kills() > self.memory_kills;
        let mut end = if let Some(killed) = self.killed {
            self.end(reason_of(killed), 1, String::new())
        } else if self.timed_out {
            let limit = self.step.planned().timeout_ms.unwrap_or_default();
            let message = format!("its time limit of {limit} ms is over");
            self.end(TerminationReason::TimeoutExceeded, 1, message)
        } else if code == 0 {
            self.end(TerminationReason::Completed, 0, String::new())
        } else if self.goes_on_after_errors() {
            self.end(TerminationReason::Continued, code, words(code))
        } else {
            let message = refusal
                .cloned()
                .unwrap_or_else(|| match (out_of_memory, self.terminated) {
                    (true, _) => "the kernel ended it for want of memory (OOMKilled): it reached its container's limit"
                        .to_owned(),
                    (false, true) => "its container was asked to end (SIGTERM)".to_owned(),
                    (false, false) => words(code),
                });
            self.end(TerminationReason::Error, code, message)
        };
        end.out_of_memory = out_of_memory;
        end
    }

    fn end(&self, reason: TerminationReason, exit_code: i32, message: String) -> ContainerEnd {
        ContainerEnd {
            started_at: self.started_at,
            exit_code,
            reason,
            message,
            results: Vec::new(),
            out_of_memory: false,
        }
    }

    fn goes_on_after_errors(&self) -> bool {
        self.step.planned().on_error == OnError::Continue
    }

    fn say_what_is_missing(&mut self, now: Instant) {
        let cut = self.log.cut_bytes();
        if cut > 0 {
            let limit = self.step.assignment.limits.log_bytes;
            let line = format!("{cut} bytes are not shown: the limit of a task's log is {limit}");
            self.log.say(&line, now);
        }
        if let Some(error) = self.log.failed_copy() {
            self.log
                .say(&format!("the copy of the output is not whole: {error}"), now);
        }
    }

    fn report_end(&mut self, end: ContainerEnd) -> Result<(), Error> {
        let (container, at) = (self.step.planned().container.clone(), Timestamp::now());
        self.ends.push(ContainerReport {
            container: container.clone(),
            end: end.clone(),
            at,
        });
        self.link.report(at, ReportBody::ContainerFinished { container, end })
    }

    /// The next step's turn; after the last, the end of the task.
    fn go_on(&mut self, code: i32) -> Result<(), Error> {
        let next = self.step.position + 1;
        if next == self.step.assignment.plan.steps.len() || self.collector.failure.is_some() {
            self.skip_the_rest();
            self.end_task()?;
        } else {
            let turn = Turn {
                ends: std::mem::take(&mut self.ends),
                log_bytes: self.log_bytes,
            };
            turn::pass(next, &turn)?;
        }
        self.finish(code);
        Ok(())
    }

    /// The steps after this one are not run any more.
    fn skip_the_rest(&mut self) {
        let reason = self.killed.map_or(TerminationReason::Skipped, reason_of);
        let at = Timestamp::now();
        for step in &self.step.assignment.plan.steps[self.step.position + 1..] {
            let end = ContainerEnd {
                started_at: None,
                ..self.end(reason, 1, String::new())
            };
            self.ends.push(ContainerReport {
                container: step.container.clone(),
                end,
                at,
            });
        }
    }

    fn end_task(&mut self) -> Result<(), Error> {
        let declared = &self.step.assignment.plan.results;
        let own = declared.iter().filter(|result| result.value.is_none());
        let names: Vec<String> = own.map(|result| result.name.clone()).collect();
        let results = self.collector.collect(Path::new(RESULTS_PATH), &names)?;
        let body = ReportBody::Finished {
            containers: std::mem::take(&mut self.ends),
            results,
            failure: self.collector.failure.take(),
            killed: self.killed,
        };
        self.link.report(Timestamp::now(), body)?;
        turn::end()
    }
}

fn reason_of(killed: CancelReason) -> TerminationReason {
    match killed {
        CancelReason::Cancelled => TerminationReason::Cancelled,
        CancelReason::TimedOut => TerminationReason::TimeoutExceeded,
    }
}
