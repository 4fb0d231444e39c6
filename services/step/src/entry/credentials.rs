//! Credentials of the ServiceAccount: files for git, ssh and docker.
//!
//! They lie in `/tekton/creds`, and a copy of each in the step's home, where the programs look. What is
//! there already in a home is the image's or the user's and stays, but for `.ssh/config` and its like,
//! which Tekton replaces too.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use tidemill_messages::sandbox::File;

/// Where Tekton has them.
const CREDENTIALS_PATH: &str = "/tekton/creds";

/// Puts them in place; gives a line for the log for each place that cannot take them.
pub(super) fn put(files: &[File], home: Option<&str>) -> Vec<String> {
    if files.is_empty() {
        return Vec::new();
    }
    let home = home.filter(|home| !home.is_empty());
    let places = std::iter::once(CREDENTIALS_PATH).chain(home);
    let failed = places.filter_map(|place| {
        let error = files.iter().try_for_each(|file| write(Path::new(place), file)).err()?;
        Some(format!("credentials could not be written to {place}: {error}"))
    });
    failed.collect()
}

fn write(place: &Path, file: &File) -> io::Result<()> {
    let path = place.join(&file.path);
    if let Some(directory) = path.parent().filter(|directory| *directory != place) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    // Written anew: one that is there may be of another mode.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::write(&path, &file.content.0)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))
}

#[cfg(test)]
mod tests {
    use tidemill_messages::sandbox::Content;

    use super::*;

    #[test]
    fn files_are_private_in_private_directories() {
        let place = std::env::temp_dir().join(format!("tidemill-credentials-{}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        let file = File {
            path: ".ssh/id_key".to_owned(),
            content: Content(b"key".to_vec()),
            mode: 0o600,
        };
        for _ in 0..2 {
            write(&place, &file).unwrap();
        }
        let mode = |path: &str| fs::metadata(place.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(".ssh"), mode(".ssh/id_key")), (0o700, 0o600));
        fs::remove_dir_all(&place).unwrap();
    }
}
