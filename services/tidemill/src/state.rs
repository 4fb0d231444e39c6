//! The state directory: where everything of one server lies, and who runs on it.

mod authority;
mod kubeconfig;
mod lock;
mod process;

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use authority::Authority;
pub(crate) use kubeconfig::of_client as client_kubeconfig;
pub(crate) use lock::Lock;
pub(crate) use process::Process;

use crate::error::Error;

/// Bytes of the bearer token.
const TOKEN_BYTES: usize = 32;

/// A state directory, by its absolute path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StateDir {
    path: PathBuf,
}

/// What a server says about itself in `up.json` once it is ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Up {
    /// Its process.
    #[serde(flatten)]
    pub(crate) process: Process,
    /// Where the gateway listens, `https://host:port`.
    pub(crate) address: String,
    /// Version of the command.
    pub(crate) version: String,
}

impl StateDir {
    /// The directory `given`, else `$XDG_DATA_HOME/tidemill`, else `~/.local/share/tidemill`.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is neither.
    pub(crate) fn resolve(given: Option<&Path>) -> Result<Self, Error> {
        let path = match given {
            Some(path) => path.to_owned(),
            None => default_path().ok_or_else(|| {
                Error::usage_hint(
                    "there is no place for the state directory: neither HOME nor XDG_DATA_HOME is set",
                    "name one with --state-dir",
                )
            })?,
        };
        let path = std::path::absolute(&path).map_err(Error::io(format!("resolve {}", path.display())))?;
        Ok(Self { path })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directory, for its owner only.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn create(&self) -> Result<(), Error> {
        make_private(&self.path)
    }

    /// The kubeconfig that `up` writes.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.path.join("kubeconfig")
    }

    /// Where the gateway listened the last time.
    pub(crate) fn last_address(&self) -> Option<SocketAddr> {
        kubeconfig::address(&fs::read_to_string(self.kubeconfig()).ok()?)
    }

    /// Where the private nats-server lives.
    pub(crate) fn nats(&self) -> PathBuf {
        self.path.join("nats")
    }

    /// The settings file, which may be missing.
    pub(crate) fn settings(&self) -> PathBuf {
        self.path.join("tidemill.toml")
    }

    /// The server that is ready on this directory and alive.
    pub(crate) fn running(&self) -> Option<Up> {
        let text = fs::read(self.path.join("up.json")).ok()?;
        let up: Up = serde_json::from_slice(&text).ok()?;
        up.process.is_alive().then_some(up)
    }

    /// Says that this process is ready: writes the kubeconfig, then `up.json`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn announce(&self, address: &str, authority: Option<&str>, token: &str) -> Result<(), Error> {
        write_private(&self.kubeconfig(), &kubeconfig::text(address, authority, token))?;
        let up = Up {
            process: Process::own(),
            address: address.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let text = serde_json::to_string(&up).map_err(|source| Error::internal("write up.json", source))?;
        write_private(&self.path.join("up.json"), &text)
    }

    /// Takes back what [`StateDir::announce`] said.
    pub(crate) fn withdraw(&self) {
        // If it stays, its process is dead and nobody believes it.
        let _stays = fs::remove_file(self.path.join("up.json"));
    }

    /// The bearer token; made on first use.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn token(&self) -> Result<String, Error> {
        secret(&self.path.join("token"))
    }

    /// The authority that signs the gateway's certificate; made on first use.
    ///
    /// # Errors
    /// As [`Authority::open`].
    pub(crate) fn authority(&self, today: jiff::civil::Date) -> Result<Authority, Error> {
        Authority::open(&authority::folder(&self.path), today)
    }

    /// What the credentials of webhooks are sealed with; made on first use.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn seal_key(&self) -> Result<String, Error> {
        secret(&self.path.join("seal-key"))
    }
}

/// The secret in this file, made on first use, readable by its owner only.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn secret(path: &Path) -> Result<String, Error> {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io(format!("read {}", path.display()))(error)),
    }
    let fresh = hex::encode(rand::random::<[u8; TOKEN_BYTES]>());
    write_private(path, &fresh)?;
    Ok(fresh)
}

/// Makes a directory and those above it, for their owner only.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn make_private(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(path)
        .map_err(Error::io(format!("make the directory {}", path.display())))
}

/// Replaces a file at once, mode 0600: a reader sees the old or the new text, never half of it.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    let fail = |source| Error::io(format!("write {}", path.display()))(source);
    let partial = path.with_extension(format!("partial-{}", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)
        .map_err(fail)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(fail)?;
    fs::rename(&partial, path).map_err(fail)
}

fn default_path() -> Option<PathBuf> {
    let folder = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let data = folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")))?;
    Some(data.join("tidemill"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::StateDir;

    fn state() -> (tempfile::TempDir, StateDir) {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::resolve(Some(&folder.path().join("a/state"))).unwrap();
        state.create().unwrap();
        (folder, state)
    }

    #[test]
    fn secrets_are_made_once_and_private() {
        let (_folder, state) = state();
        let token = state.token().unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(state.token().unwrap(), token);
        for path in [state.path().join("token"), state.path().to_owned()] {
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", path.display());
        }
    }

    #[test]
    fn a_server_is_running_from_its_announcement_to_its_withdrawal() {
        let (_folder, state) = state();
        assert_eq!(state.running(), None);
        state.announce("https://127.0.0.1:1234", None, "secret").unwrap();
        let up = state.running().unwrap();
        assert_eq!(up.address, "https://127.0.0.1:1234");
        assert!(std::fs::read_to_string(state.kubeconfig()).unwrap().contains("secret"));
        state.withdraw();
        assert_eq!(state.last_address(), Some(([127, 0, 0, 1], 1234).into()));
        assert_eq!(state.running(), None);
    }

    #[test]
    fn the_announcement_of_a_dead_process_is_not_believed() {
        let (_folder, state) = state();
        state.announce("https://127.0.0.1:1234", None, "secret").unwrap();
        let path = state.path().join("up.json");
        let text = std::fs::read_to_string(&path).unwrap();
        // The same process id, another start: the id was given to somebody else.
        let start = super::Process::own().start_time;
        std::fs::write(&path, text.replace(&start.to_string(), "1")).unwrap();
        assert_eq!(state.running(), None);
    }
}
