//! Open files on their way from one process to another, and those opened for copies.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidemill_messages::frame;

use crate::error::{Doing, Error};

/// Files that come with one word.
const FILES: usize = 3;
/// A word that comes with files has no more bytes.
const WORD_BYTES: usize = 16 * 1024;

/// Sends a word of at most [`WORD_BYTES`] with at most [`FILES`] open files.
pub(crate) fn send_with_files<T: Serialize>(stream: &UnixStream, word: &T, files: &[OwnedFd]) -> Result<(), Error> {
    let bytes = frame::encode(word).map_err(Error::Wire)?;
    let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !borrowed.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(&borrowed));
    }
    let sent = sendmsg(stream, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL);
    match sent.doing(|| "hand over open files")? {
        count if count == bytes.len() => Ok(()),
        _ => Err(Error::task("a word with files was cut")),
    }
}

/// Receives such a word; `None` when the other side has closed.
pub(crate) fn receive_with_files<T: DeserializeOwned>(stream: &UnixStream) -> Result<Option<(T, Vec<OwnedFd>)>, Error> {
    let mut bytes = [0; WORD_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )
    .doing(|| "take over open files")?;
    let mut files = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            files.extend(rights);
        }
    }
    let mut reader = frame::Reader::default();
    reader.push(&bytes[..received.bytes]);
    let word = reader.take().map_err(Error::Wire)?;
    Ok(word.map(|word| (word, files)))
}

/// Opens a file for a copy of the output, where `path` leads below `root`.
pub(crate) fn open_copy(root: &str, path: &str) -> Result<File, Error> {
    let root = open(
        root,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .doing(|| "open the container's root")?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_APPEND | OFlag::O_NONBLOCK;
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC | OFlag::O_NOCTTY)
        .mode(Mode::from_bits_truncate(0o644))
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    match openat2(&root, path.trim_start_matches('/'), how) {
        Ok(file) => Ok(File::from(file)),
        Err(errno @ (Errno::ENOENT | Errno::ENOTDIR | Errno::EISDIR | Errno::EACCES | Errno::ENXIO | Errno::ELOOP)) => {
            Err(Error::task(format!(
                "cannot copy the output to `{path}`: {}",
                errno.desc()
            )))
        }
        Err(other) => Err(other).doing(|| format!("open `{path}` for a copy of the output")),
    }
}
