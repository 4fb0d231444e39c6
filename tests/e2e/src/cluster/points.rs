//! The five points.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::Options;
use super::files::{self, FIRST_RUN};
use super::platform::Part;
use super::traced;
use super::world::{RUN_LIMIT, World, condition};

/// What the article's service says.
const FIRST_TEXT: &str = "Hello DevOps On Kubernetes";
/// What the article's second commit says.
const SECOND_TEXT: &str = "Hello Tekton On Kubernetes";
/// For a run that lacks something.
const REFUSAL_LIMIT: Duration = Duration::from_secs(120);
/// What the test's Pipeline gives a release to become ready.
const SHORT_S: u32 = 30;

/// The seed's Tasks.
const TASK_FILES: [&str; 5] = [
    "task-test.yaml",
    "task-build.yaml",
    "task-docker.yaml",
    "task-deploy.yaml",
    "task-rollback.yaml",
];
/// What makes a push start a run.
const TRIGGER_FILES: [&str; 3] = ["other-triggers.yaml", "gitlab-template.yaml", "gitlab-listener.yaml"];

/// Files as the article has them; one after the other of what it leaves out is missed by name, then added.
pub(super) fn what_is_missing_is_named(world: &mut World, _: Options) -> Result<()> {
    apply_seed(world, &TASK_FILES)?;
    apply_seed(world, &["pipeline.yaml"])?;
    world.apply_others()?;
    must_miss(world, "git-clone-911")?;
    world.apply(&files::git_clone()?)?;
    must_miss(world, "docker-911")?;
    world.apply(&files::docker(&world.seed)?)?;
    must_miss(world, "github-bot")?;
    world.apply_to_cluster(&files::accounts()?)?;
    must_miss(world, "git-ssh-secret-gee")?;
    world.apply_to_cluster(&files::ssh_secret()?)
}

/// The seed's run fails, and its message names this object.
fn must_miss(world: &World, object: &str) -> Result<()> {
    world.apply(&world.seed_file("pipelinerun.yaml")?)?;
    let run = world.wait_for(FIRST_RUN, REFUSAL_LIMIT)?;
    let told = format!("{}\n{}", condition(&run), world.describe(FIRST_RUN)?);
    ensure!(
        condition(&run)["status"] == "False",
        "it succeeded without {object}:\n{told}"
    );
    ensure!(told.contains(object), "it does not name {object}:\n{told}");
    world.delete_run(FIRST_RUN)
}

/// The seed's run: cloned over SSH, built, pushed, deployed; nothing to roll back.
pub(super) fn the_program_is_deployed(world: &mut World, _: Options) -> Result<()> {
    world.commit(FIRST_TEXT, true)?;
    world.apply(&world.seed_file("pipelinerun.yaml")?)?;
    let run = world.must_succeed(FIRST_RUN)?;
    ensure!(skipped(&run) == ["6-rollback"], "skipped: {:?}", skipped(&run));
    world.must_answer(FIRST_TEXT)?;
    let told = world.describe(FIRST_RUN)?;
    for part in [
        "pipeline-911",
        "github-bot",
        "1-clone",
        "2-test",
        "3-build",
        "4-docker",
        "5-deploy",
        "6-rollback",
    ] {
        ensure!(told.contains(part), "describe does not show {part}:\n{told}");
    }
    Ok(())
}

/// A push to GitLab starts a run of its commit, over HTTP.
pub(super) fn a_push_deploys_its_commit(world: &mut World, options: Options) -> Result<()> {
    world.apply(&files::pipeline(&world.seed, seconds(options))?)?;
    apply_seed(world, &TRIGGER_FILES)?;
    let commit = world.commit(SECOND_TEXT, true)?;
    let name = push(world, &commit)?;
    world.must_succeed(&name)?;
    world.must_answer(SECOND_TEXT)?;
    if options.traced {
        traced::a_good_run(world, &name, "trace-cluster-good.svg")?;
    }
    Ok(())
}

/// A commit whose container never becomes ready: the release goes back, and the run says so.
pub(super) fn a_bad_commit_goes_back(world: &mut World, options: Options) -> Result<()> {
    let commit = world.commit("never seen", false)?;
    let name = push(world, &commit)?;
    went_back(world, &name)?;
    if options.traced {
        traced::a_run_that_went_back(world, &name, "trace-cluster-rollback.svg")?;
    }
    Ok(())
}

/// The end of a run whose release went back.
fn went_back(world: &World, name: &str) -> Result<()> {
    let run = world.wait_for(name, RUN_LIMIT * 2)?;
    let told = world.describe(name)?;
    let condition = condition(&run);
    ensure!(condition["status"] == "False", "it succeeded:\n{told}");
    let said = format!("{} {}", condition["reason"], condition["message"]).to_lowercase();
    ensure!(
        said.contains("roll") && said.contains("revision"),
        "the reason is {said}\n{told}"
    );
    ensure!(
        !skipped(&run).contains(&"6-rollback"),
        "6-rollback was skipped:\n{told}"
    );
    world.must_answer(SECOND_TEXT)
}

/// Everything is killed, again and again, during a good and a bad run: they end as without. Planner, runner, deployer,
/// gateway and ingest are one process here, nats-server is another.
pub(super) fn killed_everywhere(world: &mut World, options: Options) -> Result<()> {
    good_and_bad(world, options, "trace-cluster-killed", |world, _| {
        world.kill()?;
        world.start_again()
    })
}

/// The services are processes of their own; one after the other is killed during a good and a bad run.
pub(super) fn killed_one_by_one(world: &mut World, options: Options) -> Result<()> {
    world.move_apart()?;
    apply_seed(world, &TASK_FILES)?;
    for text in [
        files::git_clone()?,
        files::docker(&world.seed)?,
        files::pipeline(&world.seed, seconds(options))?,
    ] {
        world.apply(&text)?;
    }
    apply_seed(world, &TRIGGER_FILES)?;
    good_and_bad(world, options, "trace-cluster-apart", World::kill_alone)
}

/// Kills something during four tasks of a run that deploys, then during the same tasks of one that goes back.
fn good_and_bad(
    world: &mut World,
    options: Options,
    picture: &str,
    kill: fn(&mut World, Part) -> Result<()>,
) -> Result<()> {
    let commit = world.commit(SECOND_TEXT, true)?;
    let good = push(world, &commit)?;
    kill_during(world, &good, kill)?;
    world.must_succeed(&good)?;
    world.must_answer(SECOND_TEXT)?;
    if options.traced {
        traced::a_good_run(world, &good, &format!("{picture}.svg"))?;
    }
    let commit = world.commit("never seen", false)?;
    let bad = push(world, &commit)?;
    kill_during(world, &bad, kill)?;
    went_back(world, &bad)?;
    if options.traced {
        traced::a_run_that_went_back(world, &bad, &format!("{picture}-rollback.svg"))?;
    }
    Ok(())
}

/// Kills once during each of these tasks.
fn kill_during(world: &mut World, name: &str, kill: fn(&mut World, Part) -> Result<()>) -> Result<()> {
    for (task, part) in [
        ("1-clone", Part::Runner),
        ("3-build", Part::Planner),
        ("4-docker", Part::NatsServer),
        ("5-deploy", Part::Deployer),
    ] {
        let started = tidemill_kit::wait_until(RUN_LIMIT, || world.has_task_run(&format!("{name}-{task}")));
        ensure!(started, "{task} of {name} did not start");
        kill(world, part)?;
    }
    Ok(())
}

/// Applies these files of the seed to Tidemill.
fn apply_seed(world: &World, names: &[&str]) -> Result<()> {
    names.iter().try_for_each(|name| world.apply(&world.seed_file(name)?))
}

/// Sends the push of `commit`; gives the run that it started.
fn push(world: &World, commit: &str) -> Result<String> {
    let known = world.names("gitlab-run-")?;
    world.push_hook(commit)?;
    world.new_run("gitlab-run-", &known)
}

fn seconds(options: Options) -> Option<u32> {
    (!options.full).then_some(SHORT_S)
}

fn skipped(run: &Value) -> Vec<&str> {
    let tasks = run["status"]["skippedTasks"].as_array();
    tasks
        .into_iter()
        .flatten()
        .filter_map(|task| task["name"].as_str())
        .collect()
}
