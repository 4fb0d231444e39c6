//! PID 1 of an attempt: order of the steps, logs, results, the socket to the runner.
//!
//! Whatever the attempt starts is in this PID namespace and ends with this process. It cannot be
//! traced or read by the steps, which share its uid: it is not dumpable. It has no thread but one and
//! waits in `poll` only.

pub(crate) mod attempt;
mod contained;
pub(crate) mod guard;
mod layout;
mod link;
mod listener;
pub(crate) mod log;
pub(crate) mod mask;
mod memory;
mod mount_points;
mod outbox;
pub(crate) mod pod;
pub(crate) mod results;
mod rooms;
pub(crate) mod script;
pub(crate) mod substitute;
pub(crate) mod sweep;

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::mount::{MsFlags, mount};
use nix::sys::prctl::set_dumpable;
use nix::sys::stat::{Mode, umask};
use tidemill_messages::sandbox::{LAST_WORDS, NAME, Order, ProcessIdentity, Word};

use attempt::Attempt;
use contained::Split;
pub(crate) use contained::Starting;
use listener::Listener;
pub(crate) use memory::Memory;

use crate::contain::{Identity, Inside, Template};
use crate::error::{Doing, Error, refused};
use crate::process;
use crate::wire::Wire;

const NOTHING: Option<&str> = None;
/// Attempts a supervisor plays, one after the other, before another takes its place.
const ATTEMPTS: usize = 1000;

/// Plays the attempts that come over standard input, one after the other, until the runner ends it.
pub(crate) fn run() -> Result<ExitCode, Error> {
    let identity = std::env::args().nth(2).unwrap_or_default();
    let identity = Identity::parse(&identity).ok_or_else(|| {
        Error::task(format!(
            "`{identity}` is no identity; this role is started by `supervise`"
        ))
    })?;
    let place = PathBuf::from(std::env::args_os().nth(3).unwrap_or_default());
    set_dumpable(false).doing(|| "keep this process from being read")?;
    // Modes are given with each directory.
    umask(Mode::empty());
    let mut wire = Wire::from_stdin()?;
    let process = process::identity()?;
    if let Err(error) = enter().and_then(|()| memory::enter(&place)) {
        wire.send(&refused(&error))?;
        return Ok(ExitCode::FAILURE);
    }
    panic::set_hook(Box::new(|panic| last_words(&panic.to_string())));
    let supervisor = Supervisor {
        process,
        identity,
        place,
        template: None,
    };
    supervisor.play(wire)
}

/// What stays from attempt to attempt.
struct Supervisor {
    /// Who it is to the host.
    process: ProcessIdentity,
    identity: Identity,
    /// Where in memory everything lies that is made for its attempts.
    place: PathBuf,
    /// The next first container's root.
    template: Option<Template>,
}

impl Supervisor {
    fn play(mut self, wire: Wire) -> Result<ExitCode, Error> {
        let (mut wire, mut before) = (wire, None);
        for number in 0..ATTEMPTS {
            let ahead = before.and_then(|listener: Listener| listener.ahead(&self.process, number));
            match self.play_one(wire, ahead) {
                Ok(Turn::Played(Left::Free(again, listener))) => (wire, before) = (again, Some(listener)),
                Ok(Turn::Played(Left::Over(code))) => return Ok(code),
                Ok(Turn::Inside(inside, memory)) => return inside.play(memory.path(), self.template),
                Err(error) => {
                    last_words(&error.chain());
                    return Err(error);
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Plays one attempt, if it comes; `ahead` is the socket that waits for it.
    fn play_one(&mut self, mut wire: Wire, ahead: Option<Listener>) -> Result<Turn, Error> {
        // The first container's process is made before it is known what for: then an attempt that comes later does not wait
        // for it.
        let first = match self.begin() {
            Ok((Split::Outside(first), memory)) => Ok((first, memory)),
            Ok((Split::Inside(inside), memory)) => {
                ahead.into_iter().for_each(Listener::close);
                return Ok(Turn::Inside(inside, memory));
            }
            Err(error) => Err(error),
        };
        wire.send(&Word::Free {
            supervisor: self.process.clone(),
            socket: ahead.as_ref().map(|listener| listener.name().to_owned()),
        })?;
        // A runner that ends before it has an attempt leaves nothing to do.
        let Some(Order::Prepare(sandbox)) = wire.receive()? else {
            return Ok(Turn::Played(Left::Over(ExitCode::SUCCESS)));
        };
        let prepared =
            first.and_then(|(first, memory)| Attempt::prepare(*sandbox, self.identity, memory, first, ahead));
        match prepared {
            Ok((attempt, listener)) => attempt.play(wire, listener).map(Turn::Played),
            Err(error) => {
                wire.send(&refused(&error))?;
                Ok(Turn::Played(Left::Over(ExitCode::FAILURE)))
            }
        }
    }

    /// The first container's process, and the memory of its attempt.
    fn begin(&mut self) -> Result<(Split, Memory), Error> {
        self.renew_template()?;
        let memory = Memory::make(&self.place)?;
        Ok((Starting::split(&memory)?, memory))
    }

    /// Makes the template, unless it is as it was made.
    fn renew_template(&mut self) -> Result<(), Error> {
        if let Some(used) = self.template.take_if(|template| !template.is_as_made()) {
            used.clear(&self.place)?;
        }
        let template = match &mut self.template {
            Some(template) => template,
            none => none.insert(Template::make(&self.place)?),
        };
        template.look();
        Ok(())
    }
}

/// What a process has been in the turn of an attempt.
enum Turn {
    /// The supervisor.
    Played(Left),
    /// The attempt's first container's: the supervisor is the other half.
    Inside(Inside, Memory),
}

/// What becomes of a supervisor after an attempt.
enum Left {
    /// It is free for another; its runner still listens. Its socket is kept.
    Free(Wire, Listener),
    /// It ends.
    Over(ExitCode),
}

/// Leaves `words` in the attempt's directory, which is the working directory; without an attempt nobody
/// would look for them.
fn last_words(words: &str) {
    if Path::new(NAME).exists() {
        drop(fs::write(LAST_WORDS, words));
    }
}

/// Cuts the way of mounts back to the host and shows the attempt's processes in `/proc`.
fn enter() -> Result<(), Error> {
    let slave = MsFlags::MS_SLAVE | MsFlags::MS_REC;
    mount(NOTHING, "/", NOTHING, slave, NOTHING).doing(|| "keep mounts from the host")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, NOTHING).doing(|| "mount a /proc of its own")
}
