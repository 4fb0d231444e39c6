//! Copies of a step's output to files.

use std::fs::File;

use tidemill_messages::sandbox::Step;

use super::running::Copied;
use crate::error::{Doing, Error};
use crate::sandbox::contained::Contained;
use crate::sandbox::rooms::Rooms;

/// Whether a step's output and errors need pipes of their own.
pub(super) fn is_apart(step: &Step) -> bool {
    step.stdout_path.is_some() || step.stderr_path.is_some()
}

/// Opens the files a step's output is copied to, one for both if they are the same.
pub(super) fn open_copies(
    step: &Step,
    contained: &mut Contained,
    room: Option<(&mut Rooms, usize)>,
) -> Result<Copied, Error> {
    let mut room = room;
    let paths = [&step.stdout_path, &step.stderr_path];
    let mut copied = Copied::new();
    if paths.iter().all(|path| path.is_none()) {
        return Ok(copied);
    }
    let mut first = None;
    for (pipe, path) in contained.take_pipes().into_iter().zip(paths) {
        let files = match (path, &first) {
            (None, _) => Vec::new(),
            (Some(path), Some((same, file))) if same == path => vec![clone(file)?],
            (Some(path), _) => {
                let file = match &mut room {
                    Some((rooms, position)) => rooms.open_copy(*position, path)?,
                    None => contained.open_copy(path)?,
                };
                first = Some((path.clone(), clone(&file)?));
                vec![file]
            }
        };
        copied.push((pipe, files));
    }
    Ok(copied)
}

fn clone(file: &File) -> Result<File, Error> {
    file.try_clone().doing(|| "copy the handle of a file")
}
