//! What people do with `tkn`.

use anyhow::{Result, ensure};

use super::fixtures::{LISTENER, LONG};
use super::kubectl::{create, furnish};
use super::program::{Program, both, contains, rows};
use crate::Test;

/// What a test does with kubectl and tkn.
type Body = fn(&Program, &Program) -> Result<()>;

pub(super) fn tests() -> Vec<Test> {
    let all: [(&str, Body); 8] = [
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
        Test::new(format!("clients::tkn::{name}"), move || match both()? {
            Some((kubectl, tkn)) => {
                furnish(&kubectl)?;
                body(&kubectl, &tkn)
            }
            None => Ok(()),
        })
    };
    all.into_iter().map(test).collect()
}

fn tasks(_: &Program, tkn: &Program) -> Result<()> {
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

fn a_pipeline_is_started_and_shown(_: &Program, tkn: &Program) -> Result<()> {
    let shown = tkn.tell(&["pipeline", "start", "greetings", "-p", "who=Ann", "--showlog"])?;
    let lines = [
        "PipelineRun started: greetings-run-",
        "[first : hello] Hello, Ann",
        "[first : goodbye] Goodbye, Ann",
        "[second : hello] Hello, you too",
        "[second : goodbye] Goodbye, you too",
    ];
    contains(&shown, &lines)?;
    // Tasks are followed side by side; each one's steps stay in order.
    for (before, after) in [(1, 2), (3, 4)] {
        ensure!(
            shown.find(lines[before]) < shown.find(lines[after]),
            "the log is out of order:\n{shown}"
        );
    }
    let again = tkn.tell(&["pipeline", "start", "greetings", "--last", "--showlog"])?;
    contains(
        &again,
        &["[first : hello] Hello, Ann", "[second : goodbye] Goodbye, you too"],
    )?;
    let list = tkn.tell(&["pipeline", "list"])?;
    contains(&list, &["Succeeded", "greetings-run-"])?;
    let logs = tkn.tell(&["pipeline", "logs", "greetings", "--last", "-f"])?;
    contains(&logs, &["[first : hello] Hello, Ann"])
}

fn a_task_is_started_and_shown(_: &Program, tkn: &Program) -> Result<()> {
    let shown = tkn.tell(&["task", "start", "greet", "-p", "who=Bob", "--showlog"])?;
    contains(&shown, &["TaskRun started: greet-run-", "Hello, Bob", "Goodbye, Bob"])?;
    let again = tkn.tell(&["task", "start", "greet", "--last", "--showlog"])?;
    contains(&again, &["Hello, Bob"])?;
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
    contains(&tkn.tell(&["task", "logs", "greet", "--last"])?, &["Hello, Bob"])?;
    contains(
        &tkn.tell(&["taskrun", "logs", "--last", "-t"])?,
        &["[hello] 20", "Z Hello, Bob"],
    )?;
    contains(&tkn.tell(&["taskrun", "delete", "--all", "-f"])?, &["All 2 TaskRuns"])
}

fn runs_are_listed_and_described(kubectl: &Program, tkn: &Program) -> Result<()> {
    tkn.tell(&[
        "pipeline",
        "start",
        "greetings",
        "-p",
        "who=Cid",
        "--labels",
        "team=red",
        "--showlog",
    ])?;
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
    contains(
        &tkn.tell(&["pipelinerun", "logs", name])?,
        &["[first : hello] Hello, Cid"],
    )?;
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
        tkn.tell(&["pipeline", "start", "greetings", "--use-param-defaults", "--showlog"])?;
    }
    let said = tkn.tell(&["pipelinerun", "delete", "--all", "--keep", "1", "-f"])?;
    contains(&said, &["All but 1 PipelineRuns"])?;
    ensure!(kubectl.tell(&["get", "pr", "-o", "name"])?.lines().count() == 1);
    let name = kubectl.tell(&["get", "pr", "-o", "jsonpath={.items[0].metadata.name}"])?;
    contains(
        &tkn.tell(&["pipelinerun", "delete", &name, "-f"])?,
        &["PipelineRuns deleted", &name],
    )?;
    // It goes when everything of it was purged.
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
