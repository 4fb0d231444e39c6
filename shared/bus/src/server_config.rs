//! The configuration of the private nats-server that `tidemill up` runs beside itself.
//!
//! One folder holds everything: `nats.conf`, `secrets.conf` and `steps.seed` (mode 0600, made once),
//! `store/`, `nats.log` and the file in which the server writes its port. What is stored is encrypted with the
//! key in `secrets.conf`: that protects disks and backups, not against whoever reads the folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::RngExt as _;
use serde::Deserialize;

use crate::steps::{self, Issuer};
use crate::{Connect, Credentials};

/// The only user of a private server.
pub const USER: &str = "tidemill";
/// The largest message the server takes, headers included.
pub const MAX_PAYLOAD_BYTES: u64 = 1024 * 1024;
/// The store is given at least this, or the server is not started.
pub const MIN_FILE_BYTES: u64 = 256 * 1024 * 1024;

const CONFIG: &str = "nats.conf";
const SECRETS: &str = "secrets.conf";
/// Not in the secrets: the server takes a name it does not use for a mistake.
const STEPS: &str = "steps.seed";

/// When an acknowledged message is on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Before it is acknowledged: survives a power cut.
    #[default]
    Always,
    /// So often; what was acknowledged since survives the death of the server, not of the machine.
    Every(Duration),
}

/// What the private server is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateServer {
    /// Its folder; made when it is not there.
    pub folder: PathBuf,
    /// Its port on the loopback address; `None`: a free one.
    pub port: Option<u16>,
    /// At most so many bytes of store; see [`max_file_bytes`].
    pub max_file_bytes: u64,
    /// When acknowledged messages are on the disk.
    pub sync: Sync,
}

/// A private server whose files are written.
#[derive(Clone, PartialEq, Eq)]
pub struct Prepared {
    folder: PathBuf,
    password: String,
    steps_seed: String,
}

/// Why the files of a private server could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// `read`, `write` or `create`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The secrets were edited or cut; with another key the store cannot be read.
    #[error("{} is damaged; restore it from a backup, or remove the whole folder to start empty", path.display())]
    Damaged {
        /// The secrets file.
        path: PathBuf,
    },
    /// Too little room.
    #[error("{} has room for {found} bytes; at least {needed} are needed", path.display())]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// What there is.
        found: u64,
        /// What is needed: [`MIN_FILE_BYTES`].
        needed: u64,
    },
    /// The path cannot be written into a configuration file.
    #[error("{} contains a quote, a backslash or a line break; choose another folder", path.display())]
    Unquotable {
        /// The folder.
        path: PathBuf,
    },
}

/// The share of a disk that the store may take: 80 % of what is free or already its own. A full disk
/// freezes a stream until the server is restarted, while a limit met is a clean refusal.
pub fn max_file_bytes(free_bytes: u64, store_bytes: u64) -> u64 {
    (free_bytes.saturating_add(store_bytes) / 10).saturating_mul(8)
}

impl PrivateServer {
    /// Writes the configuration; makes the secrets at the first time and keeps them afterwards.
    ///
    /// # Errors
    /// [`Error`]; nothing of it can be tried again without a change.
    pub fn prepare(&self) -> Result<Prepared, Error> {
        if self.max_file_bytes < MIN_FILE_BYTES {
            return Err(Error::NoRoom {
                path: self.folder.clone(),
                found: self.max_file_bytes,
                needed: MIN_FILE_BYTES,
            });
        }
        self.quotable()?;
        let create = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        create.map_err(|source| file("create", &self.folder, source))?;
        let password = self.password()?;
        let (steps_seed, issuer) = self.steps()?;
        let text = self.text(&issuer.public_key())?;
        let path = self.folder.join(CONFIG);
        fs::write(&path, text).map_err(|source| file("write", &path, source))?;
        Ok(Prepared {
            folder: self.folder.clone(),
            password,
            steps_seed,
        })
    }

    fn quotable(&self) -> Result<&str, Error> {
        let folder = self
            .folder
            .to_str()
            .filter(|path| !path.contains(['"', '\\', '\n', '\r']));
        folder.ok_or_else(|| Error::Unquotable {
            path: self.folder.clone(),
        })
    }

    /// The text of `nats.conf`, with the public key of the steps' issuer; it names no secret.
    ///
    /// # Errors
    /// [`Error::Unquotable`].
    pub fn text(&self, issuer: &str) -> Result<String, Error> {
        let folder = self.quotable()?;
        let users = format!("[{{ user: \"{USER}\", password: $tidemill_password }}]");
        let accounts = steps::configuration(&users, USER, issuer);
        let sync = match self.sync {
            Sync::Always => "always".to_owned(),
            Sync::Every(interval) => format!("\"{}ms\"", interval.as_millis().max(1)),
        };
        let (port, max_file_bytes) = (self.port.map_or(-1, i32::from), self.max_file_bytes);
        Ok(format!(
            r#"# Written by `tidemill up` at every start; changes here are lost.
include "{SECRETS}"

server_name: "tidemill"
listen: "127.0.0.1:{port}"
ports_file_dir: "{folder}"
logfile: "{folder}/nats.log"
logfile_size_limit: 10MB
logfile_max_num: 3
max_payload: {MAX_PAYLOAD_BYTES}

{accounts}
jetstream {{
  store_dir: "{folder}/store"
  max_file: {max_file_bytes}
  max_mem: 64MB
  sync_interval: {sync}
  cipher: chachapoly
  key: $tidemill_store_key
  limits {{ max_ack_pending: 20000 }}
}}
"#
        ))
    }

    /// The password in the secrets file, which is made if it is not there.
    fn password(&self) -> Result<String, Error> {
        let path = self.folder.join(SECRETS);
        match fs::read_to_string(&path) {
            Ok(text) => parse_password(&text).ok_or(Error::Damaged { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (password, key) = (secret(), secret());
                let text = format!("tidemill_password: \"{password}\"\ntidemill_store_key: \"{key}\"\n");
                write_secret(&path, &text).map_err(|source| file("write", &path, source))?;
                Ok(password)
            }
            Err(source) => Err(file("read", &path, source)),
        }
    }
}

impl PrivateServer {
    /// The seed of the steps' issuer, made if it is not there.
    fn steps(&self) -> Result<(String, Issuer), Error> {
        let path = self.folder.join(STEPS);
        let seed = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let seed = Issuer::new_seed();
                write_secret(&path, &seed).map_err(|source| file("write", &path, source))?;
                seed
            }
            Err(source) => return Err(file("read", &path, source)),
        };
        let issuer = Issuer::from_seed(&seed).map_err(|_| Error::Damaged { path })?;
        Ok((seed, issuer))
    }
}

impl Prepared {
    /// The seed of the steps' issuer, for [`Issuer::from_seed`].
    pub fn steps_seed(&self) -> &str {
        &self.steps_seed
    }

    /// The arguments of `nats-server`.
    pub fn arguments(&self) -> Vec<String> {
        vec!["--config".to_owned(), self.folder.join(CONFIG).display().to_string()]
    }

    /// The port on which the process `pid` listens; `None` while it does not.
    pub fn port(&self, pid: u32) -> Option<u16> {
        #[derive(Deserialize)]
        struct Ports {
            nats: Vec<String>,
        }
        // The file's name begins with the executable's, whatever that is.
        let suffix = format!("_{pid}.ports");
        let entries = fs::read_dir(&self.folder)
            .ok()?
            .filter_map(Result::ok)
            .map(|entry| entry.path());
        let path = entries
            .into_iter()
            .find(|path| path.to_string_lossy().ends_with(&suffix))?;
        let ports: Ports = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        ports.nats.first()?.rsplit(':').next()?.parse().ok()
    }

    /// How to connect to the server once it listens on `port`.
    pub fn connect(&self, port: u16) -> Connect {
        let mut connect = Connect::new(format!("nats://127.0.0.1:{port}"));
        connect.credentials = Credentials::Password {
            user: USER.to_owned(),
            password: self.password.clone(),
        };
        connect
    }
}

/// 256 bits as hexadecimal digits behind a letter, which no parser takes for a number.
fn secret() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    format!("s{}", hex::encode(bytes))
}

fn parse_password(text: &str) -> Option<String> {
    let value = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": \""))?;
        line.strip_suffix('"').filter(|value| value.len() == 65)
    };
    value("tidemill_store_key")?;
    value("tidemill_password").map(str::to_owned)
}

/// Whole or not at all, and on the disk before the first message is encrypted with it.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let partial = path.with_extension("partial");
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    path.parent()
        .map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

fn file(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
