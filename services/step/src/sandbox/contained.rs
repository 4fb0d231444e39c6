//! A container's process, seen from `sandbox`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::OnceLock;

use nix::unistd::Pid;

use crate::contain::{Build, Identity, Inside, Launch, Order, Word};
use crate::error::{Doing, Error};
use crate::outputs::Outputs;
use crate::process;
use crate::room::open_copy;
use crate::sandbox::memory::Memory;
use crate::wire::Wire;

/// A container that is built and has not been launched, or was.
pub(super) struct Contained {
    /// Its first process.
    pub(super) pid: Pid,
    wire: Wire,
    pipes: Vec<File>,
    /// Its mount namespace.
    mounts: Option<File>,
}

/// How a launch went wrong, as the container's process says it.
pub(super) struct Failed {
    /// What, where, why.
    pub(super) message: String,
}

/// A container's process that does not know yet what it is for.
pub(crate) struct Starting {
    contained: Contained,
    /// Output and errors have pipes of their own.
    apart: bool,
}

/// Where a process has become two.
pub(crate) enum Split {
    /// `sandbox` goes on, and this is the container's process.
    Outside(Starting),
    /// This is the container's process.
    Inside(Inside),
}

impl Starting {
    /// Starts it for the first step, with the mounts as they are now, by splitting this process.
    pub(super) fn split(memory: &Memory) -> Result<Split, Error> {
        memory.make_step(0)?;
        let (lines, inside) = Lines::open(false)?;
        Ok(match process::split().doing(|| "make the container's process")? {
            Some(pid) => Split::Outside(lines.to(pid)),
            None => Split::Inside(inside),
        })
    }

    /// Starts it, with the mounts as they are now. `apart` gives output and errors pipes of their own. With `ahead`, the
    /// position of its step, it begins with what that step sees before it knows more.
    pub(crate) fn start(apart: bool, memory: &Memory, ahead: Option<usize>) -> Result<Self, Error> {
        let (lines, inside) = Lines::open(apart)?;
        let mut role = vec![OsString::from("contain")];
        if memory.is_mounted() {
            role.push(memory.path().into());
            if let Some(position) = ahead {
                memory.make_step(position)?;
                role.push(position.to_string().into());
            }
        }
        let (output, errors) = (Stdio::from(inside.output), Stdio::from(inside.errors));
        let child = process::again(&role, inside.socket.into(), output, errors)?;
        Ok(lines.to(Pid::from_raw(child.id().cast_signed())))
    }

    /// The process.
    pub(super) fn pid(&self) -> Pid {
        self.contained.pid
    }

    /// Whether output and errors have pipes of their own.
    pub(super) fn is_apart(&self) -> bool {
        self.apart
    }

    /// Its process, and the socket and pipes to it, for another process to speak with it.
    pub(crate) fn into_files(self) -> (Pid, Vec<OwnedFd>) {
        let (stream, _) = self.contained.wire.into_parts();
        let pipes = self.contained.pipes.into_iter().map(OwnedFd::from);
        let files = std::iter::once(OwnedFd::from(stream)).chain(pipes).collect();
        (self.contained.pid, files)
    }

    /// What [`Starting::into_files`] gave, in the other process; `pid` stands for the process there.
    pub(super) fn from_files(pid: Pid, files: Vec<OwnedFd>) -> Option<Self> {
        let mut files = files.into_iter();
        let socket = UnixStream::from(files.next()?);
        let pipes = files.map(File::from).collect();
        Some(Lines { socket, pipes }.to(pid))
    }

    /// Waits until it has built what it sees.
    pub(super) fn build(self, build: Build) -> Result<Contained, Error> {
        let mut contained = self.contained;
        let mounts_itself = build.identity != Identity::Container;
        contained.wait_built(build)?;
        if mounts_itself {
            // Where it cannot be had, its mounts go with its last process.
            contained.mounts = File::open(format!("/proc/{}/ns/mnt", contained.pid)).ok();
        }
        Ok(contained)
    }
}

impl Contained {
    /// Lets the program start.
    pub(super) fn launch(&mut self, launch: Launch) -> Result<(), Error> {
        self.wire.send(&Order::Launch(Box::new(launch)))
    }

    /// The pipes to read its output from, output first.
    pub(super) fn take_pipes(&mut self) -> Vec<File> {
        std::mem::take(&mut self.pipes)
    }

    /// Its mount namespace, which lasts as long as somebody holds this. Whoever holds none waits for its last process until
    /// the kernel has taken all its mounts down, a quarter of a millisecond.
    pub(super) fn take_mounts(&mut self) -> Option<File> {
        self.mounts.take()
    }

    /// Where its process speaks.
    pub(super) fn voice(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }

    /// What its process says next; `None` when it has become the program or ended.
    pub(super) fn hear(&mut self) -> Option<Word> {
        self.wire.receive().ok().flatten()
    }

    /// Why the program did not run. Only once the process has ended.
    pub(super) fn failure(&mut self) -> Option<Failed> {
        loop {
            match self.hear()? {
                Word::Failed { message, .. } => return Some(Failed { message }),
                _ => continue,
            }
        }
    }

    /// Opens a file for a copy of its output, where a path leads inside the container.
    pub(super) fn open_copy(&self, path: &str) -> Result<File, Error> {
        open_copy(&format!("/proc/{}/root", self.pid), path)
    }

    fn wait_built(&mut self, build: Build) -> Result<(), Error> {
        let identity = build.identity;
        self.wire.send(&Order::Build(Box::new(build)))?;
        loop {
            match self.wire.receive()? {
                Some(Word::Map) => {
                    write_maps(self.pid, identity)?;
                    self.wire.send(&Order::Mapped)?;
                }
                Some(Word::Built) => return Ok(()),
                Some(Word::Failed {
                    by_task: true, message, ..
                }) => return Err(Error::Task { message }),
                Some(Word::Failed { message, .. }) => return Err(broken(message)),
                Some(Word::Ready) | None => return Err(broken("its process ended".to_owned())),
            }
        }
    }
}

/// The ends of `sandbox` of what leads to a container's process.
struct Lines {
    socket: UnixStream,
    /// Output, and errors if they are apart.
    pipes: Vec<File>,
}

impl Lines {
    fn open(apart: bool) -> Result<(Self, Inside), Error> {
        let (ours, theirs) = UnixStream::pair().doing(|| "make a pair of sockets")?;
        let Outputs { pipes, output, errors } = Outputs::open(apart)?;
        let inside = Inside {
            socket: theirs,
            output,
            errors,
        };
        Ok((Self { socket: ours, pipes }, inside))
    }

    /// They lead to this process.
    fn to(self, pid: Pid) -> Starting {
        let apart = self.pipes.len() > 1;
        let contained = Contained {
            pid,
            wire: Wire::new(self.socket),
            pipes: self.pipes,
            mounts: None,
        };
        Starting { contained, apart }
    }
}

/// Every id this process knows becomes itself in the namespace of `pid`.
fn write_maps(pid: Pid, identity: Identity) -> Result<(), Error> {
    debug_assert_eq!(identity, Identity::Full);
    for (file, map) in full_maps()? {
        fs::write(format!("/proc/{pid}/{file}"), map).doing(|| format!("write the container's {file}"))?;
    }
    Ok(())
}

/// The files of a user namespace and what they are to hold. What this process knows never changes.
fn full_maps() -> Result<&'static [(&'static str, String); 2], Error> {
    static MAPS: OnceLock<[(&str, String); 2]> = OnceLock::new();
    match MAPS.get() {
        Some(maps) => Ok(maps),
        None => {
            let maps = [("uid_map", full_map("uid_map")?), ("gid_map", full_map("gid_map")?)];
            Ok(MAPS.get_or_init(|| maps))
        }
    }
}

fn full_map(file: &str) -> Result<String, Error> {
    let known = fs::read_to_string(format!("/proc/self/{file}")).doing(|| format!("read /proc/self/{file}"))?;
    let lines = known.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (inside, _, length) = (fields.next()?, fields.next()?, fields.next()?);
        Some(format!("{inside} {inside} {length}\n"))
    });
    Ok(lines.collect())
}

fn broken(message: String) -> Error {
    Error::Place {
        action: "build the container".to_owned(),
        source: std::io::Error::other(message),
    }
}
