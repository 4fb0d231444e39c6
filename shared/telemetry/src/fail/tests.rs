use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use super::*;

/// Tells the child process how often to pass the fail point.
const PASSES: &str = "TIDEMILL_FAIL_TEST_PASSES";

/// The body of the child process; without the variable there is nothing to do.
#[test]
fn child() {
    let Ok(passes) = std::env::var(PASSES) else {
        return;
    };
    for _ in 0..passes.parse().unwrap() {
        fail_point("planner.fact-received");
        fail_point("planner.decision-stored");
    }
}

fn run_child(armed: &str, passes: u32) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fail::tests::child"])
        .env(VARIABLE, armed)
        .env(PASSES, passes.to_string())
        .output()
        .unwrap()
}

#[test]
fn the_armed_hit_kills_and_no_other() {
    assert_eq!(run_child("planner.decision-stored", 1).status.signal(), Some(9));
    assert_eq!(run_child("planner.decision-stored:3", 3).status.signal(), Some(9));
    assert!(run_child("planner.decision-stored:4", 3).status.success());
    assert!(run_child("runner.prepared", 3).status.success());
}

#[test]
fn only_known_names_are_accepted() {
    for name in FAIL_POINTS {
        assert_eq!(parse(name).map(|armed| (armed.name, armed.hit)), Ok((*name, 1)));
    }
    for value in [
        "planner.fact-recieved",
        "planner.projected:0",
        "planner.projected:x",
        "",
    ] {
        let text = parse(value).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(text.contains("planner.projected"), "{value}: {text}");
    }
}
