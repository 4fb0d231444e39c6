//! The command from outside, where no server is needed: what it says where, and how it ends.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part fails the test")]

use std::path::Path;
use std::process::{Command, Output};

const TASK: &str =
    "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: a}\nspec:\n  steps: [{image: busybox, script: ls}]\n";

/// Runs the command in `folder`, which also holds its state directory.
fn tidemill(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(arguments)
        .current_dir(folder)
        .env("TIDEMILL_STATE_DIR", folder.join("state"))
        .env("LC_ALL", "C.UTF-8")
        .env_remove("TIDEMILL_LOG")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_wrong_command_line_exits_64_and_says_nothing_on_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &[][..],
        &["no-such-command"],
        &["get"],
        &["get", "tsk"],
        &["run", "-f", "a.yaml", "-p", "novalue"],
        &["cancel", "task", "a"],
        &["up", "--nats-password", "x"],
    ] {
        let output = tidemill(folder.path(), arguments);
        assert_eq!(
            output.status.code(),
            Some(64),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn without_a_server_it_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), TASK).unwrap();
    for arguments in [
        &["get", "pipelinerun"][..],
        &["describe", "a"],
        &["logs", "a"],
        &["apply", "-f", "a.yaml"],
        &["delete", "-f", "a.yaml"],
    ] {
        let output = tidemill(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(
            said.contains("hint: start one with `tidemill up`"),
            "{arguments:?}: {said}"
        );
        assert_eq!(said.matches("error:").count(), 1, "{said}");
    }
    assert!(!folder.path().join("state").exists(), "asking makes no state directory");
}

#[test]
fn the_version_is_data_and_needs_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let output = tidemill(folder.path(), &["version"]);
    assert!(output.status.success());
    assert_eq!(
        text(&output.stdout),
        format!("tidemill {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn completions_know_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = tidemill(folder.path(), &["completion", shell]);
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("describe"), "{shell}");
    }
}

#[test]
fn lint_ends_with_1_for_errors_and_with_0_for_warnings() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("good.yaml", TASK);
    write(
        "warns.yaml",
        "apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: p}\nspec:\n  tasks: [{name: t, taskRef: {name: b}}]\n",
    );
    write(
        "bad.yaml",
        "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: a}\nspec:\n  steps: 7\n",
    );
    let good = tidemill(folder.path(), &["lint", "good.yaml"]);
    assert_eq!(
        (good.status.code(), text(&good.stderr)),
        (Some(0), "1 object, 0 warnings\n".to_owned())
    );
    let warns = tidemill(folder.path(), &["lint", "good.yaml", "warns.yaml"]);
    assert_eq!(warns.status.code(), Some(0));
    assert!(
        text(&warns.stderr).contains("warning: warns.yaml, document 1, spec.tasks[0].taskRef.name: no Task \"b\""),
        "{}",
        text(&warns.stderr)
    );
    let bad = tidemill(folder.path(), &["lint", "good.yaml", "bad.yaml"]);
    assert_eq!(bad.status.code(), Some(1));
    let said = text(&bad.stderr);
    assert!(said.starts_with("error: bad.yaml, document 1, spec.steps: "), "{said}");
    assert!(said.contains("5 |   steps: 7\n"), "{said}");
}

#[test]
fn a_misspelt_setting_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.toml"), "[planner]\ncached-rums = 1\n[plane]\n").unwrap();
    let output = tidemill(folder.path(), &["up", "--settings", "t.toml"]);
    assert_eq!(output.status.code(), Some(64));
    let said = text(&output.stderr);
    assert!(said.contains("cached-rums") && said.contains("plane"), "{said}");
}

#[test]
fn colour_is_written_only_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let warn = |choice: &str| {
        let arguments = ["--color", choice, "lint", "/nowhere/a.yaml"];
        text(&tidemill(folder.path(), &arguments).stderr)
    };
    assert!(!warn("auto").contains('\x1b'));
    assert!(!warn("never").contains('\x1b'));
}
