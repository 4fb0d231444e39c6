//! The pipes a container's program writes to.

use std::fs::File;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;

use crate::error::{Doing, Error};

/// Both ends of them.
pub(crate) struct Outputs {
    /// The reading ends, which do not block: of the output, and of the errors if they are apart.
    pub(crate) pipes: Vec<File>,
    /// Where the program writes its output.
    pub(crate) output: OwnedFd,
    /// Where it writes its errors.
    pub(crate) errors: OwnedFd,
}

impl Outputs {
    /// Makes one pipe, or one for output and one for errors if they are to be `apart`.
    pub(crate) fn open(apart: bool) -> Result<Self, Error> {
        let (read, output) = pipe()?;
        let mut pipes = vec![read];
        let errors = if apart {
            let (read, errors) = pipe()?;
            pipes.push(read);
            errors
        } else {
            output.try_clone().doing(|| "copy the end of a pipe")?
        };
        Ok(Self { pipes, output, errors })
    }
}

fn pipe() -> Result<(File, OwnedFd), Error> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC).doing(|| "make a pipe")?;
    fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).doing(|| "make a pipe non-blocking")?;
    Ok((File::from(read), write))
}
