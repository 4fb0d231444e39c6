//! One step after the other.

use std::fs;

use jiff::Timestamp;
use tidemill_messages::CancelReason;
use tidemill_messages::report::{ContainerEnd, ContainerReport, ReportBody};
use tidemill_messages::sandbox::Variable;
use tidemill_resources::task_run::TerminationReason;

use super::begin::after_ms;
use super::copies::{is_apart, open_copies};
use super::running::{never, words};
use super::{Attempt, Phase};
use crate::contain::Launch;
use crate::error::Error;
use crate::process::NOT_RUN;
use crate::sandbox::contained::Starting;
use crate::sandbox::guard;
use crate::sandbox::layout::Layout;
use crate::sandbox::results::{Content, read};
use crate::sandbox::substitute::Results;

/// What became of a step whose turn it was.
enum Turn {
    Taken,
    /// Its guards do not hold.
    Skipped,
    /// Its container has not come in.
    Waits,
}

impl Attempt {
    /// Starts the step at `from`, or the first after it that is not skipped; after the last, the end.
    pub(super) fn next_step(&mut self, from: usize) -> Result<(), Error> {
        for position in from..self.sandbox.steps.len() {
            if let Some(end) = self.passed_over() {
                self.report_end(position, end)?;
                continue;
            }
            match self.start_step(position) {
                Ok(Turn::Taken | Turn::Waits) => return Ok(()),
                Ok(Turn::Skipped) => self.report_end(position, never(TerminationReason::Skipped, 0, String::new()))?,
                Err(error) => self.refuse_step(position, &error)?,
            }
        }
        self.finish()
    }

    /// How a step ends that is not to run any more.
    fn passed_over(&self) -> Option<ContainerEnd> {
        match self.killed {
            Some(CancelReason::Cancelled) => Some(never(TerminationReason::Cancelled, 1, String::new())),
            Some(CancelReason::TimedOut) => Some(never(TerminationReason::TimeoutExceeded, 1, String::new())),
            None if self.failed => Some(never(TerminationReason::Skipped, 1, String::new())),
            None => None,
        }
    }

    /// Launches a step, unless its guards do not hold or its container is not there.
    fn start_step(&mut self, position: usize) -> Result<Turn, Error> {
        let Some(launch) = self.decide(position)? else {
            return Ok(Turn::Skipped);
        };
        if self.must_wait(position)? {
            return Ok(Turn::Waits);
        }
        let mut contained = match self.take_built(position) {
            Some(contained) => contained,
            None => self.build(position)?,
        };
        let step = &self.sandbox.steps[position];
        let copied = open_copies(step, &mut contained, self.rooms.as_mut().map(|rooms| (rooms, position)))?;
        self.deadline = step.timeout_ms.filter(|limit| *limit > 0).map(after_ms);
        self.timed_out = false;
        self.step = Some(self.launch(position, contained, launch, copied)?);
        self.phase = Phase::Step(position);
        // Of the step before: it was told of, and this one runs.
        self.mounts = None;
        self.start_ahead(position + 1)?;
        Ok(Turn::Taken)
    }

    /// Starts the process of the step after this one while this one runs.
    fn start_ahead(&mut self, position: usize) -> Result<(), Error> {
        if position < self.sandbox.steps.len() && self.rooms.is_some() {
            self.want(position);
        } else if let Some(step) = self.sandbox.steps.get(position) {
            self.spare = Some(Starting::start(is_apart(step), self.layout.memory(), Some(position))?);
        }
        Ok(())
    }

    /// How to run a step, with results of earlier steps put in; `None` if its guards do not hold.
    fn decide(&self, position: usize) -> Result<Option<Launch>, Error> {
        let step = &self.sandbox.steps[position];
        self.with_results(|results| {
            if !guard::holds(&step.when, results)? {
                return Ok(None);
            }
            let argv = results.texts(&self.layout.argv(position, &step.container)?)?;
            let mut launch = self.launch_of(&step.container, argv, Vec::new());
            let known = self.sandbox.environment.len();
            for Variable { value, .. } in &mut launch.environment[known..] {
                *value = results.text(value)?;
            }
            Ok(Some(launch))
        })
    }

    /// Gives `use_them` a way to read results of steps.
    fn with_results<T>(&self, use_them: impl FnOnce(&Results<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let read_result = |step: &str, result: &str| read_step_result(&self.layout, self, step, result);
        use_them(&Results { read: &read_result })
    }

    /// A step that cannot be started fails as if its program had.
    fn refuse_step(&mut self, position: usize, error: &Error) -> Result<(), Error> {
        let message = self.masks.clean(&error.chain());
        let container = self.container(position).name.clone();
        let text = format!("tidemill: {message}\n");
        self.report(ReportBody::Log { container, text })?;
        self.failed = true;
        self.report_end(position, never(TerminationReason::Error, i32::from(NOT_RUN), message))
    }

    /// The step's own process has ended: so does all it left behind, and the next step's turn comes.
    pub(super) fn end_step(&mut self) -> Result<(), Error> {
        let Some(mut running) = self.step.take() else {
            return Ok(());
        };
        let spared: Vec<_> = match self.killed {
            Some(_) => Vec::new(),
            None => self.processes_beside().collect(),
        };
        let ended = match self.killed {
            Some(_) => self.end_all(&spared)?,
            None => self.end_rest(&spared)?,
        };
        let own = ended
            .iter()
            .find(|(pid, _)| *pid == running.contained.pid)
            .map(|(_, code)| *code);
        self.note_sidecars(&ended);
        // Where all had to be ended, the process that waits for its turn was among them.
        self.spare = self
            .spare
            .take()
            .filter(|spare| ended.iter().all(|(pid, _)| *pid != spare.pid()));
        let code = running.code.or(own).unwrap_or(1);
        let (mut end, line) = self.judge(&mut running, code);
        self.drain(&mut running, line)?;
        // They go when nobody waits for what this step tells.
        self.mounts = running.contained.take_mounts();
        let position = running.position;
        let step = &self.sandbox.steps[position];
        end.results = self
            .collector
            .collect(&self.layout.status(position).join("results"), &step.results)?;
        self.report_end(position, end)?;
        self.deadline = None;
        self.next_step(position + 1)
    }

    /// How a step ended, whether the task goes on, and a line for its log.
    fn judge(&mut self, running: &mut super::Running, code: i32) -> (ContainerEnd, Option<String>) {
        let step = &self.sandbox.steps[running.position];
        let refusal = running
            .contained
            .failure()
            .map(|failed| self.masks.clean(&failed.message));
        let (reason, exit_code, message) = if let Some(killed) = self.killed {
            let reason = match killed {
                CancelReason::Cancelled => TerminationReason::Cancelled,
                CancelReason::TimedOut => TerminationReason::TimeoutExceeded,
            };
            (reason, 1, String::new())
        } else if self.timed_out {
            let limit = step.timeout_ms.unwrap_or_default();
            (
                TerminationReason::TimeoutExceeded,
                1,
                format!("its time limit of {limit} ms is over"),
            )
        } else if code == 0 {
            (TerminationReason::Completed, 0, String::new())
        } else if step.continue_on_error {
            (TerminationReason::Continued, code, words(code))
        } else {
            (
                TerminationReason::Error,
                code,
                refusal.clone().unwrap_or_else(|| words(code)),
            )
        };
        let is_killed = code == 137 && self.killed.is_none() && !self.timed_out;
        let out_of_memory = is_killed && self.is_out_of_memory(running.position);
        self.failed |= !matches!(reason, TerminationReason::Completed | TerminationReason::Continued);
        if step.continue_on_error && !self.failed {
            let kept = fs::write(
                self.layout.status(running.position).join("exitCode"),
                exit_code.to_string(),
            );
            debug_assert!(kept.is_ok(), "{kept:?}");
        }
        let line = refusal.or_else(|| self.timed_out.then(|| message.clone()));
        let end = ContainerEnd {
            started_at: Some(running.started_at),
            exit_code,
            reason,
            message,
            results: Vec::new(),
            out_of_memory,
        };
        (end, line)
    }

    /// Processes that outlive a step: the sidecars' and those that wait for their turn.
    fn processes_beside(&self) -> impl Iterator<Item = nix::unistd::Pid> {
        let sidecars = self.sidecars.iter().filter(|sidecar| sidecar.code.is_none());
        let waiting = self.built.iter().map(|(_, contained)| contained.pid);
        let waiting = waiting.chain(self.spare.iter().map(Starting::pid));
        sidecars
            .map(|sidecar| sidecar.contained.pid)
            .chain(waiting)
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// The step that runs has had its time.
    pub(super) fn time_out_step(&mut self) -> Result<(), Error> {
        self.timed_out = true;
        self.kill_step()?;
        self.end_step()
    }

    /// Reports the end of a step.
    pub(super) fn report_end(&mut self, position: usize, end: ContainerEnd) -> Result<(), Error> {
        let container = self.container(position).name.clone();
        self.ends.push(ContainerReport {
            container: container.clone(),
            end: end.clone(),
            at: Timestamp::now(),
        });
        self.report(ReportBody::ContainerFinished { container, end })
    }
}

fn read_step_result(layout: &Layout, attempt: &Attempt, step: &str, result: &str) -> Result<Option<String>, Error> {
    let name = format!("{}{step}", tidemill_messages::plan::STEP_PREFIX);
    let position = attempt
        .sandbox
        .steps
        .iter()
        .position(|step| step.container.name == name);
    let Some(position) = position else { return Ok(None) };
    match read(
        &layout.status(position).join("results"),
        result,
        attempt.sandbox.limits.result_bytes,
    )? {
        Content::Missing => Ok(None),
        Content::Text(text) => Ok(Some(text)),
        Content::TooLarge(size) => Err(Error::task(format!(
            "result `{result}` of step `{step}` has {size} bytes; the limit of a result is {}",
            attempt.sandbox.limits.result_bytes
        ))),
    }
}
