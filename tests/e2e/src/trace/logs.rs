//! What steps wrote: found by run, task, step and time, followed by many at the price of one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidemill_kit::{NatsServer, Running, ask, command, tell, wait_until};

use super::story::World;
use crate::Test;

/// How long each thing may take that is waited for.
const LIMIT: Duration = Duration::from_secs(120);
/// Steps followed at once.
const STEPS: usize = 200;
/// What the streams may take of the kit's nats-server.
const STORE: &str = "700MiB";

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new("trace::logs_are_found_by_task_step_time_and_text", found),
        Test::new("trace::two_hundred_steps_are_followed_by_one_consumer", followed),
    ]
}

fn found() -> Result<()> {
    let world = World::new(&[])?;
    let mut up = world.up()?;
    let steps = |first: &str, second: &str| {
        json!({"steps": [
            {"name": "one", "image": "any", "script": format!("echo {first}")},
            {"name": "two", "image": "any", "script": format!("sleep 0.2; echo {second}; echo the end")},
        ]})
    };
    world.apply(&[
        json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "wrote"},
        "spec": {"pipelineSpec": {"tasks": [
            {"name": "left", "taskSpec": steps("red", "green")},
            {"name": "right", "taskSpec": steps("blue", "white")},
        ]}}}),
    ])?;
    let logs = |arguments: &[&str]| {
        let all = [&["logs", "wrote"], arguments].concat();
        tell(&world.state(), &all)
    };
    // Lines come as they are written, each with its task and step; those of one task stay in order.
    let live = wait_for_all(|| logs(&["-f"]))?;
    for task in ["left", "right"] {
        let own: Vec<&str> = live
            .lines()
            .filter(|line| line.starts_with(&format!("[{task} : ")))
            .collect();
        ensure!(own.len() == 3, "{task} wrote {own:?} of:\n{live}");
        ensure!(own[0].starts_with(&format!("[{task} : one] ")), "{own:?}");
    }
    ensure!(
        live.contains("[left : one] red") && live.contains("[right : two] white"),
        "{live}"
    );
    let whole = logs(&[])?;
    ensure!(sorted(&whole) == sorted(&live), "{whole}\nis not\n{live}");

    ensure!(sorted(&logs(&["--task", "left"])?).len() == 3);
    ensure!(sorted(&logs(&["--step", "one"])?) == ["[left : one] red", "[right : one] blue"]);
    ensure!(sorted(&logs(&["--task", "right", "--step", "one"])?) == ["[right : one] blue"]);
    ensure!(sorted(&logs(&["--text", "end"])?) == ["[left : two] the end", "[right : two] the end"]);
    ensure!(sorted(&logs(&["--tail", "1", "--step", "two"])?).len() == 2);
    let dated = logs(&["--timestamps", "--prefix=false", "--task", "left"])?;
    let times: Vec<&str> = dated
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(at, _)| at)
        .collect();
    ensure!(times.len() == 3 && times.is_sorted() && times[0] < times[1], "{dated}");
    ensure!(sorted(&logs(&["--task", "left", "--until", times[1]])?) == ["[left : one] red"]);
    let later = sorted(&logs(&["--task", "left", "--since", times[1]])?);
    ensure!(later == ["[left : two] green", "[left : two] the end"], "{later:?}");
    ensure!(sorted(&logs(&["--since", "1h"])?) == sorted(&whole));
    ensure!(sorted(&logs(&["--until", "1h"])?).is_empty());
    for (arguments, named) in [(["--task", "middle"], "left, right"), (["--step", "three"], "one, two")] {
        let refused = ask(&world.state(), &[&["logs", "wrote"], &arguments[..]].concat())?;
        let said = String::from_utf8_lossy(&refused.stderr);
        ensure!(!refused.status.success() && said.contains(named), "{said}");
    }
    up.process.stop().map(drop)
}

/// What the run wrote, once it has written all of it.
fn wait_for_all(logs: impl Fn() -> Result<String>) -> Result<String> {
    let mut last = String::new();
    let all = wait_until(LIMIT, || {
        last = logs().unwrap_or_else(|error| format!("{error:#}"));
        sorted(&last).len() == 6
    });
    ensure!(all, "not all was written:\n{last}");
    Ok(last)
}

fn sorted(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.is_empty());
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

fn followed() -> Result<()> {
    let world = World::new(&[])?;
    let server = NatsServer::start()?;
    let mut up = command(&world.state(), &["up", "--nats", &server.url()])?;
    up.env("TIDEMILL_STREAMS_STORE", STORE)
        .env("TIDEMILL_RUNNER_SLOTS", STEPS.to_string());
    let mut up = Running::start(up)?;
    up.wait_until_says("Ctrl-C", LIMIT)?;
    world.apply(&waiting(&world))?;
    let gate = world.file("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR)?;
    let mut follower = Running::start(command(&world.state(), &["logs", "-f", "many"])?)?;
    let lines = |follower: &Running, word: &str| {
        let spoken = follower.spoken();
        spoken.lines().filter(|line| line.ends_with(word)).count()
    };
    let told = wait_until(LIMIT, || lines(&follower, "] begin") == STEPS);
    ensure!(
        told,
        "{} of {STEPS} steps are followed:\n{}",
        lines(&follower, "] begin"),
        up.spoken()
    );
    // Who was read from its beginning is followed from then on: what read the beginning goes.
    let mut consumers = BTreeMap::new();
    let one = wait_until(LIMIT, || {
        consumers = consumers_of(&server).unwrap_or_default();
        consumers.get("logs") == Some(&1)
    });
    ensure!(one, "{STEPS} followers cost {consumers:?}");
    ensure!(!follower.has_ended(), "nobody follows any more:\n{}", follower.spoken());

    // A step goes on when somebody has opened its gate and closed it.
    let ended = wait_until(LIMIT, || {
        drop(
            fs::OpenOptions::new()
                .write(true)
                .custom_flags(nix::libc::O_NONBLOCK)
                .open(&gate),
        );
        follower.has_ended()
    });
    ensure!(ended, "the steps do not end:\n{}", up.spoken());
    let ends = lines(&follower, "] end");
    ensure!(
        ends == STEPS,
        "{ends} of {STEPS} ends were told:\n{}",
        follower.spoken()
    );
    up.stop().map(drop)
}

/// A run of steps that begin, wait at the gate and end.
fn waiting(world: &World) -> Vec<Value> {
    let folder = world.file("").to_string_lossy().into_owned();
    let step =
        json!({"name": "wait", "image": "any", "script": "echo begin; cat $(workspaces.host.path)/gate; echo end"});
    let tasks: Vec<Value> = (0..STEPS)
        .map(|index| {
            json!({"name": format!("t{index}"), "workspaces": [{"name": "host", "workspace": "host"}],
                "taskSpec": {"workspaces": [{"name": "host"}], "steps": [step]}})
        })
        .collect();
    vec![
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {
            "name": "host", "annotations": {"tidemill.dev/host-path": folder},
        }, "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Mi"}}}}),
        json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "many"}, "spec": {
            "workspaces": [{"name": "host", "persistentVolumeClaim": {"claimName": "host"}}],
            "pipelineSpec": {"workspaces": [{"name": "host"}], "tasks": tasks}}}),
    ]
}

/// How many consumers each stream has, as nats-server counts them.
fn consumers_of(server: &NatsServer) -> Result<BTreeMap<String, u64>> {
    let address = server.monitoring()?;
    let mut stream = TcpStream::connect(&address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET /jsz?streams=true HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer with a body")?;
    let said: Value = serde_json::from_str(body)?;
    let accounts = said["account_details"].as_array().into_iter().flatten();
    let streams = accounts.flat_map(|account| account["stream_detail"].as_array().into_iter().flatten());
    Ok(streams
        .filter_map(|stream| {
            let name = stream["name"].as_str()?.to_owned();
            Some((name, stream["state"]["consumer_count"].as_u64()?))
        })
        .collect())
}
