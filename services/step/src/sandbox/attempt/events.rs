//! Waiting for something to happen, and what then.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tidemill_messages::report::{Answer, ReportBody};

use super::running::Running;
use super::{Attempt, LOOKS, Phase};
use crate::contain::timeout_until;
use crate::error::{Doing, Error};
use crate::sandbox::link::Link;
use crate::sandbox::results::Collector;
use crate::sandbox::sweep::Ended;

impl Attempt {
    /// Waits until something is to be read, written or done.
    pub(super) fn wait(&self, link: &Link) -> Result<(), Error> {
        let read = PollFlags::POLLIN;
        let mut files = vec![
            PollFd::new(self.signals.as_fd(), read),
            PollFd::new(link.listener(), read),
        ];
        if let Some(owner) = link.owner() {
            let write = if link.is_behind(&self.outbox) {
                PollFlags::POLLOUT
            } else {
                PollFlags::empty()
            };
            files.push(PollFd::new(owner, read | write));
        }
        if let Some(rooms) = &self.rooms {
            files.extend(rooms.files().map(|file| PollFd::new(file, read)));
        }
        if self.outbox.has_room() {
            let pipes = self
                .step
                .iter()
                .chain(&self.sidecars)
                .flat_map(|running| running.log.pipes());
            files.extend(pipes.map(|pipe| PollFd::new(pipe, read)));
        }
        if self.phase == Phase::Sidecars {
            let unready = self
                .sidecars
                .iter()
                .filter(|sidecar| !sidecar.ready && sidecar.code.is_none());
            files.extend(unready.map(|sidecar| PollFd::new(sidecar.contained.voice(), read)));
        }
        let timeout = self.next_at(link).map_or(PollTimeout::NONE, timeout_until);
        match poll(&mut files, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(other) => return Err(other).doing(|| "wait for something to happen"),
        }
        while self.signals.read_signal().doing(|| "read from the signalfd")?.is_some() {}
        Ok(())
    }

    /// When something is to be done even if nothing happens.
    fn next_at(&self, link: &Link) -> Option<Instant> {
        let orphan = Duration::from_secs(self.sandbox.limits.orphan_s);
        let alone = (!link.has_owner()).then(|| (link.alone_since + orphan).min(Instant::now() + orphan / LOOKS));
        let logs = self
            .step
            .iter()
            .chain(&self.sidecars)
            .filter_map(|running| running.log.due_at());
        let logs = logs.filter(|_| self.outbox.has_room());
        logs.chain(alone).chain(self.deadline).chain(self.kill_at).min()
    }

    /// Reads once from each pipe, unless too much waits to be stored.
    pub(super) fn read_pipes(&mut self) {
        if !self.outbox.has_room() {
            return;
        }
        let now = Instant::now();
        for running in self.step.iter_mut().chain(&mut self.sidecars) {
            running.log.read(&mut self.budget, now);
        }
    }

    /// Notes which children ended; the step's own ends the step.
    pub(super) fn note(&mut self, ended: Ended) -> Result<(), Error> {
        self.note_sidecars(&ended);
        if let Some(step) = &mut self.step {
            let own = ended.iter().find(|(pid, _)| *pid == step.contained.pid);
            step.code = step.code.or(own.map(|(_, code)| *code));
            if step.code.is_some() {
                return self.end_step();
            }
        }
        self.go_on_if_ready()
    }

    /// Hears the owner out, then takes a new one: what was said before it left counts.
    pub(super) fn hear_owner(&mut self, link: &mut Link) -> Result<(), Error> {
        for answer in link.hear(Instant::now()) {
            match answer {
                Answer::Stored { sequence } => self.outbox.stored(sequence),
                Answer::Start => {
                    link.stay();
                    self.start()?;
                }
                Answer::Kill { reason } => self.kill(reason)?,
                // A runner that wants more than this ends the process, and with it all others, from outside.
                Answer::Unplayable { container, message } => self.refuse_container(&container, message),
                Answer::Leave => self.left |= matches!(self.phase, Phase::Waiting | Phase::Finished),
            }
        }
        let greeting = self.greeting();
        if link.accept(&mut self.outbox, &greeting)?
            && let Some(word) = self.wanted_word(true)?
        {
            link.say(&word)?;
        }
        Ok(())
    }

    /// Does what is due.
    pub(super) fn keep_time(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_now()?;
        }
        if self.deadline.is_some_and(|at| at <= now) {
            self.deadline = None;
            self.time_out_step()?;
        }
        Ok(())
    }

    /// Turns text that is due into reports.
    pub(super) fn send_logs(&mut self, last: bool) -> Result<(), Error> {
        let now = Instant::now();
        let mut chunks = Vec::new();
        for running in self.step.iter_mut().chain(&mut self.sidecars) {
            let chunk = std::iter::from_fn(|| running.log.chunk(now, last));
            chunks.extend(chunk.map(|text| (running.position, text)));
        }
        chunks
            .into_iter()
            .try_for_each(|(position, text)| self.report_log(position, text))
    }

    /// Reads and reports what is left of a container's log, and `line` after it.
    pub(super) fn drain(&mut self, running: &mut Running, line: Option<String>) -> Result<(), Error> {
        let now = Instant::now();
        running.log.drain(&mut self.budget, now);
        let cut = running.log.cut_bytes();
        if cut > 0 {
            let limit = self.budget.limit;
            let line =
                format!("{cut} bytes are not shown: the limit of a task's log is {limit} (setting process.log-bytes)");
            running.log.say(&line, now);
        }
        if let Some(error) = running.log.failed_copy() {
            running
                .log
                .say(&format!("the copy of the output is not whole: {error}"), now);
        }
        if let Some(line) = line {
            running.log.say(&line, now);
        }
        while let Some(text) = running.log.chunk(now, true) {
            self.report_log(running.position, text)?;
        }
        Ok(())
    }

    fn report_log(&mut self, position: usize, text: String) -> Result<(), Error> {
        let container = self.container(position).name.clone();
        self.report(ReportBody::Log { container, text })
    }

    /// The collector, for the last time.
    pub(super) fn take_collector(&mut self) -> Collector {
        let fresh = Collector::new(self.sandbox.limits.clone(), std::rc::Rc::clone(&self.masks));
        std::mem::replace(&mut self.collector, fresh)
    }
}
