//! Bad input: one clear error, the right exit code, and the service goes on.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tidemill_kit::{ask, get, tell, wait_until};

use crate::Test;
use crate::journal::processes_naming;
use crate::server::shared_state;

/// An error about a file must come at once, however large the file.
const ERROR_LIMIT: Duration = Duration::from_secs(5);
/// Resident memory the server may have after a step wrote 1 GB of log, in KiB.
const MEMORY_LIMIT_KIB: u64 = 600 * 1024;

/// One test a kind of bad input.
pub fn tests() -> Vec<Test> {
    vec![
        Test::new("refusal::truncated_yaml", truncated_yaml),
        Test::new("refusal::file_of_100_mb", file_of_100_mb),
        Test::new("refusal::alias_bomb", alias_bomb),
        Test::new("refusal::deep_nesting", deep_nesting),
        Test::new("refusal::not_a_kind", not_a_kind),
        Test::new("refusal::workspace_path_upwards", workspace_path_upwards),
        Test::new("refusal::nothing_is_half_applied", nothing_is_half_applied),
        Test::new("refusal::lint_needs_no_server", lint_needs_no_server),
        Test::new("refusal::lint_warns_of_unknown_task", lint_warns_of_unknown_task),
        Test::new("refusal::no_such_file", no_such_file),
        Test::new("refusal::step_that_forks_and_leaves", step_that_forks_and_leaves),
        Test::new("refusal::step_that_writes_1_gb", step_that_writes_1_gb),
    ]
}

/// A folder with one file.
struct File {
    folder: TempDir,
}

impl File {
    fn new(text: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidemill-refusal-").tempdir()?;
        fs::write(folder.path().join("input.yaml"), text)?;
        Ok(Self { folder })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("input.yaml")
    }
}

/// Lints and runs the text: both must fail at once, with one error that holds every one of `words`.
fn must_be_refused(text: &str, words: &[&str]) -> Result<()> {
    let file = File::new(text)?;
    let path = file.path();
    let state = shared_state()?;
    for verb in ["lint", "run", "apply"] {
        let start = Instant::now();
        let output = match verb {
            "lint" => ask(&state, &["lint", &path.to_string_lossy()])?,
            _ => ask(&state, &[verb, "-f", &path.to_string_lossy()])?,
        };
        let took = start.elapsed();
        ensure!(took < ERROR_LIMIT, "{verb} took {took:?}");
        one_clear_error(verb, &output, words)?;
    }
    goes_on(&state)
}

fn one_clear_error(verb: &str, output: &Output, words: &[&str]) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(1),
        "{verb} exited {:?}, expected 1:\n{said}",
        output.status.code()
    );
    ensure!(
        said.matches("error:").count() == 1,
        "{verb} does not say one error:\n{said}"
    );
    ensure!(said.len() < 2000, "{verb} says {} bytes", said.len());
    for word in words {
        ensure!(said.contains(word), "{verb} does not say `{word}`:\n{said}");
    }
    ensure!(!said.contains("panicked"), "{verb} panicked:\n{said}");
    Ok(())
}

/// The server still answers.
fn goes_on(state: &Path) -> Result<()> {
    get(state, "default", &["pipelinerun"])
        .map(drop)
        .context("the service does not go on")
}

fn truncated_yaml() -> Result<()> {
    must_be_refused(
        "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: \"a",
        &["input.yaml", "line 3"],
    )
}

fn file_of_100_mb() -> Result<()> {
    let mut text = String::from("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n");
    let line = format!("  k: {}\n", "x".repeat(1000));
    while text.len() < 100_000_000 {
        text.push_str(&line);
    }
    must_be_refused(&text, &["input.yaml", "too large"])
}

fn alias_bomb() -> Result<()> {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = level - 1;
        let aliases = vec![format!("*a{before}"); 9].join(", ");
        writeln!(text, "a{level}: &a{level} [{aliases}]")?;
    }
    must_be_refused(&text, &["input.yaml", "alias"])
}

fn deep_nesting() -> Result<()> {
    must_be_refused(
        &format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        &["input.yaml", "deep"],
    )
}

fn not_a_kind() -> Result<()> {
    must_be_refused(
        "apiVersion: tekton.dev/v1\nkind: Tsk\nmetadata: {name: a}\n",
        &["input.yaml", "document 1", "Tsk", "Task"],
    )
}

fn workspace_path_upwards() -> Result<()> {
    let text = "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {generateName: up-}\nspec:\n  workspaces: [{name: w, subPath: ../.., emptyDir: {}}]\n  taskSpec:\n    workspaces: [{name: w}]\n    steps: [{image: busybox, script: \"true\"}]\n";
    must_be_refused(text, &["input.yaml", "spec.workspaces[0].subPath", "../.."])
}

fn nothing_is_half_applied() -> Result<()> {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: half-applied}\ndata: {a: b}\n---\napiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: broken}\nspec: {steps: 7}\n";
    must_be_refused(text, &["document 2", "spec.steps"])?;
    let state = shared_state()?;
    let output = ask(&state, &["get", "configmap", "half-applied"])?;
    ensure!(!output.status.success(), "the first document was applied");
    Ok(())
}

fn lint_needs_no_server() -> Result<()> {
    let file = File::new(
        "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: a}\nspec:\n  steps: [{image: busybox, script: ls}]\n",
    )?;
    tell(
        &file.folder.path().join("no-state"),
        &["lint", &file.path().to_string_lossy()],
    )
    .map(drop)
}

fn lint_warns_of_unknown_task() -> Result<()> {
    let file = File::new(
        "apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: p}\nspec:\n  tasks:\n    - name: t\n      taskRef: {name: docker-911}\n---\napiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: docker}\nspec:\n  steps: [{image: busybox, script: ls}]\n",
    )?;
    let output = ask(
        &file.folder.path().join("no-state"),
        &["lint", &file.path().to_string_lossy()],
    )?;
    let said = String::from_utf8_lossy(&output.stderr);
    let warning =
        "document 1, spec.tasks[0].taskRef.name: no Task \"docker-911\" in namespace \"default\"; there is \"docker\"";
    ensure!(said.contains(warning), "it does not warn `{warning}`:\n{said}");
    ensure!(output.status.success(), "a warning is no error");
    Ok(())
}

fn no_such_file() -> Result<()> {
    let state = shared_state()?;
    one_clear_error(
        "run",
        &ask(&state, &["run", "-f", "/nowhere/at-all.yaml"])?,
        &["/nowhere/at-all.yaml"],
    )
}

fn step_that_forks_and_leaves() -> Result<()> {
    let state = shared_state()?;
    let mark = format!("forked-{}", std::process::id());
    let file = File::new(&format!(
        "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {{generateName: forks-}}\nspec:\n  taskSpec:\n    steps:\n      - image: busybox\n        env: [{{name: MARK, value: {mark}}}]\n        script: |\n          setsid sleep 300 &\n          (sleep 300 &) &\n          echo left\n"
    ))?;
    let start = Instant::now();
    tell(&state, &["run", "-f", &file.path().to_string_lossy()])?;
    ensure!(
        start.elapsed() < Duration::from_secs(20),
        "the run waited for what the step left behind"
    );
    let gone = wait_until(ERROR_LIMIT, || processes_naming(Path::new(&mark)).is_empty());
    ensure!(gone, "still there: {:?}", processes_naming(Path::new(&mark)));
    Ok(())
}

fn step_that_writes_1_gb() -> Result<()> {
    let state = shared_state()?;
    let file = File::new(
        "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {name: writes-1-gb}\nspec:\n  taskSpec:\n    steps:\n      - image: busybox\n        script: |\n          echo the first line\n          yes 'a line that is written again and again until there are a billion bytes of it' | head -c 1000000000\n          echo the last line\n",
    )?;
    tell(&state, &["run", "-f", &file.path().to_string_lossy()])?;
    let log = tell(&state, &["logs", "taskrun", "writes-1-gb", "--prefix=false"])?;
    ensure!(log.starts_with("the first line"), "the log begins {:?}", log.get(..40));
    ensure!(
        log.len() < 200_000_000,
        "the log has {} bytes: no limit holds",
        log.len()
    );
    ensure!(log.contains("limit"), "the log does not say that it was cut");
    for (pid, command) in processes_naming(&state) {
        let resident = resident_kib(pid);
        ensure!(resident < MEMORY_LIMIT_KIB, "{command} has {resident} KiB resident");
    }
    goes_on(&state)
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}
