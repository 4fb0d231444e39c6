//! What the measures run on: a nats-server of their own, `tidemill up` on it, a connection.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tidemill_bus::{Bus, Connect};
use tidemill_kit::{NatsServer, Running, command, program, tell, wait_until};

use crate::client::Client;
use crate::stamp::{self, Stamp};

/// What the measured tasks run.
const STAMP: &str = "tidemill-stamp";
/// How long a measured run may take.
const RUN_LIMIT: Duration = Duration::from_secs(120);
/// What the streams may take of the kit's nats-server.
const STORE: &str = "700MiB";
/// How long what a run or a start leaves to be done may take.
const QUIET_LIMIT: Duration = Duration::from_secs(120);
/// For how long nothing is done before it counts as quiet.
const QUIET: Duration = Duration::from_millis(150);
/// How long `up` may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(20);

/// What a process holds in memory, in MiB.
pub(crate) fn memory_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.unwrap_or_default().parse::<f64>()? / 1_024.0)
}

/// Ticks of a processor that a process has used.
fn ticks(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("the process has no name")?;
    // The 14th and 15th: `utime`, `stime`.
    let used = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    Ok(used.sum::<Result<u64, _>>()?)
}

/// A running Tidemill, ended when dropped.
pub(crate) struct Stage {
    // Ends before the server it uses.
    up: Running,
    server: NatsServer,
    environment: Vec<(String, String)>,
    folder: TempDir,
    runs: u32,
}

impl Stage {
    /// Starts everything.
    pub(crate) fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// The same with these variables besides.
    pub(crate) fn start_with(environment: &[(&str, &str)]) -> Result<Self> {
        Self::start_on(NatsServer::start()?, environment)
    }

    /// The same on this server.
    pub(crate) fn start_on(server: NatsServer, environment: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidemill-bench-").tempdir()?;
        fs::create_dir(folder.path().join("stamps"))?;
        // A step has a /tmp of its own: what it runs lies beside the stamps.
        fs::copy(program(STAMP)?, folder.path().join("stamps").join(STAMP))?;
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Ok(Self {
            up: up(&folder.path().join("state"), &server, &environment)?,
            server,
            environment,
            folder,
            runs: 0,
        })
    }

    /// Ends `up` and starts it again on what is stored; gives how long that took.
    pub(crate) fn restart(&mut self) -> Result<Duration> {
        self.up.stop()?;
        let start = Instant::now();
        self.up = up(&self.state(), &self.server, &self.environment)?;
        Ok(start.elapsed())
    }

    /// A connection to the same server.
    pub(crate) async fn bus(&self) -> Result<Bus> {
        Ok(Bus::connect(Connect::new(self.server.url())).await?)
    }

    /// The state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A client of the API.
    pub(crate) async fn client(&self) -> Result<Client> {
        Client::of_kubeconfig(&self.state().join("kubeconfig")).await
    }

    /// What `tidemill up` and its nats-server hold, in MiB.
    pub(crate) fn memory_mib(&self) -> Result<f64> {
        Ok(memory_mib(self.up.pid())? + memory_mib(self.server.pid())?)
    }

    /// What `tidemill up` holds without its nats-server, in MiB.
    pub(crate) fn own_memory_mib(&self) -> Result<f64> {
        memory_mib(self.up.pid())
    }

    /// Where stamps go that are not of a run.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("stamps").join(name)
    }

    /// What the measured tasks run.
    pub(crate) fn program(&self) -> PathBuf {
        self.file(STAMP)
    }

    /// Name of the last run.
    pub(crate) fn last_run(&self) -> String {
        format!("bench-{}", self.runs)
    }

    /// Runs a pipeline of `count` stamping tasks, in a chain or side by side; gives the stamps and
    /// how long it took from the request to the last stamp.
    pub(crate) fn run(&mut self, count: usize, chained: bool) -> Result<(Vec<Stamp>, Duration)> {
        self.runs += 1;
        let name = self.last_run();
        let yaml = self.folder.path().join("run.yaml");
        fs::write(
            &yaml,
            pipeline(&name, count, chained, &self.folder.path().join("stamps"))?,
        )?;
        let file = self.file(&name);
        let start = Instant::now();
        tell(&self.state(), &["create", "-f", &yaml.to_string_lossy()])?;
        let done = wait_until(RUN_LIMIT, || stamp::read(&file).len() >= count);
        let took = start.elapsed();
        let stamps = stamp::read(&file);
        ensure!(done, "{name}: only {} of {count} tasks ran", stamps.len());
        Ok((stamps, took))
    }

    /// Waits until all is done that the last run leaves to be done behind its last task, or a start behind its readiness: what is
    /// measured next would wait for it.
    pub(crate) fn settle(&self) -> Result<()> {
        let used = || Ok::<u64, anyhow::Error>(ticks(self.up.pid())? + ticks(self.server.pid())?);
        let (mut before, mut since) = (used()?, Instant::now());
        let is_quiet = wait_until(QUIET_LIMIT, || {
            let now = used().unwrap_or(before);
            if now > before + 1 {
                (before, since) = (now, Instant::now());
            }
            since.elapsed() >= QUIET
        });
        ensure!(
            is_quiet,
            "still at work after {QUIET_LIMIT:?}; the last run is {}",
            self.last_run()
        );
        Ok(())
    }
}

fn up(state: &Path, server: &NatsServer, environment: &[(String, String)]) -> Result<Running> {
    let mut up = command(state, &["up", "--nats", &server.url()])?;
    up.env("TIDEMILL_STREAMS_STORE", STORE)
        .envs(environment.iter().map(|(name, value)| (name, value)));
    let mut up = Running::start(up)?;
    up.wait_until_says("Ctrl-C", READY_LIMIT)?;
    Ok(up)
}

fn pipeline(name: &str, count: usize, chained: bool, stamps: &Path) -> Result<String> {
    let mut tasks = String::new();
    for index in 0..count {
        let after = if chained && index > 0 {
            format!("[t{}]", index - 1)
        } else {
            "[]".to_owned()
        };
        tasks.push_str(&format!(
            "      - name: t{index}\n        runAfter: {after}\n        workspaces: [{{name: s, workspace: s}}]\n        taskSpec:\n          workspaces: [{{name: s}}]\n          steps:\n            - {{image: none, command: [$(workspaces.s.path)/{STAMP}, $(workspaces.s.path)/{name}, t{index}]}}\n"
        ));
    }
    Ok(format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: {name}\n  annotations: {{tidemill.dev/host-path: {}}}\nspec:\n  accessModes: [ReadWriteMany]\n  resources: {{requests: {{storage: 1Mi}}}}\n---\napiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {{name: {name}}}\nspec:\n  workspaces: [{{name: s, persistentVolumeClaim: {{claimName: {name}}}}}]\n  pipelineSpec:\n    workspaces: [{{name: s}}]\n    tasks:\n{tasks}",
        stamps.display()
    ))
}
