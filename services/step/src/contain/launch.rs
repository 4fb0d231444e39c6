//! Running the container's program.

use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use super::order::{Launch, Word};
use crate::error::{Doing, Error};
use crate::process::{self, NOT_FOUND, NOT_RUN};
use crate::wire::Wire;

/// Becomes the program; comes back only if that fails.
pub(super) fn replace(wire: &mut Wire, launch: &Launch) -> Result<ExitCode, Error> {
    let error = process::replace(&mut command(launch)?);
    refuse(wire, launch, &error)
}

/// The program with its arguments, variables and directory.
///
/// A script must be what the kernel can run: the C library would hand one without a working first
/// line to a shell, which Tekton does not.
pub(super) fn command(launch: &Launch) -> Result<Command, Error> {
    let directory = &launch.working_directory;
    std::env::set_current_dir(directory).doing(|| format!("enter the working directory {}", directory.display()))?;
    let (program, arguments) = launch
        .argv
        .split_first()
        .ok_or_else(|| Error::task("there is no command to run"))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    if !launch.is_image {
        command.env_clear();
    }
    command.envs(
        launch
            .environment
            .iter()
            .map(|variable| (&variable.name, &variable.value)),
    );
    if let Some(user) = launch.user {
        command.uid(user);
    }
    if let Some(group) = launch.group {
        command.gid(group);
    }
    Ok(command)
}

/// Says why the program does not run; the exit code is a shell's.
pub(super) fn refuse(wire: &mut Wire, launch: &Launch, error: &std::io::Error) -> Result<ExitCode, Error> {
    let program = launch.argv.first().map_or("", String::as_str);
    let missing = is_missing(program, launch, error);
    let code = if missing { NOT_FOUND } else { NOT_RUN };
    let place = if launch.is_image {
        "in this image"
    } else {
        "on this host"
    };
    let message = if !missing {
        format!("cannot run `{program}`: {error}")
    } else if program.contains('/') && Path::new(program).exists() {
        format!("cannot run `{program}`: the interpreter it names is not {place}")
    } else if launch.is_image {
        format!("cannot run `{program}`: there is no such program {place}; use an image that has it")
    } else {
        format!("cannot run `{program}`: there is no such program {place}; install it, or give an absolute path")
    };
    wire.send(&Word::Failed {
        by_task: true,
        message,
        code,
    })?;
    Ok(ExitCode::from(code))
}

/// A directory of `PATH` that may not be read makes the system speak of permissions, although the
/// program is nowhere.
fn is_missing(program: &str, launch: &Launch, error: &std::io::Error) -> bool {
    match error.kind() {
        ErrorKind::NotFound => true,
        ErrorKind::PermissionDenied if !program.contains('/') => {
            let path = launch.environment.iter().rev().find(|variable| variable.name == "PATH");
            let directories = path.into_iter().flat_map(|path| path.value.split(':'));
            !directories
                .into_iter()
                .any(|directory| Path::new(directory).join(program).exists())
        }
        _ => false,
    }
}
