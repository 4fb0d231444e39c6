//! The built `tidemill` command, and a running `tidemill up` of a test's own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::condition::wait_until;

/// How long `up` may take to be ready before a test gives up.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// How long a graceful end may take before it is a failure.
const END_LIMIT: Duration = Duration::from_secs(20);

/// Path of a program of this workspace, built before the tests.
///
/// # Errors
/// Says what to build when it is not there.
pub fn program(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test
        .parent()
        .and_then(Path::parent)
        .context("the test binary lies in no target folder")?;
    // A benchmark lies beside the programs, a test one folder deeper.
    let candidates = [folder.join(name), test.with_file_name(name)];
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not built: run `cargo build --bins` with the tests' profile first"))
}

/// A `tidemill` command on a state directory, not yet run.
///
/// # Errors
/// As [`program`].
pub fn command(state: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(program("tidemill")?);
    command
        .args(arguments)
        .env("TIDEMILL_STATE_DIR", state)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    for name in [
        "KUBECONFIG",
        "TIDEMILL_KUBECONFIG",
        "TIDEMILL_FAIL_POINT",
        "TIDEMILL_LOG",
    ] {
        command.env_remove(name);
    }
    Ok(command)
}

/// A running service or set of services, ended when dropped.
pub struct Running {
    child: Child,
    spoken: Arc<Mutex<String>>,
}

impl Running {
    /// Starts `command` and keeps what it says.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start")?;
        let spoken = Arc::new(Mutex::new(String::new()));
        if let Some(stdout) = child.stdout.take() {
            keep(stdout, &spoken);
        }
        if let Some(stderr) = child.stderr.take() {
            keep(stderr, &spoken);
        }
        Ok(Self { child, spoken })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything said so far on stdout and stderr.
    pub fn spoken(&self) -> String {
        self.spoken.lock().map(|text| text.clone()).unwrap_or_default()
    }

    /// Waits until `condition` holds for what was said.
    ///
    /// # Errors
    /// When it ends first or the limit passes; with all it said.
    pub fn wait_until_says(&mut self, text: &str, limit: Duration) -> Result<()> {
        let found = wait_until(limit, || {
            self.spoken().contains(text) || self.child.try_wait().ok().flatten().is_some()
        });
        ensure!(
            found && self.spoken().contains(text),
            "it did not say `{text}`:\n{}",
            self.spoken()
        );
        Ok(())
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it as a power cut would (SIGKILL) and reaps it.
    ///
    /// # Errors
    /// If it cannot be signalled.
    pub fn kill(&mut self) -> Result<()> {
        if !self.has_ended() {
            self.signal(Signal::SIGKILL)?;
        }
        self.child.wait()?;
        Ok(())
    }

    /// Ends it gracefully (SIGTERM); gives what it said.
    ///
    /// # Errors
    /// When it takes longer than `END_LIMIT`.
    pub fn stop(&mut self) -> Result<String> {
        if !self.has_ended() {
            self.signal(Signal::SIGTERM)?;
        }
        let ended = wait_until(END_LIMIT, || self.has_ended());
        ensure!(ended, "it does not end on SIGTERM:\n{}", self.spoken());
        Ok(self.spoken())
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When the limit passes first.
    pub fn wait(&mut self, limit: Duration) -> Result<()> {
        ensure!(
            wait_until(limit, || self.has_ended()),
            "it still runs:\n{}",
            self.spoken()
        );
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id())?;
        kill(Pid::from_raw(pid), signal).with_context(|| format!("signal {pid}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.stop().is_err() {
            drop(self.kill());
        }
    }
}

/// A `tidemill up` with a state directory of its own.
pub struct Up {
    /// The process.
    pub process: Running,
    state: PathBuf,
}

impl Up {
    /// Starts it on `state` and waits until it is ready; `environment` is added to its own.
    ///
    /// # Errors
    /// With all it said, when it is not ready in time.
    pub fn start(state: &Path, environment: &[(&str, &str)]) -> Result<Self> {
        let mut up = Self::start_unready(state, environment)?;
        up.wait_until_ready()?;
        Ok(up)
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_unready(state: &Path, environment: &[(&str, &str)]) -> Result<Self> {
        fs::create_dir_all(state)?;
        let mut command = self::command(state, &["up"])?;
        command.envs(environment.iter().copied());
        Ok(Self {
            process: Running::start(command)?,
            state: state.to_owned(),
        })
    }

    /// Waits until it has said how to stop it, its last line.
    ///
    /// # Errors
    /// With all it said.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        self.process.wait_until_says("Ctrl-C", READY_LIMIT)
    }

    /// Where it takes webhooks, `http://<host>:<port>`.
    ///
    /// # Errors
    /// If it does not say so.
    pub fn webhooks(&self) -> Result<String> {
        let spoken = self.process.spoken();
        let said = spoken.lines().find_map(|line| line.trim().strip_prefix("webhooks"));
        let address = said.and_then(|address| address.trim().split("/<").next());
        address
            .map(str::to_owned)
            .with_context(|| format!("`up` does not say where webhooks are sent:\n{spoken}"))
    }

    /// Its state directory.
    pub fn state(&self) -> &Path {
        &self.state
    }
}

/// Runs `tidemill` with these arguments to its end.
///
/// # Errors
/// If it cannot be started.
pub fn ask(state: &Path, arguments: &[&str]) -> Result<Output> {
    command(state, arguments)?
        .output()
        .with_context(|| format!("tidemill {}", arguments.join(" ")))
}

/// The same, must succeed; gives its standard output.
///
/// # Errors
/// With its standard error when it fails.
pub fn tell(state: &Path, arguments: &[&str]) -> Result<String> {
    let output = ask(state, arguments)?;
    if !output.status.success() {
        bail!(
            "tidemill {}: {}\n{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// An object (or list) as JSON.
///
/// # Errors
/// As [`tell`].
pub fn get(state: &Path, namespace: &str, what: &[&str]) -> Result<Value> {
    let mut arguments = vec!["get", "-n", namespace, "-o", "json"];
    arguments.extend_from_slice(what);
    Ok(serde_json::from_str(&tell(state, &arguments)?)?)
}

fn keep(source: impl std::io::Read + Send + 'static, spoken: &Arc<Mutex<String>>) {
    let spoken = Arc::clone(spoken);
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(std::result::Result::ok) {
            if let Ok(mut text) = spoken.lock() {
                text.push_str(&line);
                text.push('\n');
            }
        }
    });
}
