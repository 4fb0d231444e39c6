//! A Docker engine for tests: the one `DOCKER_HOST` names, else one of the tests' own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::wait_until;

/// Where an engine of the tests' own lies unless `TIDEMILL_DOCKER` says otherwise.
const DIRECTORY: &str = "/var/tmp/tidemill-docker";
/// How long an engine may take to end its containers and itself.
const END_LIMIT: Duration = Duration::from_secs(60);

/// An engine that answers and has the images that scenarios name.
pub struct Engine {
    host: String,
    /// Held while an engine of the tests' own is used, so that nobody else ends it.
    use_lock: Mutex<Option<File>>,
}

static ENGINE: OnceLock<std::result::Result<Engine, String>> = OnceLock::new();

impl Engine {
    /// Why there is no engine here and none can be started; `None` where tests on one can run.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub fn missing() -> Result<Option<String>> {
        if std::env::var_os("DOCKER_HOST").is_some() {
            return Ok(None);
        }
        let asked = engine_command("check").output().context("deploy/tools/docker-engine")?;
        let said = String::from_utf8_lossy(&asked.stderr);
        let reason = said.trim().trim_start_matches("docker-engine: ");
        Ok((!asked.status.success()).then(|| reason.to_owned()))
    }

    /// The engine, started on first use, with what `tests/docker/up --images` brings into it.
    ///
    /// # Errors
    /// When it cannot be started; the same error for every test that asks.
    pub fn get() -> Result<&'static Self> {
        match ENGINE.get_or_init(|| start().map_err(|error| format!("{error:#}"))) {
            Ok(engine) => Ok(engine),
            Err(message) => bail!("no Docker engine: {message}"),
        }
    }

    /// Ends the engine if this process had it started and nobody else uses it. After the last test.
    pub fn give_back() {
        let Some(Ok(engine)) = ENGINE.get() else { return };
        let lock = engine.use_lock.lock().ok().and_then(|mut lock| lock.take());
        if lock.is_some() {
            drop(lock);
            drop(engine_command("return").status());
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Variables with which `tidemill up` plays tasks on this engine, with the images it has.
    #[must_use]
    pub fn environment(&self) -> [(&str, &str); 3] {
        [
            ("DOCKER_HOST", &self.host),
            ("TIDEMILL_PLANNER_DEFAULT_CLASS", "docker"),
            ("TIDEMILL_RUNNER_POD__IMAGE_PULL_POLICY", "IfNotPresent"),
        ]
    }

    /// Runs `docker`; gives its standard output.
    ///
    /// # Errors
    /// With its standard error when it fails.
    pub fn docker(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("docker")
            .args(arguments)
            .env("DOCKER_HOST", &self.host)
            .output()
            .context("docker")?;
        ensure!(
            output.status.success(),
            "docker {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Containers and volumes of attempts whose files lie below `folder`.
    ///
    /// # Errors
    /// If the engine does not say.
    pub fn left_by(&self, folder: &Path) -> Result<Vec<String>> {
        let folder = folder.to_string_lossy();
        let ids = self.docker(&["ps", "--all", "--quiet", "--filter", "label=tidemill.dev/attempt"])?;
        let mut left = Vec::new();
        for id in ids.split_whitespace() {
            // It may be gone by now.
            let Ok(found) = self.docker(&["inspect", id]) else {
                continue;
            };
            if found.contains(&*folder) {
                let found: Value = serde_json::from_str(&found)?;
                left.push(
                    found[0]["Name"]
                        .as_str()
                        .unwrap_or(id)
                        .trim_start_matches('/')
                        .to_owned(),
                );
            }
        }
        Ok(left)
    }

    /// How many containers of attempts run on it.
    ///
    /// # Errors
    /// If the engine does not say.
    pub fn running(&self) -> Result<usize> {
        let label = "label=tidemill.dev/attempt";
        let ids = self.docker(&["ps", "--quiet", "--filter", "status=running", "--filter", label])?;
        Ok(ids.split_whitespace().count())
    }

    /// Removes what a failed test left.
    pub fn clear(&self, folder: &Path) {
        for name in self.left_by(folder).unwrap_or_default() {
            drop(self.docker(&["rm", "--force", "--volumes", &name]));
        }
    }
}

/// An engine of one test's own, which it may kill; it ends with this value, with all that it has.
pub struct OwnEngine {
    engine: Engine,
    folder: tempfile::TempDir,
    live_restore: bool,
}

impl OwnEngine {
    /// One that runs and has the image `busybox`, from the engine that tests share. With `live_restore` its containers
    /// outlive it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(shared: &Engine, live_restore: bool) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("tidemill-engine-")
            .tempdir_in("/var/tmp")?;
        let mut own = Self {
            engine: Engine {
                host: format!("unix://{}/docker.sock", folder.path().display()),
                use_lock: Mutex::new(None),
            },
            folder,
            live_restore,
        };
        own.restart()?;
        let archive = own.folder.path().join("busybox.tar");
        shared.docker(&["save", "--output", &archive.to_string_lossy(), "busybox"])?;
        own.engine
            .docker(&["load", "--quiet", "--input", &archive.to_string_lossy()])?;
        Ok(own)
    }

    /// How to speak with it.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Ends it by a signal, as `kill` names them, and waits until it is gone.
    ///
    /// # Errors
    /// If it does not run or does not end.
    pub fn kill(&self, signal: &str) -> Result<()> {
        let pid = std::fs::read_to_string(self.folder.path().join("dockerd.pid")).context("the engine's pid")?;
        let process = PathBuf::from(format!("/proc/{}", pid.trim()));
        said_by(Command::new("kill").args(["-s", signal, pid.trim()]))?;
        let has_ended = || {
            // Nobody may have asked for its end yet.
            let state = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        };
        ensure!(wait_until(END_LIMIT, has_ended), "the engine does not end");
        Ok(())
    }

    /// Starts it again.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart(&mut self) -> Result<()> {
        let mut start = engine_command("start");
        start.arg(self.folder.path());
        start.env("TIDEMILL_DOCKER_LIVE_RESTORE", self.live_restore.to_string());
        // Engines that start at once fall over each other's rules.
        start.env("TIDEMILL_DOCKER_IPTABLES", "false");
        said_by(&mut start).context("deploy/tools/docker-engine").map(drop)
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        // What outlived it ends with it only where it is there to end it.
        if self.restart().is_ok()
            && let Ok(left) = self.engine.docker(&["ps", "--all", "--quiet"])
        {
            for id in left.split_whitespace() {
                drop(self.engine.docker(&["rm", "--force", "--volumes", id]));
            }
        }
        drop(engine_command("stop").arg(self.folder.path()).status());
    }
}

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn engine_command(action: &str) -> Command {
    let mut command = Command::new(tree().join("deploy/tools/docker-engine"));
    command.arg(action);
    command
}

fn start() -> Result<Engine> {
    let (host, lock) = match std::env::var("DOCKER_HOST") {
        Ok(host) => (host, None),
        Err(_) => {
            if let Some(reason) = Engine::missing()? {
                bail!("{reason}");
            }
            let (host, lock) = borrow()?;
            (host, Some(lock))
        }
    };
    let mut up = Command::new(tree().join("tests/docker/up"));
    said_by(up.arg("--images").env("DOCKER_HOST", &host)).context("tests/docker/up")?;
    Ok(Engine {
        host,
        use_lock: Mutex::new(lock),
    })
}

/// An engine of the tests' own, with the lock that keeps it.
fn borrow() -> Result<(String, File)> {
    let directory = std::env::var_os("TIDEMILL_DOCKER").map_or_else(|| PathBuf::from(DIRECTORY), PathBuf::from);
    std::fs::create_dir_all(&directory)?;
    let lock = File::create(directory.join("users"))?;
    lock.lock_shared().context("wait for the end of an engine")?;
    let host = said_by(&mut engine_command("borrow")).context("deploy/tools/docker-engine")?;
    Ok((host.trim().to_owned(), lock))
}

fn said_by(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
