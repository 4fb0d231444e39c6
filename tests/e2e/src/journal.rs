//! A pipeline whose steps write down that they ran, and what must be true afterwards.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tidemill_kit::{get, tell, wait_until};

/// How long the run may take, restarts included.
const RUN_LIMIT: Duration = Duration::from_secs(60);
/// How long a sandbox may lie whose runner died before it had claimed the attempt: the sweep's patience and
/// the time between two sweeps.
const REMOVED_LIMIT: Duration = Duration::from_secs(150);
/// How long processes may take to be gone.
const GONE_LIMIT: Duration = Duration::from_secs(10);
/// Tasks of the pipeline; `slow` runs long enough to be killed in its middle.
const TASKS: [&str; 5] = ["first", "left", "slow", "join", "last"];

/// A folder with a state directory, the journal and the run's file.
pub struct Journal {
    folder: TempDir,
}

impl Journal {
    /// A new one.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidemill-resume-").tempdir()?;
        fs::create_dir(folder.path().join("journal"))?;
        let journal = Self { folder };
        fs::write(journal.file(), journal.yaml())?;
        Ok(journal)
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Creates the run.
    ///
    /// # Errors
    /// With what `tidemill create` said.
    pub fn create(&self) -> Result<()> {
        tell(&self.state(), &["create", "-f", &self.file().to_string_lossy()]).map(drop)
    }

    /// Waits until the journal holds `line`.
    ///
    /// # Errors
    /// With the journal, when it does not come.
    pub fn wait_for(&self, line: &str) -> Result<()> {
        let came = wait_until(RUN_LIMIT, || self.lines().iter().any(|written| written == line));
        ensure!(came, "`{line}` was not written; the journal holds {:?}", self.lines());
        Ok(())
    }

    /// Waits until this TaskRun is shown as running.
    ///
    /// # Errors
    /// When it does not come.
    pub fn wait_until_shown(&self, task_run: &str) -> Result<()> {
        let is_running = || {
            let found = get(&self.state(), "default", &["taskrun", task_run]);
            found.is_ok_and(|found| found["status"]["conditions"][0]["reason"] == "Running")
        };
        ensure!(wait_until(RUN_LIMIT, is_running), "{task_run} is not shown as running");
        Ok(())
    }

    /// Whether the run is shown as ended.
    pub fn has_ended(&self) -> bool {
        self.run().is_ok_and(|run| is_final(&run))
    }

    /// Waits for the end of the run and checks that it ended as if nothing had happened: Succeeded,
    /// every step begun once and ended once.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn must_end_well(&self) -> Result<()> {
        let mut last = Value::Null;
        let ended = wait_until(RUN_LIMIT, || {
            if let Ok(run) = self.run() {
                last = run;
            }
            is_final(&last)
        });
        ensure!(
            ended,
            "the run did not end; its status: {}; journal: {:?}",
            last["status"],
            self.lines()
        );
        let condition = &last["status"]["conditions"][0];
        ensure!(
            condition["reason"] == "Succeeded",
            "the run ended {condition}; journal: {:?}",
            self.lines()
        );
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        for line in self.lines() {
            *times.entry(line).or_default() += 1;
        }
        for task in TASKS {
            for word in ["begin", "end"] {
                let line = format!("{word} {task}");
                ensure!(
                    times.get(&line) == Some(&1),
                    "`{line}` was written {:?} times: {times:?}",
                    times.get(&line)
                );
            }
        }
        Ok(())
    }

    /// Waits until no attempt's directory is left. A runner that could not hear that an end was stored, or
    /// that came after one that died, needs a moment after the run's end.
    ///
    /// # Errors
    /// With what is left.
    pub fn wait_until_removed(&self) -> Result<()> {
        let attempts = self.state().join("attempts");
        let is_empty = || fs::read_dir(&attempts).is_ok_and(|mut entries| entries.next().is_none());
        ensure!(
            wait_until(REMOVED_LIMIT, is_empty),
            "attempts stay in {}",
            attempts.display()
        );
        Ok(())
    }

    /// Waits until what a dead runner kept for attempts to come is gone; a living one keeps its own.
    ///
    /// # Errors
    /// With what is left.
    pub fn wait_until_swept(&self) -> Result<()> {
        let spares = self.state().join("spares");
        let mut left = Vec::new();
        let is_swept = wait_until(GONE_LIMIT, || {
            let entries = fs::read_dir(&spares).into_iter().flatten().flatten();
            left = entries
                .map(|entry| entry.file_name())
                .filter(|name| is_abandoned(name))
                .collect();
            left.is_empty()
        });
        ensure!(is_swept, "kept by a process that is gone: {left:?}");
        Ok(())
    }

    /// After everything was stopped: no process, attempt directory or mount of this state directory
    /// is left.
    ///
    /// # Errors
    /// With what is left.
    pub fn must_leave_nothing(&self) -> Result<()> {
        let mut left = Vec::new();
        let gone = wait_until(GONE_LIMIT, || {
            left = processes_naming(self.folder.path());
            left.is_empty()
        });
        ensure!(gone, "processes are left: {left:?}");
        let places = ["attempts", "spares"].map(|name| fs::read_dir(self.state().join(name)));
        let left = places.into_iter().flatten().flatten().flatten();
        let left: Vec<_> = left.map(|entry| entry.path()).collect();
        ensure!(left.is_empty(), "directories of attempts are left: {left:?}");
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        ensure!(
            !mounts.contains(&*self.folder.path().to_string_lossy()),
            "mounts are left"
        );
        Ok(())
    }

    /// The lines of the journal.
    pub fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("journal/log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn run(&self) -> Result<Value> {
        get(&self.state(), "default", &["pipelinerun", "run"])
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("run.yaml")
    }

    fn yaml(&self) -> String {
        let task = |name: &str, after: &str, seconds: &str| {
            format!(
                "      - name: {name}\n        runAfter: [{after}]\n        workspaces: [{{name: j, workspace: j}}]\n        taskSpec:\n          workspaces: [{{name: j}}]\n          steps:\n            - image: busybox\n              script: |\n                echo begin {name} >> $(workspaces.j.path)/log\n                sleep {seconds}\n                echo end {name} >> $(workspaces.j.path)/log\n"
            )
        };
        let tasks = [
            task("first", "", "0"),
            task("left", "first", "0"),
            task("slow", "first", "1.5"),
            task("join", "left, slow", "0"),
            task("last", "join", "0"),
        ];
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: journal\n  annotations:\n    tidemill.dev/host-path: {}\nspec:\n  accessModes: [ReadWriteMany]\n  resources: {{requests: {{storage: 1Mi}}}}\n---\napiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata:\n  name: run\nspec:\n  workspaces: [{{name: j, persistentVolumeClaim: {{claimName: journal}}}}]\n  pipelineSpec:\n    workspaces: [{{name: j}}]\n    tasks:\n{}",
            self.folder.path().join("journal").display(),
            tasks.concat()
        )
    }
}

fn is_final(run: &Value) -> bool {
    matches!(
        run["status"]["conditions"][0]["status"].as_str(),
        Some("True" | "False")
    )
}

impl Drop for Journal {
    /// Ends what a failed test left: everything that names this folder was started by it.
    fn drop(&mut self) {
        for (pid, _) in processes_naming(self.folder.path()) {
            if let Ok(pid) = i32::try_from(pid) {
                // It may have ended by itself meanwhile.
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
        }
    }
}

/// Processes whose command line or environment names `folder`, other than this one.
///
/// # Panics
/// Never.
pub fn processes_naming(folder: &Path) -> Vec<(u32, String)> {
    let needle = folder.to_string_lossy().into_owned();
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let read =
            |file: &str| fs::read(entry.path().join(file)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let command = read("cmdline").unwrap_or_default();
        let names = command.contains(&needle) || read("environ").unwrap_or_default().contains(&needle);
        // A process that is a zombie of somebody else's making has no command line.
        if pid != own && names && !command.is_empty() {
            found.push((pid, command.replace('\0', " ")));
        }
    }
    found
}

/// Kills the private nats-server of the `tidemill up` on the state directory `folder`, as a power cut would.
///
/// # Errors
/// If there is none.
pub fn kill_nats_server(folder: &Path) -> Result<()> {
    let found = processes_naming(folder);
    let is_it = |command: &str| {
        command
            .split(' ')
            .next()
            .is_some_and(|first| first.ends_with("nats-server"))
    };
    let server = found.iter().find(|(_, command)| is_it(command));
    let (pid, _) = server.with_context(|| format!("no nats-server among {found:?}"))?;
    kill(Pid::from_raw(i32::try_from(*pid)?), Signal::SIGKILL).context("kill nats-server")
}

/// Whether the process that a spare directory is named after is gone.
fn is_abandoned(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let pid = name.split('-').next().unwrap_or_default();
    !Path::new("/proc").join(pid).exists()
}
