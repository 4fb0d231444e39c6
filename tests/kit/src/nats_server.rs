//! A disposable nats-server: own port, own store, gone with the test, however the test ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long a server may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// The guardian of the server: prints its process id, then waits for the name of a signal. When the
/// test dies instead, its pipe closes; then the server and its store go too.
const GUARDIAN: &str = r#"
folder=$1; shift
"$@" </dev/null >>"$folder/server.log" 2>&1 &
echo $!
read -r signal
kill -"${signal:-KILL}" $! 2>/dev/null
wait
[ -n "$signal" ] || rm -rf "$folder"
"#;

/// A running (or killed) nats-server with JetStream on a port of its own.
pub struct NatsServer {
    guardian: Option<Child>,
    pid: u32,
    port: Option<u16>,
    config: PathBuf,
    environment: Vec<(String, String)>,
    folder: TempDir,
}

impl NatsServer {
    /// Starts a server that syncs every write, as `tidemill up` does.
    ///
    /// # Errors
    /// When there is no nats-server, or it does not come up within 20 s.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with("jetstream { sync_interval: always, max_file: 1GB, max_mem: 64MB }")
    }

    /// Starts a server with these lines of configuration beside those of its address and
    /// its store.
    ///
    /// # Errors
    /// As [`NatsServer::start`].
    pub fn start_with(lines: &str) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("tidemill-nats-").context("a folder for nats-server")?;
        let config = folder.path().join("server.conf");
        let store = folder.path().join("store");
        let lines = format!("{lines}\nstore_dir: \"{}\"\n", store.display());
        fs::write(&config, lines).with_context(|| format!("write {}", config.display()))?;
        Self::start_file(folder, config, Vec::new())
    }

    /// Starts a server with the configuration file `config`, which may refer to `environment` and to
    /// `$TIDEMILL_NATS_STORE`, the folder for its store; addresses come by flag.
    ///
    /// # Errors
    /// As [`NatsServer::start`].
    pub fn start_config(config: &Path, environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("tidemill-nats-").context("a folder for nats-server")?;
        let environment = environment
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Self::start_file(folder, config.to_owned(), environment.collect())
    }

    fn start_file(folder: TempDir, config: PathBuf, environment: Vec<(String, String)>) -> anyhow::Result<Self> {
        let mut server = Self {
            guardian: None,
            pid: 0,
            port: None,
            config,
            environment,
            folder,
        };
        server.run()?;
        Ok(server)
    }

    /// `nats://127.0.0.1:<port>`; the same after a restart.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port.unwrap_or_default())
    }

    /// `127.0.0.1:<port>` of its monitoring endpoint.
    ///
    /// # Errors
    /// When it is not running.
    pub fn monitoring(&self) -> anyhow::Result<String> {
        let ports = self.ports().context("nats-server is not running")?;
        let url = ports["monitoring"][0].as_str().context("no monitoring address")?;
        Ok(url.trim_start_matches("http://").to_owned())
    }

    /// The server's process id; another after a restart.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its folder: `store/`, `server.log`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// Ends it as a crash would (SIGKILL). Does nothing when it is not running.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.end("KILL")
    }

    /// Ends it in an orderly way (SIGTERM). Does nothing when it is not running.
    ///
    /// # Errors
    /// When it does not end within 20 s.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.end("TERM")
    }

    /// Starts it again on the same port and store; ends it in an orderly way first if it runs.
    ///
    /// # Errors
    /// As [`NatsServer::start`].
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.stop()?;
        self.run()
    }

    /// Freezes it (SIGSTOP), so that it answers nothing and refuses nothing.
    ///
    /// # Errors
    /// When it is not running.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on after [`NatsServer::freeze`].
    ///
    /// # Errors
    /// When it is not running.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        // The id is not reused while the guardian has not reaped it.
        ensure!(self.guardian.is_some(), "nats-server is not running");
        let pid = Pid::from_raw(self.pid.try_into().context("process id")?);
        kill(pid, signal).with_context(|| format!("{signal} to nats-server {pid}"))
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let folder = self.folder.path();
        let mut guardian = Command::new("/bin/sh")
            .args(["-c", GUARDIAN, "guardian"])
            .arg(folder)
            .arg(find_nats_server()?)
            .arg("--config")
            .arg(&self.config)
            .args(["--addr", "127.0.0.1", "--jetstream", "--port"])
            .arg(self.port.map_or("-1".to_owned(), |port| port.to_string()))
            .arg("--ports_file_dir")
            .arg(folder)
            .envs(self.environment.iter().cloned())
            .env("TIDEMILL_NATS_STORE", folder.join("store"))
            .args(["--http_port", "-1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start nats-server")?;
        let mut line = String::new();
        let stdout = guardian.stdout.take().context("the guardian's output")?;
        self.guardian = Some(guardian);
        BufReader::new(stdout)
            .read_line(&mut line)
            .context("read the process id of nats-server")?;
        self.pid = line
            .trim()
            .parse()
            .with_context(|| format!("`{}` is no process id", line.trim()))?;
        self.port = Some(self.await_port()?);
        Ok(())
    }

    /// The port from the file that the server writes once it listens.
    fn await_port(&self) -> anyhow::Result<u16> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let port = self
                .ports()
                .and_then(|ports| ports["nats"][0].as_str()?.rsplit(':').next()?.parse().ok());
            if let Some(port) = port {
                return Ok(port);
            }
            if Instant::now() > deadline || has_ended(self.pid) {
                bail!("nats-server does not listen; it says:\n{}", self.log());
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// The ports file; `None` while it is not or half written.
    fn ports(&self) -> Option<serde_json::Value> {
        let suffix = format!("_{}.ports", self.pid);
        let entries = fs::read_dir(self.folder.path())
            .ok()?
            .filter_map(Result::ok)
            .map(|entry| entry.path());
        let path = entries
            .into_iter()
            .find(|path| path.to_string_lossy().ends_with(&suffix))?;
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    fn end(&mut self, signal: &str) -> anyhow::Result<()> {
        let Some(mut guardian) = self.guardian.take() else {
            return Ok(());
        };
        if let Some(mut stdin) = guardian.stdin.take() {
            writeln!(stdin, "{signal}").context("reach the guardian of nats-server")?;
        }
        let status = guardian.wait().context("the end of nats-server")?;
        ensure!(
            status.code().is_some(),
            "the guardian of nats-server was killed: {status}"
        );
        Ok(())
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("nats-server {} may be left over: {error:#}", self.pid);
        }
    }
}

/// The binary: `TIDEMILL_NATS_SERVER`, else the one in `PATH`, else the pinned one (which is built or
/// downloaded on first use).
///
/// # Errors
/// When there is none and the pinned one cannot be had.
pub fn find_nats_server() -> anyhow::Result<PathBuf> {
    if let Some(path) = env::var_os("TIDEMILL_NATS_SERVER") {
        return Ok(path.into());
    }
    let folders = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default();
    if let Some(found) = folders
        .iter()
        .map(|folder| folder.join("nats-server"))
        .find(|path| path.is_file())
    {
        return Ok(found);
    }
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/tools/nats-server");
    let output = Command::new(&tool)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("run {}", tool.display()))?;
    ensure!(output.status.success(), "{} failed: {}", tool.display(), output.status);
    Ok(String::from_utf8(output.stdout)?.trim().into())
}

/// Whether the process is gone or a zombie; its guardian reaps it when it is told to end.
fn has_ended(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_none_or(|rest| rest.is_empty() || rest.trim_start().starts_with('Z'))
}

#[cfg(test)]
mod tests;
