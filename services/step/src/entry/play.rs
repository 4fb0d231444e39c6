//! A step while it runs.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use tidemill_messages::CancelReason;
use tidemill_messages::report::{Answer, ContainerReport, ReportBody};

use super::child::{Child, NotRun};
use super::link::Link;
use super::turn::Turn;
use super::{Step, credentials, memory, set_mode};
use crate::contain::timeout_until;
use crate::error::{Doing, Error};
use crate::sandbox::guard;
use crate::sandbox::log::{Budget, Log};
use crate::sandbox::mask::Masks;
use crate::sandbox::results::{Collector, Content, read};
use crate::sandbox::substitute::Results;

/// Exit code after nobody owned the attempt for its limit.
const ORPHANED: u8 = 75;

/// The step whose turn it is.
pub(super) struct Play {
    pub(super) step: Step,
    pub(super) masks: Rc<Masks>,
    pub(super) collector: Collector,
    pub(super) link: Link,
    pub(super) log: Log,
    pub(super) budget: Budget,
    /// How the steps before ended.
    pub(super) ends: Vec<ContainerReport>,
    pub(super) log_bytes: u64,
    pub(super) started_at: Option<Timestamp>,
    pub(super) killed: Option<CancelReason>,
    pub(super) timed_out: bool,
    /// Somebody else than the owner asked the container to end.
    pub(super) terminated: bool,
    /// Processes ended for want of memory before the program was started.
    pub(super) memory_kills: u64,
    child: Option<Child>,
    signals: SignalFd,
    deadline: Option<Instant>,
    /// When what was asked to end is ended.
    kill_at: Option<Instant>,
    /// The owner has let the first step go.
    open: bool,
    /// Everything is said: the exit code.
    code: Option<u8>,
}

/// What is to be run: arguments and environment.
type Launch = (Vec<String>, Vec<(String, String)>);

impl Play {
    pub(super) fn new(step: Step, turn: Turn, signals: SignalFd) -> Result<Self, Error> {
        let assignment = &step.assignment;
        let masks = Rc::new(Masks::new(&assignment.masked));
        let limits = assignment.limits.clone();
        Ok(Self {
            collector: Collector::new(limits.clone(), Rc::clone(&masks)),
            link: Link::new(assignment, step.position, Instant::now())?,
            log: Log::new(Vec::new(), &masks),
            budget: Budget::new(limits.log_bytes.saturating_sub(turn.log_bytes)),
            ends: turn.ends,
            log_bytes: turn.log_bytes,
            started_at: None,
            killed: None,
            timed_out: false,
            terminated: false,
            memory_kills: memory::kills(),
            child: None,
            signals,
            deadline: None,
            kill_at: None,
            open: !(assignment.gated && step.position == 0),
            code: None,
            masks,
            step,
        })
    }

    /// Runs the program and stays until everything about it is durable, or nobody has listened for the
    /// limit.
    pub(super) fn play(mut self) -> Result<ExitCode, Error> {
        if self.open {
            self.begin()?;
        } else {
            self.link.ask(true);
        }
        loop {
            let now = Instant::now();
            self.link.speak(now);
            if let Some(code) = self.code.filter(|_| self.link.is_empty()) {
                return Ok(ExitCode::from(code));
            }
            if self.orphaned_at().is_some_and(|at| at <= now) {
                return Ok(self.abandon());
            }
            self.wait()?;
            self.hear_signals()?;
            self.hear_owner()?;
            self.keep_time()?;
            self.read()?;
        }
    }

    /// Starts the program, if its guards hold and it can be started.
    fn begin(&mut self) -> Result<(), Error> {
        self.open = true;
        self.make_directory()?;
        match self.decide() {
            Ok(Some(launch)) => self.start(&launch),
            Ok(None) => self.pass_over(),
            Err(error) => self.refuse(&error.chain()),
        }
    }

    fn start(&mut self, (argv, environment): &Launch) -> Result<(), Error> {
        let now = Instant::now();
        let home = environment.iter().find(|(name, _)| name == "HOME");
        let home = home.map(|(_, value)| value.as_str());
        let mut notes = credentials::put(&self.step.assignment.credentials, home);
        if self.step.position == 0 {
            notes.splice(0..0, self.step.assignment.notes.clone());
        }
        let planned = self.step.planned();
        let paths = [planned.stdout_path.clone(), planned.stderr_path.clone()];
        let timeout_ms = planned.timeout_ms.filter(|limit| *limit > 0);
        let apart = paths.iter().any(Option::is_some);
        let copies = open_copies(&paths)?;
        let at = Timestamp::now();
        match Child::start(argv, environment, apart)? {
            Ok((child, pipes)) => {
                let copies = copies.into_iter().chain(std::iter::repeat_with(Vec::new));
                self.log = Log::new(pipes.into_iter().zip(copies).collect(), &self.masks);
                self.child = Some(child);
                self.started_at = Some(at);
                self.deadline = timeout_ms.map(|limit| now + Duration::from_millis(limit));
                notes.iter().for_each(|note| self.log.say(note, now));
                let container = self.step.planned().container.clone();
                self.link.report(at, ReportBody::ContainerStarted { container })
            }
            Err(NotRun { code, message }) => self.end_unrun(i32::from(code), &message),
        }
    }

    /// How to run the step, with results of earlier steps put in; `None` if its guards do not hold.
    fn decide(&self) -> Result<Option<Launch>, Error> {
        let limit = self.step.assignment.limits.result_bytes;
        let read = |step: &str, result: &str| read_step_result(&self.step, step, result, limit);
        let results = Results { read: &read };
        if !guard::holds(&self.step.planned().when, &results)? {
            return Ok(None);
        }
        let argv = results.texts(&self.step.program()?)?;
        let mut environment = Vec::new();
        for (name, value) in std::env::vars_os() {
            let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
            environment.push((name.into_owned(), results.text(&value)?));
        }
        Ok(Some((argv, environment)))
    }

    fn make_directory(&self) -> Result<(), Error> {
        let results = self.step.directory(self.step.position).join("results");
        fs::create_dir_all(&results).doing(|| format!("make {}", results.display()))?;
        set_mode(&results, 0o777)
    }

    fn wait(&self) -> Result<(), Error> {
        let mut files = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if let Some((socket, writes)) = self.link.socket() {
            let write = if writes { PollFlags::POLLOUT } else { PollFlags::empty() };
            files.push(PollFd::new(socket, PollFlags::POLLIN | write));
        }
        if self.link.has_room() {
            files.extend(self.log.pipes().map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)));
        }
        let orphan = self.orphaned_at();
        let log = self.log.due_at().filter(|_| self.link.has_room());
        let due = [log, self.link.due_at(), self.deadline, self.kill_at, orphan];
        let timeout = due.into_iter().flatten().min().map_or(PollTimeout::NONE, timeout_until);
        match poll(&mut files, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(other) => Err(other).doing(|| "wait for something to happen"),
        }
    }

    fn hear_signals(&mut self) -> Result<(), Error> {
        while let Some(signal) = self.signals.read_signal().doing(|| "read from the signalfd")? {
            if signal.ssi_signo == Signal::SIGCHLD as u32 {
                continue;
            }
            match &self.child {
                Some(child) => {
                    self.terminated = true;
                    child.ask();
                }
                // Said what there was to say, or waits for a word that will not come.
                None => self.code = Some(self.code.unwrap_or(super::child::TERMINATED)),
            }
        }
        if let Some(child) = &mut self.child {
            child.reap()?;
            if let Some(code) = child.code {
                return self.end_child(code);
            }
        }
        Ok(())
    }

    fn hear_owner(&mut self) -> Result<(), Error> {
        for answer in self.link.hear(Instant::now()) {
            match answer {
                Answer::Start if !self.open => {
                    self.link.ask(false);
                    self.begin()?;
                }
                Answer::Kill { reason } if self.killed.is_none() && self.code.is_none() => self.kill(reason)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn kill(&mut self, reason: CancelReason) -> Result<(), Error> {
        self.killed = Some(reason);
        self.link.ask(false);
        let grace = Duration::from_millis(self.step.assignment.limits.kill_grace_ms);
        match &self.child {
            Some(child) if grace.is_zero() => child.end(),
            Some(child) => {
                child.ask();
                self.kill_at = Some(Instant::now() + grace);
            }
            None => self.end_unrun(1, "")?,
        }
        Ok(())
    }

    fn keep_time(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let over = |at: &Option<Instant>| at.is_some_and(|at| at <= now);
        if over(&self.deadline) {
            self.deadline = None;
            self.timed_out = true;
        } else if !over(&self.kill_at) {
            return Ok(());
        }
        self.kill_at = None;
        self.child.iter().for_each(Child::end);
        Ok(())
    }

    fn read(&mut self) -> Result<(), Error> {
        if self.link.has_room() {
            let now = Instant::now();
            self.log.read(&mut self.budget, now);
            self.send_log(now, false)?;
        }
        Ok(())
    }

    /// Reports text that is due, and writes it where `kubectl logs` looks.
    pub(super) fn send_log(&mut self, now: Instant, last: bool) -> Result<(), Error> {
        while let Some(text) = self.log.chunk(now, last) {
            self.log_bytes += text.len() as u64;
            let mut stdout = std::io::stdout().lock();
            // A runtime that reads no more keeps nothing from its owner.
            drop(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()));
            let container = self.step.planned().container.clone();
            self.link
                .report(Timestamp::now(), ReportBody::Log { container, text })?;
        }
        Ok(())
    }

    /// The program has ended: everything it left ends with it.
    fn end_child(&mut self, code: i32) -> Result<(), Error> {
        if let Some(child) = self.child.take() {
            child.end();
        }
        self.deadline = None;
        self.kill_at = None;
        let now = Instant::now();
        self.log.drain(&mut self.budget, now);
        self.conclude(code, None)
    }

    fn orphaned_at(&self) -> Option<Instant> {
        Some(self.link.alone_since()? + self.orphan_limit())
    }

    fn orphan_limit(&self) -> Duration {
        Duration::from_secs(self.step.assignment.limits.orphan_s)
    }

    /// Nobody has listened for too long.
    fn abandon(&mut self) -> ExitCode {
        self.child.iter().for_each(Child::end);
        let trouble = self.link.trouble.take().unwrap_or_else(|| "nobody answers".to_owned());
        crate::report(&format!(
            "tidemill-step: no runner has answered for {} s: {trouble}",
            self.orphan_limit().as_secs()
        ));
        ExitCode::from(ORPHANED)
    }

    /// Everything is said but for what waits to be durable.
    pub(super) fn finish(&mut self, code: i32) {
        self.code = Some(u8::try_from(code).unwrap_or(1));
    }
}

/// Opens the files the output is copied to, one for both if they are the same.
fn open_copies(paths: &[Option<String>; 2]) -> Result<Vec<Vec<File>>, Error> {
    if paths.iter().all(Option::is_none) {
        return Ok(Vec::new());
    }
    let mut copies: Vec<Vec<File>> = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        let same = number == 1 && paths[0] == paths[1];
        let file = match path {
            None => None,
            Some(_) if same => copies[0]
                .first()
                .map(File::try_clone)
                .transpose()
                .doing(|| "copy a handle")?,
            Some(path) => Some(open_copy(Path::new(path))?),
        };
        copies.push(file.into_iter().collect());
    }
    Ok(copies)
}

fn open_copy(path: &Path) -> Result<File, Error> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).doing(|| format!("make {}", directory.display()))?;
    }
    let opened = OpenOptions::new().create(true).write(true).truncate(true).open(path);
    opened.doing(|| format!("open {} for a copy of the output", path.display()))
}

fn read_step_result(own: &Step, step: &str, result: &str, limit: u64) -> Result<Option<String>, Error> {
    let name = format!("{}{step}", tidemill_messages::plan::STEP_PREFIX);
    let mut steps = own.assignment.plan.steps.iter();
    let Some(position) = steps.position(|step| step.container == name) else {
        return Ok(None);
    };
    match read(&own.directory(position).join("results"), result, limit)? {
        Content::Missing => Ok(None),
        Content::Text(text) => Ok(Some(text)),
        Content::TooLarge(size) => Err(Error::task(format!(
            "result `{result}` of step `{step}` has {size} bytes; the limit of a result is {limit}"
        ))),
    }
}
