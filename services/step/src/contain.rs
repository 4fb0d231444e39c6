//! A container from inside: builds what it sees, locks it, becomes its program.
//!
//! 1. A mount namespace of the attempt's own user namespace: the container's root is built there, and
//!    whatever it must not see is covered.
//! 2. A second user namespace with a mount namespace of its own. Mounts copied into the namespace of
//!    another user namespace are locked: not even a root step can take a cover away.
//! 3. The program, once `sandbox` says so. A step's program replaces this process; a sidecar's is its
//!    child, so that what the sidecar leaves behind stays below it and is not taken for a step's.

mod absent;
mod bare;
mod cover;
mod identity;
mod launch;
mod mark;
mod mirror;
mod mount;
mod order;
mod probe;
mod root;
mod sidecar;
mod template;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

use nix::sys::stat::{Mode, umask};
use nix::unistd::{dup2_stderr, dup2_stdout, setsid};
use tidemill_messages::sandbox::HIDDEN;

use crate::error::{Doing, Error};
use crate::process::NOT_RUN;
use crate::wire::Wire;

/// What a program starts with.
const CONTAINER_UMASK: Mode = Mode::from_bits_truncate(0o022);

/// Makes a folder of a volume, unless it is there.
pub(crate) fn part(volume: &Path, part: &str) -> Result<(), Error> {
    mount::Source::open(volume)?.part(part).map(drop)
}

pub(crate) use identity::Identity;
pub(crate) use mount::memory as mount_memory;
pub(crate) use order::{Bound, Build, Launch, Order, Word};
pub(crate) use sidecar::timeout_until;
pub(crate) use template::Template;

use root::Root;

/// Plays one container, for the process that `sandbox` has started with this role. The exit code is the program's.
pub(crate) fn run() -> Result<ExitCode, Error> {
    let wire = Wire::from_stdin()?;
    // In a container of an engine there is nothing to be built.
    let mut given = std::env::args_os().skip(2);
    let memory = given.next();
    let position = given.next().and_then(|position| position.to_str()?.parse().ok());
    play(wire, || match memory {
        Some(memory) => Root::begin(Path::new(&memory), position, None).map(Some),
        None => Ok(None),
    })
}

/// What is most likely to be covered, as the runner knew it when it started the supervisor. Whatever is missing here is covered
/// once it is asked for.
pub(crate) fn usually_hidden() -> &'static [PathBuf] {
    static HIDDEN_PATHS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    HIDDEN_PATHS.get_or_init(|| {
        let hidden = std::env::var(HIDDEN).unwrap_or_default();
        serde_json::from_str(&hidden).unwrap_or_default()
    })
}

/// The ends of a container's process of what leads to `sandbox`.
pub(crate) struct Inside {
    /// Orders and words.
    pub(crate) socket: UnixStream,
    /// Where the program's output goes.
    pub(crate) output: OwnedFd,
    /// Where its errors go.
    pub(crate) errors: OwnedFd,
}

impl Inside {
    /// Plays the first step's container, in the half of `sandbox` that is to be its process. All else that was open
    /// there is to be closed before. `memory` is the part of the attempt that lies in memory, `template` the supervisor's.
    pub(crate) fn play(self, memory: &Path, template: Option<Template>) -> Result<ExitCode, Error> {
        drop(std::panic::take_hook());
        dup2_stdout(&self.output).doing(|| "take the pipe of the output")?;
        dup2_stderr(&self.errors).doing(|| "take the pipe of the errors")?;
        drop((self.output, self.errors));
        play(Wire::new(self.socket), || {
            Root::begin(memory, Some(0), template).map(Some)
        })
    }
}

/// Errors are told to `sandbox`.
fn play(mut wire: Wire, begin: impl FnOnce() -> Result<Option<Root>, Error>) -> Result<ExitCode, Error> {
    setsid().doing(|| "start a session of its own")?;
    umask(CONTAINER_UMASK);
    let done = begin().and_then(|root| prepare(&mut wire, root));
    let done = done.and_then(|build| become_program(&mut wire, build.as_ref()));
    done.or_else(|error| {
        wire.send(&Word::failed(&error, NOT_RUN))?;
        Ok(ExitCode::from(NOT_RUN))
    })
}

fn prepare(wire: &mut Wire, root: Option<Root>) -> Result<Option<Build>, Error> {
    let Some(order) = wire.receive()? else {
        return Ok(None);
    };
    let Order::Build(build) = order else {
        return Err(Error::task("expected the order to build first"));
    };
    match root {
        Some(root) => root.build(&build)?,
        None => make_working_directory(&build.working_directory)?,
    }
    identity::lock(&build.identity, wire)?;
    wire.send(&Word::Built)?;
    Ok(Some(*build))
}

/// All else that the container sees is its engine's work.
fn make_working_directory(path: &Path) -> Result<(), Error> {
    match std::fs::create_dir_all(path) {
        // Entering it says better what is wrong with a path that leads elsewhere.
        Err(error) if !path.exists() => Err(Error::task(format!(
            "cannot make the working directory {}: {error}",
            path.display()
        ))),
        _ => Ok(()),
    }
}

fn become_program(wire: &mut Wire, build: Option<&Build>) -> Result<ExitCode, Error> {
    let (Some(build), Some(Order::Launch(launch))) = (build, wire.receive()?) else {
        return Ok(ExitCode::SUCCESS);
    };
    if build.sidecar {
        sidecar::run(wire, &launch)
    } else {
        launch::replace(wire, &launch)
    }
}
