//! A container from inside: builds what it sees, locks it, becomes its program.
//!
//! 1. A mount namespace of the attempt's own user namespace: the container's root is built there, and
//!    whatever it must not see is covered.
//! 2. A second user namespace with a mount namespace of its own. Mounts copied into the namespace of
//!    another user namespace are locked: not even a root step can take a cover away.
//! 3. The program, once `sandbox` says so. A step's program replaces this process; a sidecar's is its
//!    child, so that what the sidecar leaves behind stays below it and is not taken for a step's.

mod cover;
mod identity;
mod launch;
mod mirror;
mod mount;
mod order;
mod probe;
mod root;
mod sidecar;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::sys::stat::{Mode, umask};
use nix::unistd::setsid;
use tidemill_messages::sandbox::HIDDEN;

use crate::error::{Doing, Error};
use crate::process::NOT_RUN;
use crate::wire::Wire;

/// Makes a folder of a volume, unless it is there.
pub(crate) fn part(volume: &Path, part: &str) -> Result<(), Error> {
    mount::Source::open(volume)?.part(part).map(drop)
}

pub(crate) use identity::Identity;
pub(crate) use order::{Bound, Build, Launch, Order, Word};
pub(crate) use sidecar::timeout_until;

use root::Root;

/// Plays one container. Errors are told to `sandbox`; the exit code is the program's.
pub(crate) fn run() -> Result<ExitCode, Error> {
    let mut wire = Wire::from_stdin()?;
    setsid().doing(|| "start a session of its own")?;
    umask(Mode::from_bits_truncate(0o022));
    match prepare(&mut wire).and_then(|build| play(&mut wire, &build)) {
        Ok(code) => Ok(code),
        Err(error) => {
            wire.send(&Word::failed(&error, NOT_RUN))?;
            Ok(ExitCode::from(NOT_RUN))
        }
    }
}

fn prepare(wire: &mut Wire) -> Result<Option<Build>, Error> {
    // In a container of an engine there is nothing to be built.
    let mut given = std::env::args_os().skip(2);
    let root = match given.next() {
        Some(memory) => {
            let position = given.next().and_then(|position| position.to_str()?.parse().ok());
            let hidden = std::env::var(HIDDEN).unwrap_or_default();
            // Whatever is missing here is covered once it is asked for.
            let hidden: Vec<PathBuf> = serde_json::from_str(&hidden).unwrap_or_default();
            Some(Root::begin(Path::new(&memory), position, &hidden)?)
        }
        None => None,
    };
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

fn play(wire: &mut Wire, build: &Option<Build>) -> Result<ExitCode, Error> {
    let (Some(build), Some(Order::Launch(launch))) = (build, wire.receive()?) else {
        return Ok(ExitCode::SUCCESS);
    };
    if build.sidecar {
        sidecar::run(wire, &launch)
    } else {
        launch::replace(wire, &launch)
    }
}
