//! What people do with `tkn`.

use anyhow::{Context as _, Result, ensure};

use super::fixtures::{INPUTS, LISTENER, LONG};
use super::ground::Ground;
use super::kubectl::{create, furnish, select};
use super::program::{Program, both, contains, rows};
use crate::Test;

/// What a test does with kubectl and tkn.
type Body = fn(&Program, &Program) -> Result<()>;

/// Where pods have a kubelet, or Tidemill shows them.
const ALONE: [&str; 1] = ["logs_are_followed_until_a_run_is_cancelled"];

pub(super) fn tests(ground: Ground) -> Vec<Test> {
    let all: [(&str, Body); 9] = [
        ("a_run_takes_every_kind_of_input", a_run_takes_every_kind_of_input),
        ("tasks", tasks),
        ("pipelines", pipelines),
        ("a_pipeline_is_started_and_shown", a_pipeline_is_started_and_shown),
        ("a_task_is_started_and_shown", a_task_is_started_and_shown),
        ("runs_are_listed_and_described", runs_are_listed_and_described),
        (
            "logs_are_followed_until_a_run_is_cancelled",
            logs_are_followed_until_a_run_is_cancelled,
        ),
        ("runs_are_deleted", runs_are_deleted),
        ("listeners", listeners),
    ];
    let test = |(name, body): (&str, Body)| {
        Test::new(format!("{}::tkn::{name}", ground.name()), move || match both(ground)? {
            Some((kubectl, tkn)) => {
                furnish(&kubectl)?;
                body(&kubectl, &tkn)
            }
            None => Ok(()),
        })
    };
    select(&all, &ALONE, ground).map(test).collect()
}

/// Starts something and waits for its end; gives what it said, its log at the end where that can be had.
fn start(kubectl: &Program, tkn: &Program, kind: &str, arguments: &[&str]) -> Result<String> {
    if kubectl.ground() == Ground::Alone {
        return tkn.tell(&[arguments, &["--showlog"]].concat());
    }
    let said = tkn.tell(arguments)?;
    let name = said.lines().find_map(|line| line.split_once("Run started: "));
    let (_, name) = name.with_context(|| format!("no run was started:\n{said}"))?;
    let run = format!("{kind}/{name}");
    kubectl.tell(&["wait", "--for=condition=Succeeded", "--timeout=60s", &run])?;
    Ok(said)
}

/// What a log must hold, where it can be had.
fn logged(kubectl: &Program, text: &str, lines: &[&str]) -> Result<()> {
    match kubectl.ground() {
        Ground::Alone => contains(text, lines),
        Ground::Cluster => Ok(()),
    }
}

fn tasks(_: &Program, tkn: &Program) -> Result<()> {
    if tkn.ground() == Ground::Alone {
        // It is asked for where Tekton lies by default.
        let version = tkn.in_namespace("tekton-pipelines").tell(&["version"])?;
        contains(&version, &["Pipeline version: v1.15.0+tidemill-"])?;
    }
    let list = tkn.tell(&["task", "list"])?;
    let table = rows(&list);
    ensure!(table[0] == ["NAME", "DESCRIPTION", "AGE"], "{list}");
    ensure!(table[1][..2] == ["greet", "Says hello and good..."], "{list}");
    let described = tkn.tell(&["task", "describe", "greet"])?;
    contains(
        &described,
        &[
            "Name:", "greet", "Params", "who", "Results", "length", "Steps", "hello", "goodbye",
        ],
    )?;
    let deleted = tkn.tell(&["task", "delete", "greet", "--force"])?;
    contains(&deleted, &["Tasks deleted: \"greet\""])?;
    contains(&tkn.tell(&["task", "list"])?, &["No Tasks found"])
}

fn pipelines(_: &Program, tkn: &Program) -> Result<()> {
    let list = tkn.tell(&["pipeline", "list"])?;
    let table = rows(&list);
    ensure!(
        table[0] == ["NAME", "AGE", "LAST RUN", "STARTED", "DURATION", "STATUS"],
        "{list}"
    );
    ensure!(table[1][0] == "greetings" && table[1][2] == "---", "{list}");
    let described = tkn.tell(&["pipeline", "describe", "greetings"])?;
    contains(&described, &["who", "string", "world", "first", "second", "greet"])?;
    let exported = tkn.tell(&["pipeline", "export", "greetings"])?;
    contains(&exported, &["kind: Pipeline", "runAfter:"])?;
    contains(
        &tkn.tell(&["pipeline", "delete", "greetings", "-f"])?,
        &["Pipelines deleted: \"greetings\""],
    )
}

fn a_pipeline_is_started_and_shown(kubectl: &Program, tkn: &Program) -> Result<()> {
    let shown = start(kubectl, tkn, "pr", &["pipeline", "start", "greetings", "-p", "who=Ann"])?;
    contains(&shown, &["PipelineRun started: greetings-run-"])?;
    let lines = [
        "[first : hello] Hello, Ann",
        "[first : goodbye] Goodbye, Ann",
        "[second : hello] Hello, you too",
        "[second : goodbye] Goodbye, you too",
    ];
    logged(kubectl, &shown, &lines)?;
    // Tasks are followed side by side; each one's steps stay in order.
    for (before, after) in [(0, 1), (2, 3)] {
        let (before, after) = (shown.find(lines[before]), shown.find(lines[after]));
        ensure!(before < after || after.is_none(), "the log is out of order:\n{shown}");
    }
    let again = start(kubectl, tkn, "pr", &["pipeline", "start", "greetings", "--last"])?;
    logged(
        kubectl,
        &again,
        &["[first : hello] Hello, Ann", "[second : goodbye] Goodbye, you too"],
    )?;
    let last = kubectl.tell(&["get", "pr", "-o", "jsonpath={.items[*].spec.params[0].value}"])?;
    ensure!(last == "Ann Ann", "the last run's parameters are taken again: {last}");
    let list = tkn.tell(&["pipeline", "list"])?;
    contains(&list, &["Succeeded", "greetings-run-"])?;
    if kubectl.ground() == Ground::Cluster {
        return Ok(());
    }
    let logs = tkn.tell(&["pipeline", "logs", "greetings", "--last", "-f"])?;
    contains(&logs, &["[first : hello] Hello, Ann"])
}

fn a_task_is_started_and_shown(kubectl: &Program, tkn: &Program) -> Result<()> {
    let shown = start(kubectl, tkn, "tr", &["task", "start", "greet", "-p", "who=Bob"])?;
    contains(&shown, &["TaskRun started: greet-run-"])?;
    logged(kubectl, &shown, &["Hello, Bob", "Goodbye, Bob"])?;
    let again = start(kubectl, tkn, "tr", &["task", "start", "greet", "--last"])?;
    logged(kubectl, &again, &["Hello, Bob"])?;
    let list = tkn.tell(&["taskrun", "list"])?;
    let table = rows(&list);
    ensure!(
        table[0] == ["NAME", "STARTED", "DURATION", "STATUS"] && table.len() == 3,
        "{list}"
    );
    ensure!(table[1][3] == "Succeeded", "{list}");
    let described = tkn.tell(&["taskrun", "describe", "--last"])?;
    contains(
        &described,
        &["greet-run-", "Succeeded", "who", "Bob", "length", "hello", "Completed"],
    )?;
    if kubectl.ground() == Ground::Alone {
        contains(&tkn.tell(&["task", "logs", "greet", "--last"])?, &["Hello, Bob"])?;
        contains(
            &tkn.tell(&["taskrun", "logs", "--last", "-t"])?,
            &["[hello] 20", "Z Hello, Bob"],
        )?;
    }
    contains(&tkn.tell(&["taskrun", "delete", "--all", "-f"])?, &["All 2 TaskRuns"])
}

fn runs_are_listed_and_described(kubectl: &Program, tkn: &Program) -> Result<()> {
    let arguments = [
        "pipeline",
        "start",
        "greetings",
        "-p",
        "who=Cid",
        "--labels",
        "team=red",
    ];
    start(kubectl, tkn, "pr", &arguments)?;
    let list = tkn.tell(&["pipelinerun", "list", "--label", "team=red"])?;
    let table = rows(&list);
    ensure!(table[0] == ["NAME", "STARTED", "DURATION", "STATUS"], "{list}");
    ensure!(table.len() == 2 && table[1][3] == "Succeeded", "{list}");
    ensure!(table[1][1].ends_with("ago"), "{list}");
    let name = table[1][0];
    let described = tkn.tell(&["pipelinerun", "describe", name])?;
    let words = [
        "Name:",
        name,
        "Pipeline Ref:",
        "greetings",
        "Service Account:",
        "default",
        "Labels:",
        "team=red",
        "Status",
        "Succeeded",
        "Timeouts",
        "1h0m0s",
        "Params",
        "Cid",
        "Results",
        "length",
        "3",
        "Taskruns",
        "greetings-run-",
        "-first",
        "-second",
    ];
    contains(&described, &words)?;
    contains(&tkn.tell(&["pipelinerun", "describe", "--last"])?, &[name])?;
    if kubectl.ground() == Ground::Alone {
        contains(
            &tkn.tell(&["pipelinerun", "logs", name])?,
            &["[first : hello] Hello, Cid"],
        )?;
    }
    contains(&tkn.tell(&["pipelinerun", "export", name])?, &["kind: PipelineRun"])?;
    kubectl.tell(&["get", "pr", name]).map(drop)
}

fn logs_are_followed_until_a_run_is_cancelled(kubectl: &Program, tkn: &Program) -> Result<()> {
    create(kubectl, LONG)?;
    let mut following = tkn.start(&["pipelinerun", "logs", "long", "-f"])?;
    following.wait_until_says("[wait : wait] waiting", super::program::SOON)?;
    ensure!(!following.has_ended(), "{}", following.spoken());
    let said = tkn.tell(&["pipelinerun", "cancel", "long"])?;
    contains(&said, &["PipelineRun cancelled: long"])?;
    following.wait(super::program::SOON)?;
    let list = tkn.until(&["pipelinerun", "list"], "Cancelled")?;
    contains(&list, &["long"])?;
    tkn.refused(&["pipelinerun", "cancel", "long"], &["has already finished"])?;
    let task_run = kubectl.tell(&[
        "get",
        "taskrun",
        "long-wait",
        "-o",
        "jsonpath={.status.conditions[0].reason}",
    ])?;
    ensure!(task_run == "TaskRunCancelled", "{task_run}");
    Ok(())
}

fn runs_are_deleted(kubectl: &Program, tkn: &Program) -> Result<()> {
    for _ in 0..3 {
        start(
            kubectl,
            tkn,
            "pr",
            &["pipeline", "start", "greetings", "--use-param-defaults"],
        )?;
    }
    let said = tkn.tell(&["pipelinerun", "delete", "--all", "--keep", "1", "-f"])?;
    contains(&said, &["All but 1 PipelineRuns"])?;
    // They go when everything of them was purged.
    kubectl.until_lines(&["get", "pr", "-o", "name"], 1)?;
    let name = kubectl.tell(&["get", "pr", "-o", "jsonpath={.items[0].metadata.name}"])?;
    contains(
        &tkn.tell(&["pipelinerun", "delete", &name, "-f"])?,
        &["PipelineRuns deleted", &name],
    )?;
    tkn.until(&["pipelinerun", "describe", &name], "failed to find pipelinerun")
        .map(drop)
}

fn listeners(kubectl: &Program, tkn: &Program) -> Result<()> {
    kubectl.feed(&["apply", "-f", "-"], LISTENER)?;
    let list = tkn.until(&["eventlistener", "list"], "True")?;
    contains(&list, &["pushes", "http://el-pushes.", "svc.cluster.local:8080"])?;
    let described = tkn.tell(&["eventlistener", "describe", "pushes"])?;
    contains(
        &described,
        &[
            "Name:",
            "pushes",
            "URL:",
            "push",
            "on-push",
            "revision",
            "$(body.checkout_sha)",
        ],
    )?;
    contains(&tkn.tell(&["triggertemplate", "list"])?, &["on-push"])?;
    contains(&tkn.tell(&["triggertemplate", "describe", "on-push"])?, &["revision"])?;
    contains(
        &tkn.tell(&["eventlistener", "delete", "pushes", "-f"])?,
        &["EventListeners deleted: \"pushes\""],
    )?;
    tkn.until(&["eventlistener", "list"], "No eventlisteners found")
        .map(drop)
}

fn a_run_takes_every_kind_of_input(kubectl: &Program, tkn: &Program) -> Result<()> {
    kubectl.feed(&["apply", "-f", "-"], INPUTS)?;
    let inputs = [
        "pipeline", "start", "inputs", "-p", "who=Ann", "-p", "list=a,b", "-p", "map=k:v",
    ];
    let with = |more: &[&'static str]| [&inputs[..], more].concat();
    let dry = tkn.tell(&with(&["-w", "name=files,emptyDir=", "--dry-run"]))?;
    contains(&dry, &["generateName: inputs-run-", "k: v", "- b", "emptyDir: {}"])?;
    let none = tkn.tell(&["pipelinerun", "list"])?;
    contains(&none, &["No PipelineRuns found"])?;
    let shown = start(kubectl, tkn, "pr", &with(&["-w", "name=files,emptyDir="]))?;
    logged(kubectl, &shown, &["[show : show] Ann b v kept"])?;
    let first = kubectl.tell(&["get", "pr", "-o", "jsonpath={.items[0].metadata.name}"])?;
    let again = ["pipeline", "start", "inputs", "--use-pipelinerun", first.as_str()];
    let shown = start(kubectl, tkn, "pr", &again)?;
    logged(kubectl, &shown, &["[show : show] Ann b v kept"])?;
    let list = tkn.tell(&["pipelinerun", "list", "--limit", "1", "-o", "name"])?;
    ensure!(list.lines().count() == 1, "{list}");
    Ok(())
}
