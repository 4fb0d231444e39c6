//! An attempt from its preparation to its end.

mod begin;
mod copies;
mod end;
mod events;
mod processes;
mod running;
mod steps;
mod turns;

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sys::signalfd::SignalFd;
use tidemill_messages::CancelReason;
use tidemill_messages::report::{ContainerReport, ReportBody};
use tidemill_messages::sandbox::{Container, Sandbox, Source, UNSTARTED, Volume, Word};

use super::Left;
use super::contained::{Contained, Starting};
use super::layout::Layout;
use super::link::Link;
use super::listener::Listener;
use super::log::Budget;
use super::mask::Masks;
use super::memory::Memory;
use super::outbox::Outbox;
use super::results::Collector;
use super::rooms::Rooms;
use crate::contain::{Build, Identity, usually_hidden};
use crate::error::Error;
use crate::process;
use crate::wire::Wire;
use copies::is_apart;
use running::Running;
pub(crate) use running::words;

/// How often, within the time it goes on without an owner, an attempt looks whether it still can be
/// found.
const LOOKS: u32 = 60;
/// Exit code after nobody owned the attempt for its limit.
const ORPHANED: u8 = 75;

/// Where an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Built, nothing started.
    Waiting,
    /// Sidecars run, the first step waits for them.
    Sidecars,
    /// The container of this step has not come in yet.
    Turn(usize),
    /// This step runs.
    Step(usize),
    /// Everything has ended; its reports may still be on their way.
    Finished,
}

/// One attempt.
pub(super) struct Attempt {
    sandbox: Sandbox,
    identity: Identity,
    layout: Layout,
    masks: Rc<Masks>,
    budget: Budget,
    outbox: Outbox,
    signals: SignalFd,
    /// Where each container is one of an engine.
    rooms: Option<Rooms>,
    /// The step whose container is to be started, and whether the owner was told.
    wanted: Option<(usize, bool)>,
    /// A step whose container cannot be started, and why.
    unplayable: Option<(usize, String)>,
    phase: Phase,
    /// A container's process that was started ahead.
    spare: Option<Starting>,
    /// Containers that are built and wait: the first step's, the sidecars'.
    built: Vec<(usize, Contained)>,
    sidecars: Vec<Running>,
    step: Option<Running>,
    /// The mount namespace of the step that has ended last.
    mounts: Option<File>,
    /// When the step that runs has had its time.
    deadline: Option<Instant>,
    timed_out: bool,
    killed: Option<CancelReason>,
    /// When processes that were asked to end are ended.
    kill_at: Option<Instant>,
    failed: bool,
    /// The runner is done with it.
    left: bool,
    collector: Collector,
    ends: Vec<ContainerReport>,
}

impl Attempt {
    /// Builds everything up to the point where the first step can go.
    pub(super) fn prepare(
        mut sandbox: Sandbox,
        identity: Identity,
        memory: Memory,
        first: Starting,
        ahead: Option<Listener>,
    ) -> Result<(Self, Listener), Error> {
        let listener = Listener::of(&sandbox, ahead)?;
        if sandbox.is_entered {
            // It may get another name at any moment.
            sandbox.directory = PathBuf::from(".");
        }
        // It was started before these are mounted, and would not see them.
        let mounts_more = |volume: &Volume| matches!(volume.source, Source::Memory { .. });
        let spare = (!sandbox.volumes.iter().any(mounts_more)).then_some(first);
        let attempt = Self::assemble(sandbox, identity, memory, spare)?;
        Ok((attempt, listener))
    }

    /// The same without the listener; `spare` is a container's process that was started ahead.
    pub(super) fn assemble(
        sandbox: Sandbox,
        identity: Identity,
        memory: Memory,
        spare: Option<Starting>,
    ) -> Result<Self, Error> {
        let signals = process::child_signals()?;
        let layout = Layout::make(&sandbox, memory)?;
        let rooms = match sandbox.rooms.is_empty() {
            true => None,
            false => Some(Rooms::open(&sandbox.rooms)?),
        };
        let masks = Rc::new(Masks::new(&sandbox.masked));
        let mut attempt = Self {
            budget: Budget::new(sandbox.limits.log_bytes),
            outbox: Outbox::new(sandbox.attempt.clone()),
            collector: Collector::new(sandbox.limits.clone(), Rc::clone(&masks)),
            sandbox,
            identity,
            layout,
            masks,
            signals,
            rooms,
            wanted: None,
            unplayable: None,
            phase: Phase::Waiting,
            spare,
            built: Vec::new(),
            sidecars: Vec::new(),
            step: None,
            mounts: None,
            deadline: None,
            timed_out: false,
            killed: None,
            kill_at: None,
            failed: false,
            left: false,
            ends: Vec::new(),
        };
        attempt.build_first()?;
        Ok(attempt)
    }

    /// Builds the sidecars and the first step: one that cannot be built fails the attempt before
    /// anything has run.
    fn build_first(&mut self) -> Result<(), Error> {
        let steps = self.sandbox.steps.len();
        let first = usize::from(steps > 0);
        let positions = (0..first).chain(steps..steps + self.sandbox.sidecars.len());
        if let Some(rooms) = &mut self.rooms {
            rooms.wait_for(positions.clone())?;
        }
        for position in positions {
            let contained = self.build(position)?;
            self.built.push((position, contained));
        }
        Ok(())
    }

    /// The container at `position`: steps first, then sidecars.
    fn container(&self, position: usize) -> &Container {
        let steps = &self.sandbox.steps;
        match steps.get(position) {
            Some(step) => &step.container,
            None => &self.sandbox.sidecars[position - steps.len()].container,
        }
    }

    fn build(&mut self, position: usize) -> Result<Contained, Error> {
        let container = self.container(position);
        let step = self.sandbox.steps.get(position);
        let build = Build {
            directory: self.sandbox.directory.clone(),
            memory: self.layout.memory().path().to_owned(),
            position,
            sidecar: step.is_none(),
            identity: self.identity,
            hidden: (self.sandbox.hidden != usually_hidden()).then(|| self.sandbox.hidden.clone()),
            mounts: self.layout.mounts(&self.sandbox, container)?,
            working_directory: working_directory(container),
        };
        if let Some(rooms) = &mut self.rooms {
            return match rooms.take(position) {
                Some(starting) => starting.build(build),
                None => Err(Error::task("its container ended before its program was run")),
            };
        }
        let apart = step.is_some_and(is_apart);
        if let Some(spare) = self.spare.take().filter(|spare| spare.is_apart() == apart) {
            match spare.build(build.clone()) {
                // The step before may have ended it: it shares the steps' uid.
                Err(Error::Place { .. } | Error::Wire(_)) => {}
                other => return other,
            }
        }
        Starting::start(apart, self.layout.memory(), None)?.build(build)
    }

    /// Goes on until its runner is done with it, or nobody owns it for its limit.
    pub(super) fn play(mut self, mut wire: Wire, listener: Listener) -> Result<Left, Error> {
        wire.send(&self.greeting())?;
        let mut link = Link::new(listener, wire, Instant::now())?;
        while !self.left {
            self.wait(&link)?;
            self.read_pipes();
            let ended = self.ended()?;
            self.note(ended)?;
            self.hear_owner(&mut link)?;
            self.hear_sidecars()?;
            self.take_turn()?;
            self.keep_time()?;
            self.send_logs(false)?;
            self.tell_wanted(&mut link)?;
            link.speak(&mut self.outbox, Instant::now());
            if let Some(code) = self.abandoned(&link) {
                return Ok(Left::Over(code));
            }
        }
        self.clear(link)
    }

    /// Forgets everything, so that another attempt can follow.
    fn clear(mut self, link: Link) -> Result<Left, Error> {
        self.built.clear();
        self.spare = None;
        self.mounts = None;
        self.end_all(&[])?;
        self.layout.memory().clear()?;
        Ok(match link.into_parts()? {
            Some((wire, listener)) => Left::Free(wire, listener),
            None => Left::Over(ExitCode::SUCCESS),
        })
    }

    fn greeting(&self) -> Word {
        Word::Ready {
            started: self.phase != Phase::Waiting,
        }
    }

    /// The exit code, if nobody needs this process any more.
    fn abandoned(&self, link: &Link) -> Option<ExitCode> {
        if link.has_owner() {
            return None;
        }
        // Nothing started: whoever comes next begins anew.
        if self.phase == Phase::Waiting {
            let code = if self.is_container() { UNSTARTED } else { 0 };
            return Some(ExitCode::from(code));
        }
        // Without its directory nobody can find the attempt any more.
        let limit = Duration::from_secs(self.sandbox.limits.orphan_s);
        (!link.is_found() || link.alone_since.elapsed() >= limit).then(|| ExitCode::from(ORPHANED))
    }

    fn report(&mut self, body: ReportBody) -> Result<(), Error> {
        self.outbox.add(Timestamp::now(), body)
    }
}

/// Where a container starts; relative ones are below `/workspace`.
fn working_directory(container: &Container) -> PathBuf {
    PathBuf::from("/workspace").join(&container.working_directory)
}
