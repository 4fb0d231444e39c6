//! One private nats-server: its files, its start, its end.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tidemill_bus::Connect;
use tidemill_bus::server_config::{Prepared, PrivateServer, Sync, max_file_bytes};
use tokio::process::{Child, Command};

use super::info::{self, Info};
use super::record::Record;
use super::start::{Start, adopt, end};
use crate::error::Error;
use crate::state::{Process, StateDir, make_private};

/// Most bytes the store may hold, however large the disk is.
const MAX_STORE_BYTES: u64 = 64 * 1024 * 1024 * 1024;
/// How long a server may take to read its store and listen.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How often it is asked in the meantime; asking is one connection on loopback.
const READY_STEP: Duration = Duration::from_millis(2);
/// How much garbage it may hold, in percent of what it uses: a few MB more than Go's default of 100 for half the work of
/// collecting it. What the environment says goes first.
const COLLECT: (&str, &str) = ("GOGC", "200");
/// Lines of its log that are shown when it does not start.
const SHOWN_LOG_LINES: usize = 5;

/// What does not change while it is started again and again.
#[derive(Clone, Debug)]
pub(crate) struct Private {
    binary: PathBuf,
    folder: PathBuf,
    max_file_bytes: u64,
}

impl Private {
    /// A server in the state directory. Its store may take a share of the disk, as it is now.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn new(state: &StateDir, binary: PathBuf) -> Result<Self, Error> {
        let folder = state.nats();
        make_private(&folder)?;
        let disk = rustix::fs::statvfs(&folder)
            .map_err(std::io::Error::from)
            .map_err(Error::io(format!("ask the file system of {}", folder.display())))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let room = max_file_bytes(free, held_bytes(&folder.join("store"))).min(MAX_STORE_BYTES);
        // What was decided at first stays: streams that exist cannot be shrunk below a smaller limit
        // one by one, since their sum is what is compared with it.
        let before = Record::read(&folder).map(|record| record.max_file_bytes);
        let max_file_bytes = before.unwrap_or(room);
        if room / 8 * 10 < max_file_bytes {
            tracing::warn!(max_file_bytes, room, "The disk has less room than the store may take.");
        }
        Ok(Self {
            binary,
            folder,
            max_file_bytes,
        })
    }

    /// The server that runs in the state directory, watched by another process.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) async fn found(state: &StateDir) -> Result<Option<(Self, Start)>, Error> {
        let folder = state.nats();
        let Some(record) = Record::read(&folder) else {
            return Ok(None);
        };
        let Some(process) = record.living(&folder) else {
            return Ok(None);
        };
        let start = adopt(process, record.port).await;
        let private = Self::new(state, PathBuf::new())?;
        Ok(start.map(|start| (private, start)))
    }

    /// Most bytes the store may hold.
    pub(crate) fn max_file_bytes(&self) -> u64 {
        self.max_file_bytes
    }

    /// How to connect to the server that was started.
    ///
    /// # Errors
    /// As [`Private::start`].
    pub(crate) fn connect(&self, start: &Start) -> Result<Connect, Error> {
        Ok(self.prepare(start.port)?.connect(start.port))
    }

    /// The seed of the key it trusts for steps.
    ///
    /// # Errors
    /// As [`Private::start`].
    pub(crate) fn steps_seed(&self, start: &Start) -> Result<String, Error> {
        Ok(self.prepare(start.port)?.steps_seed().to_owned())
    }

    /// Starts the server, or takes over the one that a command before this left behind. One that
    /// does not answer is ended first.
    ///
    /// # Errors
    /// [`Error::NatsServer`] when it does not start, or is too old; [`Error::Io`].
    pub(crate) async fn start(&self) -> Result<Start, Error> {
        let record = Record::read(&self.folder);
        if let Some(record) = &record
            && let Some(process) = record.living(&self.folder)
        {
            if let Some(start) = adopt(process, record.port).await {
                start.info.check("the one that runs")?;
                return Ok(start);
            }
            end(process).await;
        }
        let port = choose_port(record.map(|record| record.port))?;
        self.spawn(port).await
    }

    async fn spawn(&self, port: u16) -> Result<Start, Error> {
        let prepared = self.prepare(port)?;
        self.record(None, port).write(&self.folder)?;
        let mut child = Command::new(&self.binary)
            .args(prepared.arguments())
            .env(
                COLLECT.0,
                std::env::var_os(COLLECT.0).unwrap_or_else(|| COLLECT.1.into()),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C on the terminal is for us; when it ends is decided here.
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!("start {}", self.binary.display())))?;
        let process = child.id().and_then(|pid| Process::of(i32::try_from(pid).ok()?));
        let Some(process) = process else {
            return Err(self.failed("it ended at once"));
        };
        self.record(Some(process), port).write(&self.folder)?;
        let info = self.wait_until_ready(port, &mut child).await?;
        if let Err(error) = info.check(&self.binary.display().to_string()) {
            end(process).await;
            return Err(error);
        }
        Ok(Start {
            process,
            port,
            info,
            adopted: false,
            child: Some(child),
        })
    }

    async fn wait_until_ready(&self, port: u16, child: &mut Child) -> Result<Info, Error> {
        let ready = async {
            loop {
                if let Ok(info) = info::ask(loopback(port)).await
                    && info.jetstream
                {
                    return info;
                }
                tokio::time::sleep(READY_STEP).await;
            }
        };
        tokio::select! {
            info = ready => Ok(info),
            ended = child.wait() => {
                let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                Err(self.failed(&format!("it ended with {how}")))
            }
            () = tokio::time::sleep(READY_LIMIT) => {
                Err(self.failed(&format!("it was not ready after {} s", READY_LIMIT.as_secs())))
            }
        }
    }

    fn record(&self, process: Option<Process>, port: u16) -> Record {
        Record {
            process,
            port,
            max_file_bytes: self.max_file_bytes,
        }
    }

    fn prepare(&self, port: u16) -> Result<Prepared, Error> {
        let server = PrivateServer {
            folder: self.folder.clone(),
            port: Some(port),
            max_file_bytes: self.max_file_bytes,
            sync: Sync::Always,
        };
        server.prepare().map_err(|source| Error::Service {
            service: "nats-server's set-up",
            source: Box::new(source),
        })
    }

    fn failed(&self, how: &str) -> Error {
        let log = self.folder.join("nats.log");
        let text = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(SHOWN_LOG_LINES).collect();
        let mut message = format!("nats-server did not start: {how}");
        for line in lines.into_iter().rev() {
            message.push_str(&format!("\n    {line}"));
        }
        Error::NatsServer {
            message,
            hint: format!("its log is {}", log.display()),
        }
    }
}

/// The port before, as clients and kubeconfigs know it, unless somebody else has it now.
fn choose_port(before: Option<u16>) -> Result<u16, Error> {
    let free = |port: u16| TcpListener::bind(loopback(port)).and_then(|listener| listener.local_addr());
    let address = match before.map(free) {
        Some(Ok(address)) => Ok(address),
        _ => free(0),
    };
    address
        .map(|address| address.port())
        .map_err(Error::io("find a free port on 127.0.0.1"))
}

pub(super) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Bytes of the files below `folder`; what cannot be read counts nothing.
fn held_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => held_bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
