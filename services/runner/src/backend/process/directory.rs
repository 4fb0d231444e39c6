//! The directory of an attempt, and the supervisor it tells of.
//!
//! `attempt.json` names the attempt and its supervisor. Nothing here waits for the disk: after a power cut the claim tells
//! that the attempt is of an earlier boot, and what still lies here is removed.
//! A socket leads to the supervisor, which takes it away when it ends before any step has started; `log` holds its last
//! words, if it failed.

use std::fmt::Display;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};
use tidemill_messages::AttemptKey;
use tidemill_messages::sandbox::{LAST_WORDS, NAME, Name, ProcessIdentity};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::spare::{self, Spare};
use crate::backend::{Error, place};
use crate::identity::boot_id;

/// Time in which a process that has closed its sockets is gone.
const END_LIMIT: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
/// Times a removal is tried while processes that are ending still write.
const REMOVALS: usize = 5;

/// Extension of a directory that is being removed.
const REMOVING: &str = "removing";

/// Where one attempt lies.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    path: PathBuf,
    key: AttemptKey,
}

impl Directory {
    /// The directory of `key` below `attempts`: named by a hash, since keys are longer than names may be.
    pub(super) fn new(attempts: &Path, key: &AttemptKey) -> Self {
        let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, key.to_string().as_bytes());
        Self {
            path: attempts.join(name.simple().to_string()),
            key: key.clone(),
        }
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether something of the attempt is here.
    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Makes it for a supervisor to fill: of `spare`, in which the supervisor is, or a new one.
    pub(super) async fn create(&self, supervisor: ProcessIdentity, spare: Option<Spare>) -> Result<(), Error> {
        let directory = self.clone();
        let made = spawn_blocking(move || directory.create_blocking(supervisor, spare));
        let action = format!("make the attempt's directory {}", self.path.display());
        made.await.map_err(place(action.clone()))?.map_err(place(action))
    }

    fn create_blocking(&self, supervisor: ProcessIdentity, spare: Option<Spare>) -> std::io::Result<()> {
        let spare = match spare {
            Some(spare) => spare,
            None => {
                let mut builder = DirBuilder::new();
                builder.mode(0o700).recursive(true).create(self.attempts())?;
                Spare::new(self.attempts())?
            }
        };
        let name = Name {
            attempt: self.key.clone(),
            supervisor,
            socket: spare.socket().map(str::to_owned),
        };
        spare.give(&self.path, &serde_json::to_vec(&name)?)
    }

    fn attempts(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// What a supervisor that failed said.
    pub(super) async fn last_words(&self) -> String {
        let words = tokio::fs::read_to_string(self.path.join(LAST_WORDS)).await;
        words.map_or_else(
            |_| "it ended without a word".to_owned(),
            |words| words.trim().to_owned(),
        )
    }

    /// Whether a step may have started of an attempt whose supervisor is gone: a socket is there, which may have its next
    /// attempt's name already, or the machine was started anew since, which may have lost it.
    pub(super) fn has_started(&self) -> bool {
        self.name()
            .is_some_and(|name| self.has_socket() || name.supervisor.boot_id != boot_id())
    }

    fn has_socket(&self) -> bool {
        let mut entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        entries.any(|entry| spare::is_socket(&entry.file_name()))
    }

    /// The supervisor of the attempt, and its socket.
    pub(super) fn supervisor_and_socket(&self) -> Option<(ProcessIdentity, String)> {
        let name = self.name()?;
        let socket = name.socket(&self.path);
        Some((name.supervisor, socket))
    }

    fn supervisor(&self) -> Option<ProcessIdentity> {
        self.name().map(|name| name.supervisor)
    }

    fn name(&self) -> Option<Name> {
        serde_json::from_slice(&fs::read(self.path.join(NAME)).ok()?).ok()
    }

    /// Ends the supervisor, and with it everything of the attempt; waits until it is gone.
    pub(super) async fn end_supervisor(&self) -> Result<(), Error> {
        let directory = self.clone();
        let ended = spawn_blocking(move || directory.end_supervisor_blocking());
        ended
            .await
            .map_err(place("end a supervisor"))?
            .map_err(place("end a supervisor"))
    }

    fn end_supervisor_blocking(&self) -> std::io::Result<()> {
        let process = self.supervisor().and_then(|supervisor| open(&supervisor));
        process.map_or(Ok(()), |process| end_blocking(&process))
    }

    /// Whether the supervisor ends within [`END_LIMIT`]: one that has closed its sockets does.
    pub(super) async fn supervisor_ends(&self) -> Result<bool, Error> {
        let Some(process) = self.supervisor().and_then(|supervisor| open(&supervisor)) else {
            return Ok(true);
        };
        let watched = spawn_blocking(move || has_ended(&process, Some(&END_LIMIT)));
        watched
            .await
            .map_err(place("watch a supervisor"))?
            .map_err(place("watch a supervisor"))
    }

    /// Removes everything the attempt left but `socket`, at which its supervisor hears of its next one; nothing runs in
    /// it any more. What can be used again is given.
    pub(super) async fn empty(&self, socket: Option<String>) -> Result<Option<Spare>, Error> {
        let path = self.path.clone();
        let emptied = spawn_blocking(move || Spare::of(&path, socket));
        let action = format!("empty {}", self.path.display());
        emptied.await.map_err(place(action.clone()))?.map_err(place(action))
    }

    /// [`Directory::remove`], if it is still that of `supervisor`: it may have been discarded, and made again by another.
    pub(super) async fn remove_of(&self, supervisor: &ProcessIdentity) -> Result<(), Error> {
        match self.supervisor() {
            Some(found) if found == *supervisor => self.remove().await,
            _ => Ok(()),
        }
    }

    /// Ends what runs and removes everything. Repeatable.
    pub(super) async fn remove(&self) -> Result<(), Error> {
        let directory = self.clone();
        let removed = spawn_blocking(move || {
            directory.end_supervisor_blocking()?;
            remove_all(&directory.path)
        });
        let action = format!("remove {}", self.path.display());
        removed.await.map_err(place(action.clone()))?.map_err(place(action))
    }
}

/// The attempts of which something is below `attempts`.
pub(super) async fn keys(attempts: PathBuf) -> Result<Vec<AttemptKey>, Error> {
    let action = format!("list {}", attempts.display());
    let read = spawn_blocking(move || -> std::io::Result<Vec<AttemptKey>> {
        spare::sweep(&attempts);
        let entries = match fs::read_dir(&attempts) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut keys = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            let name = fs::read(path.join(NAME)).ok();
            match name.and_then(|text| serde_json::from_slice::<Name>(&text).ok()) {
                _ if is_left_over(&path) => drop(remove_tree(&path)),
                Some(name) => keys.push(name.attempt),
                // It came with its name: only a power cut takes it away.
                None if path.extension().is_none() => drop(remove_tree(&path)),
                None => {}
            }
        }
        Ok(keys)
    });
    read.await.map_err(place(action.clone()))?.map_err(place(action))
}

/// Whether whoever removed this directory died meanwhile; the next sweep tries again what cannot
/// be removed now.
fn is_left_over(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == REMOVING)
}

/// Whether that process still is.
pub(super) fn is_alive(identity: &ProcessIdentity) -> bool {
    open(identity).is_some()
}

/// A handle of that process, if it still is that process.
fn open(identity: &ProcessIdentity) -> Option<OwnedFd> {
    let process = pidfd_open(Pid::from_raw(identity.pid)?, PidfdFlags::empty()).ok()?;
    // The handle is open: the number cannot pass to another process between the two looks.
    let ticks = start_ticks(identity.pid)?;
    (ticks == identity.start_ticks && boot_id() == identity.boot_id).then_some(process)
}

/// When the process of this number was started, in ticks since the boot.
pub(super) fn start_ticks(pid: impl Display) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19)?.parse().ok()
}

/// Kills a process and waits until it and its PID namespace are gone: the kernel says so only then.
/// It takes as long as the kernel takes to end the processes.
fn end_blocking(process: &OwnedFd) -> std::io::Result<()> {
    match pidfd_send_signal(process, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(other) => return Err(other.into()),
    }
    has_ended(process, None)?;
    // Where this process has become its parent (as PID 1 of a container), it takes notice of the end.
    match waitid(
        WaitId::PidFd(process.as_fd()),
        WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
    ) {
        Ok(_) | Err(Errno::CHILD) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// Whether a process, and all of its PID namespace, is gone within `limit`; without one it is waited for.
fn has_ended(process: &OwnedFd, limit: Option<&Timespec>) -> std::io::Result<bool> {
    loop {
        let mut watched = [PollFd::new(process, PollFlags::IN)];
        match poll(&mut watched, limit) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(other) => return Err(other.into()),
        }
    }
}

/// Removes an attempt's directory. It is given another name first, so that a remover that dies leaves
/// nothing that looks like an attempt, and the next sweep can tell what is left.
fn remove_all(path: &Path) -> std::io::Result<()> {
    let removing = path.with_extension(REMOVING);
    remove_tree(&removing)?;
    match fs::rename(path, &removing) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => remove_tree(&removing),
    }
}

/// Removes a tree, also below directories that forbid it.
pub(super) fn remove_tree(path: &Path) -> std::io::Result<()> {
    let mut last = Ok(());
    for _ in 0..REMOVALS {
        last = fs::remove_dir_all(path);
        match &last {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => permit(path)?,
            Err(_) => {}
        }
    }
    last
}

/// Lets the owner write in every directory of a tree.
fn permit(path: &Path) -> std::io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)?.flatten() {
        if entry.file_type()?.is_dir() {
            permit(&entry.path())?;
        }
    }
    Ok(())
}
