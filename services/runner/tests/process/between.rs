//! A runner dies between two attempts of a supervisor, which has given its socket a new name by then.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::kit::{Place, Run, Task};
use crate::owners::{is_gone, supervisor_pid, wait_until};
use tidemill_runner::backend::Backend;

#[tokio::test]
async fn what_had_started_has_until_its_directory_is_the_next_ones() {
    let task = Task::script("true").keyed("before");
    let (place, _) = played(&task).await;
    let found = found_after_death(&place, &task).await;
    assert!(found.starts_with("gone"), "{found}");
}

#[tokio::test]
async fn what_was_given_a_directory_and_no_more_has_not_started() {
    let task = Task::script("true").keyed("next");
    let (place, directory) = played(&task).await;
    let file = directory.join("attempt.json");
    let mut name: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    name["socket"] = socket(&directory).into();
    fs::write(file, name.to_string()).unwrap();
    assert_eq!(found_after_death(&place, &task).await, "not started");
    assert_eq!(place.left().await, 0);
}

/// What the next runner finds, once the first and the supervisor that it leaves are gone.
async fn found_after_death(place: &Place, task: &Task) -> String {
    let supervisor = supervisor_pid(place);
    place.backend.close().await;
    wait_until(|| is_gone(supervisor)).await;
    Run::try_adopt(&place.another(), task).await.map(drop).unwrap_err()
}

/// Plays a task and puts its directory back where it was, as if its runner had not come to take it away: its supervisor
/// waits in it for the next.
async fn played(task: &Task) -> (Place, PathBuf) {
    let place = Place::new();
    let mut run = place.prepare(task).await;
    let directory = only(&place.path().join("attempts"));
    run.start().await;
    run.ended().await.expect_success();
    fs::rename(only(&place.path().join("spares")), &directory).unwrap();
    (place, directory)
}

fn only(path: &Path) -> PathBuf {
    let entries: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].clone()
}

fn socket(directory: &Path) -> String {
    let entries = fs::read_dir(directory).unwrap();
    let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.find(|name| name.ends_with(".socket")).unwrap()
}
