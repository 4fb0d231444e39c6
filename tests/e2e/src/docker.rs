//! The same on a Docker engine: every scenario that needs no program of the host, compared with what the
//! process backend makes of it, and deaths of the server while containers run.

mod features;
mod loss;
mod registry;
mod tasks;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tidemill_kit::docker::Engine;
use tidemill_kit::{Up, wait_until};

use crate::Test;
use crate::journal::Journal;
use crate::scenario;

/// Scenarios that need a program of this machine, or steps that start within tenths of a second.
const LEFT_OUT: [&str; 2] = ["08_script_is_literal", "45_fail_fast"];
/// How long the engine may take to remove what is over.
const GONE_LIMIT: Duration = Duration::from_secs(30);

/// One test a scenario, and the deaths.
pub fn tests() -> Vec<Test> {
    let mut tests: Vec<Test> = scenario::folders()
        .into_iter()
        .filter(|folder| !LEFT_OUT.contains(&scenario::name_of(folder).as_str()))
        .map(|folder| {
            let name = format!("docker::{}", scenario::name_of(&folder));
            Test::new(name, move || scenario::play_on_both(&folder, Engine::get()?))
        })
        .collect();
    tests.extend(tasks::tests());
    tests.extend(features::tests());
    tests.extend(registry::tests());
    tests.extend(loss::tests());
    tests.push(Test::new("docker::up_is_killed_while_a_step_runs", || {
        up_is_killed(Engine::get()?)
    }));
    for (point, hit) in [
        ("runner.started", 1),
        ("runner.step-reported", 3),
        ("runner.finished-stored", 2),
    ] {
        let name = format!("docker::dies_at_{point}_{hit}");
        tests.push(Test::new(name, move || dies_at(Engine::get()?, point, hit)));
    }
    tests
}

fn up_is_killed(engine: &Engine) -> Result<()> {
    let journal = Journal::new()?;
    let mut up = Up::start(&journal.state(), &engine.environment())?;
    journal.create()?;
    journal.wait_for("begin slow")?;
    up.process.kill()?;
    drop(up);
    finish(engine, &journal)
}

fn dies_at(engine: &Engine, point: &str, hit: u32) -> Result<()> {
    let journal = Journal::new()?;
    let deadly = format!("{point}:{hit}");
    let mut environment = engine.environment().to_vec();
    environment.push(("TIDEMILL_FAIL_POINT", &deadly));
    let mut up = Up::start_unready(&journal.state(), &environment)?;
    up.wait_until_ready()?;
    drop(journal.create());
    up.process
        .wait(Duration::from_secs(60))
        .with_context(|| format!("{point} was not reached {hit} times"))?;
    drop(up);
    finish(engine, &journal)
}

/// Starts the server again: the run ends as if nothing had happened, and nothing is left.
fn finish(engine: &Engine, journal: &Journal) -> Result<()> {
    let folder = journal.state();
    let checked = (|| {
        let mut up = Up::start(&folder, &engine.environment())?;
        journal
            .must_end_well()
            .with_context(|| format!("the server said:\n{}", up.process.spoken()))?;
        let mut left = Vec::new();
        let gone = wait_until(GONE_LIMIT, || {
            left = engine.left_by(&folder).unwrap_or_default();
            left.is_empty()
        });
        ensure!(gone, "containers are left: {left:?}");
        up.process.stop()?;
        drop(up);
        journal.must_leave_nothing()
    })();
    engine.clear(&folder);
    checked
}
