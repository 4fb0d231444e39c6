//! Folders in volumes, of which only a part is to be mounted.

use std::path::Path;
use std::process::ExitCode;

use crate::contain::part;
use crate::error::Error;

/// Makes folders where they are missing: `parts <volume> <part> ...`. Neither `..` nor a symbolic link leads
/// out of a volume.
pub(crate) fn run() -> Result<ExitCode, Error> {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    for pair in arguments.chunks(2) {
        let [volume, name] = pair else {
            return Err(Error::task("expected pairs of a volume and a part of it"));
        };
        part(Path::new(volume), name)?;
    }
    Ok(ExitCode::SUCCESS)
}
