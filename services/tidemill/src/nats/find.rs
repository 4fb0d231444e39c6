//! Where the nats-server binary is.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{PINNED, RELEASED};
use crate::error::Error;

const NAME: &str = "nats-server";

/// The binary: `given`, else beside this command, else on `PATH`, else the pinned one in the cache.
///
/// # Errors
/// [`Error::NatsServer`] that names the places looked at.
pub(crate) fn find(given: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(path) = given {
        return if is_program(path) {
            Ok(path.to_owned())
        } else {
            Err(Error::NatsServer {
                message: format!("{} is no program", path.display()),
                hint: "name a nats-server with --nats-server, or leave it out to have one looked for".to_owned(),
            })
        };
    }
    let places = places();
    places.iter().find(|path| is_program(path)).cloned().ok_or_else(|| {
        let looked: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
        Error::NatsServer {
            message: format!("there is no nats-server; looked for {}", looked.join(", ")),
            hint: format!(
                "install nats-server {PINNED} (2.14 or later), name one with --nats-server, or use a running one with --nats"
            ),
        }
    })
}

fn places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    let own = std::env::current_exe().ok();
    places.extend(own.and_then(|path| Some(path.parent()?.join(NAME))));
    if let Some(path) = std::env::var_os("PATH") {
        places.extend(
            std::env::split_paths(&path)
                .filter(|folder| folder.is_absolute())
                .map(|folder| folder.join(NAME)),
        );
    }
    if let Some(tools) = tools() {
        places.extend([PINNED, RELEASED].map(|version| tools.join(format!("{NAME}-{version}")).join(NAME)));
    }
    places
}

/// Where the pinned tools are kept.
fn tools() -> Option<PathBuf> {
    let folder = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    folder("TIDEMILL_TOOLS").or_else(|| {
        let cache = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))?;
        Some(cache.join("tidemill/tools"))
    })
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::find;

    #[test]
    fn what_was_named_is_taken_or_refused() {
        let error = find(Some(Path::new("/nowhere/nats-server"))).unwrap_err();
        assert!(error.to_string().contains("/nowhere/nats-server"));
        assert_eq!(error.exit().code(), 64);
        assert_eq!(find(Some(Path::new("/bin/sh"))).unwrap(), Path::new("/bin/sh"));
    }
}
