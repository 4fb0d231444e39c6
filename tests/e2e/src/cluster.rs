//! The seed's pipeline on a real Kubernetes: its files as they are, one point after the other.
//!
//! `make e2e-cluster` runs it. The points build on each other, so they run in order, and the first that fails ends it.

mod chart;
mod clients;
mod files;
mod hundred;
mod platform;
mod points;
mod scaling;
mod traced;
mod world;

use std::time::Instant;

use anyhow::{Context as _, Result};
use world::World;

/// How the points are run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// With the seed's own five minutes for a release to become ready, instead of 30 s.
    pub full: bool,
    /// With the trace of each run that a push starts, read back from a collector.
    pub traced: bool,
}

type Point = fn(&mut World, Options) -> Result<()>;

const POINTS: [(&str, Point); 6] = [
    (
        "1: what the article leaves out is named",
        points::what_is_missing_is_named,
    ),
    (
        "2: the program is built, pushed and deployed",
        points::the_program_is_deployed,
    ),
    ("3: a push deploys the new commit", points::a_push_deploys_its_commit),
    (
        "4: a commit that never becomes ready goes back",
        points::a_bad_commit_goes_back,
    ),
    ("5: killed everywhere, the same ends", points::killed_everywhere),
    ("6: killed one by one, the same ends", points::killed_one_by_one),
];

/// Runs all points (those whose number `only` names, if any), printing the time of each.
///
/// # Errors
/// What failed first, with the point.
pub fn run(options: Options, only: &[String]) -> Result<usize> {
    let start = Instant::now();
    let mut world = World::start().context("bring up the cluster")?;
    println!("cluster: up after {:.0} s", start.elapsed().as_secs_f64());
    let mut done = 0;
    for (name, point) in POINTS {
        if !only.is_empty() && !only.iter().any(|number| name.starts_with(number.as_str())) {
            continue;
        }
        let before = Instant::now();
        let result = point(&mut world, options);
        if result.is_err() {
            println!("the services said:\n{}", world.platform.spoken());
        }
        result.with_context(|| format!("point {name}"))?;
        println!("point {name}: ok, {:.1} minutes", before.elapsed().as_secs_f64() / 60.0);
        done += 1;
    }
    Ok(done)
}

/// A hundred runs one after another; `make bench-cluster` measures the rest.
///
/// # Errors
/// When a run fails, or something stays behind, or the last runs are slower.
pub fn hundred_runs() -> Result<()> {
    let mut world = World::start().context("bring up the cluster")?;
    world.move_apart()?;
    let result = hundred::hundred(&world);
    if result.is_err() {
        println!("the services said:\n{}", world.platform.spoken());
    }
    result
}

/// Tidemill installed by Helm: its services are pods, and a push goes through them.
///
/// # Errors
/// When it is not installed, or the push does not deploy.
pub fn chart() -> Result<()> {
    chart::a_push_goes_through_pods()
}

/// The same installation, used by kubectl and tkn.
///
/// # Errors
/// When one of them does not get what it should, or the chart goes in the wrong order.
pub fn clients() -> Result<()> {
    chart::people_are_served()
}
