//! The engine dies, while a step runs and while nothing does: on engines of the tests' own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tempfile::TempDir;
use tidemill_kit::docker::{Engine, OwnEngine};
use tidemill_kit::{Running, Up, ask, command, wait_until};

use super::tasks::Tried;
use crate::Test;

/// How long anything may take with all other tests beside it.
const LIMIT: Duration = Duration::from_secs(120);
/// How long what is left may lie: until two sweeps have found it.
const REMOVED_LIMIT: Duration = Duration::from_secs(300);
/// Far below any time limit of a task.
const AT_ONCE: Duration = Duration::from_secs(90);

type Body = fn() -> Result<()>;

pub(super) fn tests() -> Vec<Test> {
    let all: [(&str, Body); 5] = [
        ("dies_mid_step_and_comes_back", dies_and_comes_back),
        ("ends_mid_step_and_stays_away", ends_and_stays_away),
        ("dies_before_the_last_step", dies_before_the_last_step),
        ("dies_mid_step_and_its_containers_live", dies_and_containers_live),
        ("dies_while_nothing_runs", dies_while_nothing_runs),
    ];
    all.into_iter()
        .map(|(name, test)| Test::new(format!("docker::engine_{name}"), test))
        .collect()
}

/// A server on an engine that will die.
struct World {
    engine: OwnEngine,
    up: Up,
    tried: Tried,
    folder: TempDir,
}

impl World {
    fn new(live_restore: bool) -> Result<Self> {
        let engine = OwnEngine::start(Engine::get()?, live_restore)?;
        let folder = TempDir::with_prefix("tidemill-loss-")?;
        let shared = folder.path().join("shared");
        fs::create_dir(&shared)?;
        let state = folder.path().join("state");
        let listed = format!("[{:?}]", shared.to_string_lossy());
        let mut environment = engine.engine().environment().to_vec();
        environment.push(("TIDEMILL_RUNNER_DOCKER__HOST_PATH_PREFIXES", &listed));
        environment.push(("TIDEMILL_RUNNER_DOCKER__SILENCE_LIMIT_S", "3"));
        let up = Up::start(&state, &environment)?;
        let tried = Tried::on(&state, "loss")?;
        Ok(Self {
            engine,
            up,
            tried,
            folder,
        })
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn shared(&self, name: &str) -> PathBuf {
        self.folder.path().join("shared").join(name)
    }

    /// Creates a task of these steps, each of which says that it began and waits for its word.
    fn begin(&self, steps: &[&str]) -> Result<()> {
        let mut spec = format!(
            "  taskSpec:\n    volumes: [{{name: v, hostPath: {{path: {}}}}}]\n    steps:\n",
            self.folder.path().join("shared").display()
        );
        for step in steps {
            spec += &format!(
                "      - name: {step}\n        image: busybox\n        volumeMounts: [{{name: v, mountPath: /v}}]\n        script: |\n          echo x >> /v/begun-{step}\n          until [ -e /v/go-{step} ]; do sleep 0.1; done\n"
            );
        }
        self.tried.create("lost", &spec)?;
        let begun = self.shared(&format!("begun-{}", steps[0]));
        ensure!(wait_until(LIMIT, || begun.exists()), "step {} does not begin", steps[0]);
        // The next step's container is started while this one runs: what an engine makes of a start that its death cut in
        // two is its own affair.
        let containers = if steps.len() > 1 { 3 } else { 1 };
        let running = || self.engine.engine().running().is_ok_and(|count| count == containers);
        ensure!(wait_until(LIMIT, running), "not all of its {containers} containers run");
        Ok(())
    }

    fn go(&self, step: &str) -> Result<()> {
        Ok(fs::write(self.shared(&format!("go-{step}")), "")?)
    }

    /// The task ends at once, as on a node that is lost.
    fn must_be_lost(&self, words: &str) -> Result<()> {
        self.must_end_with(&[("RunnerLost", words)])
    }

    fn must_end_with(&self, expected: &[(&str, &str)]) -> Result<()> {
        let start = Instant::now();
        let ended = self.tried.ended("taskrun", "lost")?;
        ensure!(
            expected
                .iter()
                .any(|(reason, words)| ended.0 == *reason && ended.1.contains(words)),
            "{ended:?}, expected one of {expected:?}"
        );
        ensure!(start.elapsed() < AT_ONCE, "it took {:?}", start.elapsed());
        Ok(())
    }

    fn must_leave_nothing(&self) -> Result<()> {
        let mut left = Vec::new();
        let attempts = self.state().join("docker/attempts");
        let gone = wait_until(REMOVED_LIMIT, || {
            left = self.engine.engine().left_by(self.folder.path()).unwrap_or_default();
            left.is_empty() && is_empty(&attempts)
        });
        ensure!(gone, "containers or files are left: {left:?}");
        Ok(())
    }

    fn must_say(&self, words: &str) -> Result<()> {
        let said = wait_until(LIMIT, || self.up.process.spoken().contains(words));
        ensure!(said, "no {words:?} in\n{}", self.up.process.spoken());
        Ok(())
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// It comes back without its containers.
fn dies_and_comes_back() -> Result<()> {
    let mut world = World::new(false)?;
    world.begin(&["a", "b"])?;
    world.engine.kill("KILL")?;
    world.must_say("The engine does not answer")?;
    world.engine.restart()?;
    // It ends the containers it finds in any order: the step may be seen to end before the supervisor is ended.
    world.must_end_with(&[
        ("RunnerLost", "its supervisor is gone"),
        ("Failed", "step \"a\" exited with code 137: ended by SIGKILL"),
    ])?;
    world.must_leave_nothing()
}

/// It ends its containers and itself: nobody has to be asked what became of them.
fn ends_and_stays_away() -> Result<()> {
    let mut world = World::new(false)?;
    world.begin(&["a"])?;
    world.engine.kill("TERM")?;
    world.must_be_lost("its supervisor is gone")?;
    world.engine.restart()?;
    world.must_leave_nothing()
}

/// Steps whose containers run go on without it; the next one cannot be started, and is not waited for without end.
fn dies_before_the_last_step() -> Result<()> {
    let mut world = World::new(false)?;
    world.begin(&["a", "b", "c"])?;
    world.engine.kill("KILL")?;
    world.go("a")?;
    world.go("b")?;
    world.must_be_lost("docker.silence-limit-s")?;
    world.engine.restart()?;
    world.must_leave_nothing()
}

/// With live-restore the attempt goes on as if nothing had happened, each step once.
fn dies_and_containers_live() -> Result<()> {
    let mut world = World::new(true)?;
    world.begin(&["a", "b"])?;
    world.engine.kill("KILL")?;
    world.must_say("The engine does not answer")?;
    world.engine.restart()?;
    world.go("a")?;
    world.go("b")?;
    let ended = world.tried.ended("taskrun", "lost")?;
    ensure!(ended.0 == "Succeeded", "{ended:?}");
    for step in ["a", "b"] {
        let begun = fs::read_to_string(world.shared(&format!("begun-{step}")))?;
        ensure!(begun == "x\n", "step {step} began {} times", begun.lines().count());
    }
    world.must_leave_nothing()
}

/// No task is taken as long as it is away, and a runner says so to who asks for its health.
fn dies_while_nothing_runs() -> Result<()> {
    let mut world = World::new(false)?;
    let mut runner = command(&world.state(), &["runner", "--backend", "docker"])?;
    runner.env("DOCKER_HOST", world.engine.engine().host());
    runner.env("TIDEMILL_RUNNER_ID", "second");
    let mut runner = Running::start(runner)?;
    let state = world.state();
    let health = || ask(&state, &["health", "runner"]);
    ensure!(wait_until(LIMIT, || is_well(health())), "the runner is not well");
    world.engine.kill("KILL")?;
    world.must_say("The engine does not answer")?;
    let says = |output: Output| String::from_utf8_lossy(&output.stderr).contains("does not answer");
    ensure!(
        wait_until(LIMIT, || health().is_ok_and(says)),
        "its health: {:?}",
        health()?
    );
    world.tried.create(
        "lost",
        "  taskSpec: {steps: [{name: a, image: busybox, script: 'true'}]}",
    )?;
    world.engine.restart()?;
    let ended = world.tried.ended("taskrun", "lost")?;
    ensure!(ended.0 == "Succeeded", "{ended:?}");
    ensure!(wait_until(LIMIT, || is_well(health())), "the runner is not well again");
    runner.stop()?;
    world.must_leave_nothing()
}

fn is_well(asked: Result<Output>) -> bool {
    asked.is_ok_and(|output| output.status.success())
}
