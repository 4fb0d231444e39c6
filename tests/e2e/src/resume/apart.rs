//! The same with the services as processes of their own, two planners and two runners at once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tidemill_kit::wait_until;
use tidemill_telemetry::FAIL_POINTS;

use super::services::{GATEWAY, PLANNERS, RUNNERS, Role, Services};
use super::{FAIL_LIMIT, RUN_LIMIT};
use crate::Test;
use crate::journal::Journal;

/// Only a runner without others passes it.
const CLAIMED_AHEAD: &str = "runner.claimed-ahead";
/// Which hit is deadly: both of a kind share the run, so that none may see many.
const HIT: u32 = 2;
/// A supervisor of processes starts what ended anew after this long at the latest.
const SUPERVISION: Duration = Duration::from_secs(20);

pub(super) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for point in FAIL_POINTS {
        tests.push(Test::new(format!("resume::apart_dies_at_{point}"), move || {
            dies_at(point)
        }));
    }
    tests.push(Test::new("resume::another_planner_goes_on", || {
        another_goes_on(PLANNERS[0], PLANNERS[1])
    }));
    tests.push(Test::new("resume::another_runner_adopts", || {
        another_goes_on(RUNNERS[0], RUNNERS[1])
    }));
    tests.push(Test::new("resume::another_gateway_answers", || {
        let (journal, mut services) = started(&Role::all())?;
        services.kill(GATEWAY)?;
        services.add(GATEWAY)?;
        finish(&journal, services)
    }));
    tests.push(Test::new("resume::apart_nats_server_is_killed", || {
        let (journal, mut services) = started(&Role::all())?;
        services.server.kill()?;
        services.server.restart()?;
        finish(&journal, services)
    }));
    tests.push(Test::new("resume::apart_all_are_killed", || {
        let (journal, mut services) = started(&Role::all())?;
        services.server.kill()?;
        Role::all().into_iter().try_for_each(|role| services.kill(role))?;
        services.server.restart()?;
        Role::all().into_iter().try_for_each(|role| services.add(role))?;
        finish(&journal, services)
    }));
    tests
}

/// Each of the two that meets the fail point dies there, and is started anew as a supervisor would.
fn dies_at(point: &str) -> Result<()> {
    let mut roles = Role::all();
    if point == CLAIMED_AHEAD {
        roles.retain(|role| *role != RUNNERS[1]);
    }
    let journal = Journal::new()?;
    let mut services = Services::start(&journal.state(), &roles, Some(&format!("{point}:{HIT}")))?;
    journal.create()?;
    services
        .wait_until_one_ended(FAIL_LIMIT)
        .with_context(|| format!("{point} was not reached {HIT} times by any"))?;
    finish(&journal, services)
}

/// `first` is alone until a step runs; then `second` comes, `first` is killed and stays away.
fn another_goes_on(first: Role, second: Role) -> Result<()> {
    let roles: Vec<Role> = Role::all().into_iter().filter(|role| *role != second).collect();
    let (journal, mut services) = started(&roles)?;
    services.add(second)?;
    services.kill(first)?;
    finish(&journal, services)
}

/// Services with a run in the middle of its slow step.
fn started(roles: &[Role]) -> Result<(Journal, Services)> {
    let journal = Journal::new()?;
    let services = Services::start(&journal.state(), roles, None)?;
    journal.create()?;
    journal.wait_for("begin slow")?;
    Ok((journal, services))
}

/// Waits for the end of the run, starting anew what ends, and looks for what is left.
fn finish(journal: &Journal, mut services: Services) -> Result<()> {
    let mut failure = None;
    let ended = wait_until(RUN_LIMIT + SUPERVISION, || {
        failure = services.restart_ended().err();
        failure.is_some() || journal.has_ended()
    });
    if let Some(failure) = failure {
        return Err(failure);
    }
    let spoken = services.spoken();
    ensure!(ended, "the run did not end; the services said:\n{spoken}");
    journal
        .must_end_well()
        .with_context(|| format!("the services said:\n{spoken}"))?;
    journal.wait_until_removed()?;
    if services.has_dead() {
        // It died when all was over: what it kept for attempts to come goes with its next life.
        services.restart_ended()?;
        journal.wait_until_swept()?;
    }
    services.stop()?;
    journal.must_leave_nothing()
}
