//! Kill everything, everywhere: the run ends as if nothing had happened.

mod apart;
pub(crate) mod services;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tidemill_kit::Up;
use tidemill_telemetry::FAIL_POINTS;

use crate::Test;
use crate::journal::{Journal, kill_nats_server};

/// How long a process may take to reach its fail point.
const FAIL_LIMIT: Duration = Duration::from_secs(30);
/// How long the run may take, restarts included.
const RUN_LIMIT: Duration = Duration::from_secs(60);
/// Which hit of a fail point is deadly: the first, and one in the middle of the run.
const HITS: [u32; 2] = [1, 3];

/// One test a fail point and hit, and the kills from outside.
pub fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for point in FAIL_POINTS {
        for hit in HITS {
            tests.push(Test::new(format!("resume::dies_at_{point}_{hit}"), move || {
                dies_at(point, hit)
            }));
        }
    }
    tests.push(Test::new("resume::up_is_killed_while_a_step_runs", up_is_killed));
    tests.push(Test::new(
        "resume::nats_server_is_killed_while_a_step_runs",
        nats_server_is_killed,
    ));
    tests.push(Test::new("resume::both_are_killed_while_a_step_runs", both_are_killed));
    tests.push(Test::new("resume::up_is_stopped_while_a_step_runs", up_is_stopped));
    tests.extend(apart::tests());
    tests
}

fn dies_at(point: &str, hit: u32) -> Result<()> {
    let journal = Journal::new()?;
    let mut up = Up::start_unready(&journal.state(), &[("TIDEMILL_FAIL_POINT", &format!("{point}:{hit}"))])?;
    up.wait_until_ready()?;
    // It may die before the command has its answer; the object is stored all the same.
    let created = journal.create();
    up.process
        .wait(FAIL_LIMIT)
        .with_context(|| format!("{point} was not reached {hit} times; create: {created:?}"))?;
    drop(up);
    finish(&journal)
}

fn up_is_killed() -> Result<()> {
    let journal = Journal::new()?;
    let mut up = started(&journal)?;
    up.process.kill()?;
    drop(up);
    finish(&journal)
}

fn up_is_stopped() -> Result<()> {
    let journal = Journal::new()?;
    let mut up = started(&journal)?;
    // What runs is told from the TaskRuns, which follow within a quarter of a second.
    journal.wait_until_shown("run-slow")?;
    let said = up.process.stop()?;
    ensure!(said.contains("slow"), "it does not say what goes on running:\n{said}");
    drop(up);
    finish(&journal)
}

fn nats_server_is_killed() -> Result<()> {
    let journal = Journal::new()?;
    let mut up = started(&journal)?;
    kill_nats_server(&journal.state())?;
    journal.must_end_well()?;
    up.process.stop()?;
    journal.must_leave_nothing()
}

fn both_are_killed() -> Result<()> {
    let journal = Journal::new()?;
    let mut up = started(&journal)?;
    up.process.kill()?;
    kill_nats_server(&journal.state())?;
    drop(up);
    finish(&journal)
}

/// A server with a run in the middle of its slow step.
fn started(journal: &Journal) -> Result<Up> {
    let up = Up::start(&journal.state(), &[])?;
    journal.create()?;
    journal.wait_for("begin slow")?;
    Ok(up)
}

/// Starts the server again, waits for the end of the run, stops it and looks for what is left.
fn finish(journal: &Journal) -> Result<()> {
    let mut up = Up::start(&journal.state(), &[])?;
    journal
        .must_end_well()
        .with_context(|| format!("the server said:\n{}", up.process.spoken()))?;
    up.process.stop()?;
    drop(up);
    journal.must_leave_nothing()
}
