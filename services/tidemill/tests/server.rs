//! The command with a server: one of its own, one that is ended, one that is there already.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tidemill_kit::{NatsServer, Running, Up, ask, command, get, tell, wait_until};

/// Nothing here may take longer.
const LIMIT: Duration = Duration::from_secs(60);

/// A folder with a state directory and a TaskRun of that name and script.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(name: &str, script: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidemill-server-").tempdir()?;
        let text = format!(
            "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {{name: {name}}}\nspec:\n  taskSpec:\n    steps:\n      - name: s\n        image: busybox\n        script: |\n          {script}\n"
        );
        std::fs::write(folder.path().join("run.yaml"), text)?;
        Ok(Self { folder })
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn file(&self) -> String {
        self.folder.path().join("run.yaml").display().to_string()
    }

    fn reason(&self, name: &str) -> Result<String> {
        let run = get(&self.state(), "default", &["taskrun", name])?;
        Ok(run["status"]["conditions"][0]["reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    fn wait_for(&self, name: &str, reason: &str) -> Result<()> {
        let came = wait_until(LIMIT, || self.reason(name).is_ok_and(|found| found == reason));
        ensure!(came, "{name} never was {reason}, but {:?}", self.reason(name));
        Ok(())
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Processes whose command line names `folder`.
fn processes_of(folder: &Path) -> usize {
    let needle = folder.display().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(&needle))
        .count()
}

#[test]
fn a_run_without_a_server_brings_one_up_and_takes_it_down() -> Result<()> {
    let place = Place::new("alone", "echo hello")?;
    let output = ask(&place.state(), &["run", "-f", &place.file(), "--logs", "-o", "name"])?;
    ensure!(output.status.code() == Some(0), "{}", said(&output));
    ensure!(String::from_utf8_lossy(&output.stdout) == "taskrun.tekton.dev/alone\n");
    ensure!(said(&output).contains("[alone : s] hello"), "{}", said(&output));
    ensure!(
        wait_until(LIMIT, || processes_of(&place.state()) == 0),
        "something of the server was left"
    );
    let again = ask(&place.state(), &["get", "taskrun"])?;
    ensure!(
        again.status.code() == Some(1) && said(&again).contains("tidemill up"),
        "{}",
        said(&again)
    );
    // Its history stays.
    let up = Up::start(&place.state(), &[])?;
    ensure!(place.reason("alone")? == "Succeeded");
    drop(up);
    Ok(())
}

#[test]
fn ctrl_c_cancels_the_run_and_waits_for_its_end() -> Result<()> {
    let place = Place::new("long", "sleep 600")?;
    let _up = Up::start(&place.state(), &[])?;
    let mut run = command(&place.state(), &["run", "-f", &place.file()])?;
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    place.wait_for("long", "Running")?;
    kill(Pid::from_raw(i32::try_from(run.id())?), Signal::SIGINT)?;
    let output = run.wait_with_output()?;
    ensure!(
        output.status.code() == Some(130),
        "{:?}: {}",
        output.status,
        said(&output)
    );
    ensure!(said(&output).contains("Cancelled"), "{}", said(&output));
    ensure!(place.reason("long")? == "TaskRunCancelled");
    Ok(())
}

#[test]
fn a_server_that_is_told_to_end_waits_for_what_runs() -> Result<()> {
    let place = Place::new("short", "sleep 2")?;
    let mut up = Up::start(&place.state(), &[])?;
    tell(&place.state(), &["create", "-f", &place.file()])?;
    place.wait_for("short", "Running")?;
    let spoken = up.process.stop()?;
    ensure!(
        spoken.contains("draining") && spoken.contains("1 task runs: short"),
        "{spoken}"
    );
    ensure!(spoken.contains("drained"), "{spoken}");
    let left = std::fs::read_dir(place.state().join("attempts"))?.count();
    ensure!(left == 0, "{left} attempts were left by a server that waited for them");
    let _up = Up::start(&place.state(), &[])?;
    place.wait_for("short", "Succeeded")
}

#[test]
fn the_second_server_is_told_who_the_first_is() -> Result<()> {
    let place = Place::new("unused", "true")?;
    let up = Up::start(&place.state(), &[])?;
    let output = ask(&place.state(), &["up"])?;
    ensure!(output.status.code() == Some(1), "{:?}", output.status);
    let pid = format!("process {}", up.process.pid());
    ensure!(said(&output).contains(&pid), "{pid} is not in {}", said(&output));
    let version = tell(&place.state(), &["version"]).context("the first goes on")?;
    ensure!(version.contains("server"), "{version}");
    Ok(())
}

/// A planner for a nats-server that is away.
fn early_planner(place: &Place, server: &mut NatsServer) -> Result<Running> {
    server.kill()?;
    let mut planner = command(&place.state(), &["planner", "--nats", &server.url()])?;
    planner.env("TIDEMILL_STREAMS_STORE", "700MiB");
    let mut planner = Running::start(planner)?;
    planner.wait_until_says("NATS does not answer yet", LIMIT)?;
    Ok(planner)
}

#[test]
fn a_service_waits_for_its_nats_server() -> Result<()> {
    let place = Place::new("early", "true")?;
    let mut server = NatsServer::start()?;
    let mut planner = early_planner(&place, &mut server)?;
    server.restart()?;
    planner.wait_until_says("planner ready", LIMIT)?;
    planner.stop().map(drop)
}

#[test]
fn a_service_that_waits_can_be_told_to_end() -> Result<()> {
    let place = Place::new("early", "true")?;
    let mut server = NatsServer::start()?;
    let mut planner = early_planner(&place, &mut server)?;
    let spoken = planner.stop()?;
    ensure!(!spoken.contains("planner ready"), "{spoken}");
    Ok(())
}

#[test]
fn a_service_says_when_it_has_waited_long_enough() -> Result<()> {
    let place = Place::new("early", "true")?;
    let mut server = NatsServer::start()?;
    server.kill()?;
    let planner = ask(
        &place.state(),
        &["planner", "--nats", &server.url(), "--nats-wait", "1"],
    )?;
    let expected = server.url().replace("nats://", "nats-server at ");
    ensure!(
        planner.status.code() == Some(1) && said(&planner).contains(&expected),
        "{:?}: {}",
        planner.status,
        said(&planner)
    );
    Ok(())
}
