//! Cancelling, removing, and what is left.

use std::time::{Duration, Instant};

use serde_json::json;
use tidemill_messages::report::ReportBody;
use tidemill_messages::{CancelReason, Ending};
use tidemill_runner::backend::process::Settings;
use tidemill_runner::backend::{Backend, Event};

use crate::kit::{Place, Run, Task};

fn processes_with(mark: &str) -> usize {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(mark))
        .count()
}

#[tokio::test]
async fn a_cancelled_attempt_is_dead_at_once() {
    let place = Place::new();
    let mark = format!("1000.{}", std::process::id());
    let script = format!("trap '' TERM INT HUP; sleep {mark} & setsid sleep {mark} & echo ready; wait");
    let task =
        Task::new()
            .step("works", &script)
            .step("never", "true")
            .sidecar("beside", &format!("sleep {mark}"), json!({}));
    let mut run = place.prepare(&task).await;
    run.start().await;
    run.until_log("ready").await;
    let before = Instant::now();
    run.kill().await;
    let outcome = run.ended().await;
    let took = before.elapsed();
    assert_eq!(processes_with(&mark), 0);
    assert!(took < Duration::from_millis(1000), "{took:?}");
    assert_eq!(outcome.attempt.ending, Ending::Cancelled);
    let reasons: Vec<String> = outcome
        .steps()
        .into_iter()
        .map(|(_, code, reason)| format!("{reason} {code}"))
        .collect();
    assert_eq!(reasons, ["Cancelled 1", "Cancelled 1"]);
}

#[tokio::test]
async fn with_a_grace_a_step_may_end_by_itself() {
    let place = Place::with(Settings {
        kill_grace_ms: 20_000,
        ..Settings::default()
    });
    let script = "trap 'echo cleaned; exit 0' TERM; sleep 1000 & echo ready; wait";
    let mut run = place.prepare(&Task::script(script)).await;
    run.start().await;
    run.until_log("ready").await;
    let before = Instant::now();
    run.playing.kill(CancelReason::TimedOut).await;
    let outcome = run.ended().await;
    assert!(before.elapsed() < Duration::from_secs(15));
    assert!(outcome.text().ends_with("cleaned\n"), "{outcome:?}");
    assert_eq!(outcome.attempt.ending, Ending::TimedOut);
    assert_eq!(outcome.steps()[0].2, "TimeoutExceeded");
}

#[tokio::test]
async fn an_attempt_killed_before_it_starts_runs_nothing() {
    let place = Place::new();
    let mut run = place.prepare(&Task::script("echo never")).await;
    run.kill().await;
    let outcome = run.ended().await;
    assert_eq!(outcome.attempt.ending, Ending::Cancelled);
    assert_eq!(outcome.text(), "");
    assert_eq!(outcome.attempt.started_at, None);
}

#[tokio::test]
async fn a_lost_claim_leaves_nothing() {
    let place = Place::new();
    let run = place.prepare(&Task::script("echo never")).await;
    assert_eq!(place.left().await, 1);
    run.playing.remove().await.unwrap();
    assert_eq!(place.left().await, 0);
    assert_eq!(std::fs::read_dir(place.path().join("attempts")).unwrap().count(), 0);
}

#[tokio::test]
async fn an_attempt_is_removed_whatever_it_made_of_its_directories() {
    let place = Place::new();
    let script = "mkdir -p a/b /tmp/c; touch a/b/f /tmp/c/f; chmod 500 a/b a; chmod 0 /tmp/c; chmod 0 /tekton/home";
    place.play(&Task::script(script)).await.expect_success();
    assert_eq!(std::fs::read_dir(place.path().join("attempts")).unwrap().count(), 0);
}

#[tokio::test]
async fn the_directory_of_an_attempt_goes_to_the_next_and_nothing_in_it() {
    let place = Place::new();
    let spares = place.path().join("spares");
    for _ in 0..2 {
        let script = "ls -A /workspace /tmp; touch /tmp/mine";
        let played = place.play(&Task::script(script)).await;
        assert_eq!(played.text(), "/tmp:\n\n/workspace:\n");
        assert_eq!(std::fs::read_dir(&spares).unwrap().count(), 1);
    }
    let state = place.path().to_owned();
    drop(place);
    assert!(!state.exists() || std::fs::read_dir(&spares).unwrap().count() == 0);
}

#[tokio::test]
async fn a_mount_point_stays_and_is_seen_by_those_who_have_it() {
    let place = Place::new();
    let with = |name: &str, script: &str| {
        let mount = json!({"mountPath": format!("/workspace/{name}")});
        Task::script(script).volume(json!({"emptyDir": {}}), mount)
    };
    let inode = |name: &str| {
        let spares = std::fs::read_dir(place.path().join("spares")).unwrap();
        let places = spares.map(|spare| spare.unwrap().path().join("workspace").join(name));
        let found: Vec<_> = places.filter_map(|place| std::fs::metadata(place).ok()).collect();
        assert!(found.len() < 2, "both supervisors have {name}");
        found.first().map(std::os::unix::fs::MetadataExt::ino)
    };
    let mut kept = None;
    for _ in 0..3 {
        let played = place.play(&with("source", "ls -A . source; touch source/mine")).await;
        assert_eq!(played.text(), ".:\nsource\n\nsource:\n");
        assert!(inode("source").is_some());
        assert!(
            kept.is_none_or(|kept| inode("source") == Some(kept)),
            "it was made again"
        );
        kept = inode("source");
    }
    assert_eq!(place.play(&with("other", "ls -A .")).await.text(), "other\n");
    assert_eq!(inode("source"), None);
    // What a step leaves where it saw a place for its own is nothing of the next one's.
    let left = place.play(&Task::script("mkdir source; ls -A .")).await;
    assert_eq!(left.text(), "source\n");
    assert_eq!(place.play(&Task::script("ls -A .")).await.text(), "");
    // A file takes the place of a directory.
    std::fs::create_dir_all(place.path().join("volumes/default/data")).unwrap();
    std::fs::write(place.path().join("volumes/default/data/file"), "text").unwrap();
    place.objects.claim("data", None);
    place.play(&with("source", "true")).await.expect_success();
    let volume = json!({"persistentVolumeClaim": {"claimName": "data"}});
    let mount = json!({"mountPath": "/workspace/source", "subPath": "file"});
    let played = place.play(&Task::script("cat source").volume(volume, mount)).await;
    assert_eq!(played.text(), "text");
}

#[tokio::test]
async fn a_supervisor_that_is_killed_takes_everything_along() {
    let place = Place::new();
    let mark = format!("1001.{}", std::process::id());
    let task = Task::script(&format!("sleep {mark} & setsid sleep {mark} & echo ready; wait"));
    let mut run = place.prepare(&task).await;
    run.start().await;
    run.until_log("ready").await;
    kill_supervisor(&place);
    let gone = loop {
        match run.event().await {
            Event::Report(_) => {}
            other => break other,
        }
    };
    assert!(matches!(gone, Event::Gone { step_started: true, .. }), "{gone:?}");
    assert_eq!(processes_with(&mark), 0);
    let found = Run::try_adopt(&place.another(), &task).await.map(drop).unwrap_err();
    assert!(found.starts_with("gone"), "{found}");
    run.playing.remove().await.unwrap();
    assert_eq!(place.left().await, 0);
}

#[tokio::test]
async fn what_nobody_owns_is_found_and_discarded() {
    let place = Place::new();
    let task = Task::script("echo ready; sleep 1000");
    let mut run = place.prepare(&task).await;
    run.start().await;
    run.until_log("ready").await;
    run.playing.release().await;
    let other = place.another();
    let found = other.found().await.unwrap();
    assert_eq!(found, [task.play().key]);
    other.discard(&found[0]).await.unwrap();
    other.discard(&found[0]).await.unwrap();
    assert_eq!(place.left().await, 0);
    assert!(
        Run::try_adopt(&other, &task)
            .await
            .is_err_and(|found| found == "not started")
    );
}

#[tokio::test]
async fn the_remains_of_an_earlier_try_are_discarded_by_the_owner_only() {
    let place = Place::new();
    let task = Task::script("echo ran");
    let first = place.prepare(&task).await;
    let refusal = place.refusal(&task).await;
    assert!(refusal.contains("one is there already"), "{refusal}");
    assert_eq!(place.left().await, 1, "the other runner's sandbox stays");
    drop(first);
    place.backend.discard(&task.play().key).await.unwrap();
    let outcome = place.play(&task).await;
    assert_eq!(outcome.expect_success().text(), "ran\n");
    let reports = outcome.heard.iter().map(|report| report.sequence);
    assert!(
        reports.eq(1..=outcome.heard.len() as u64),
        "reports are numbered without gaps"
    );
    assert!(matches!(outcome.heard[0].body, ReportBody::ContainerStarted { .. }));
}

#[tokio::test]
async fn a_supervisor_plays_one_attempt_after_the_other_and_keeps_nothing() {
    let place = Place::new();
    place.objects.secret("login", &[("password", "s3cr3t-pass")]);
    let look = "ls -A /tmp /workspace /tekton/home /tekton/results /dev/shm /secret 2>/dev/null | grep -v :; \
                pgrep -x sleep; cut -d' ' -f2 /proc/self/mounts | grep -c memory/volumes; cat /proc/1/stat 2>&1 | cut -d' ' -f22";
    let leave = "touch /tmp/x /workspace/x /tekton/home/x /dev/shm/x; (setsid sleep 1000 &); echo s3cr3t-pass";
    let secret = json!({"secret": {"secretName": "login"}});
    let mut supervisors = std::collections::BTreeSet::new();
    for _ in 0..6 {
        let first = Task::script(leave).volume(secret.clone(), json!({"mountPath": "/secret"}));
        assert_eq!(place.play(&first).await.expect_success().text(), "***\n");
        let outcome = place.play(&Task::script(&format!("set +e\n{look}"))).await;
        let text = outcome.text();
        let (seen, supervisor) = text.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(seen.trim(), "0", "something was left: {text}");
        supervisors.insert(supervisor.to_owned());
        // What was secret to one attempt is not to the next.
        assert_eq!(
            place.play(&Task::script("echo s3cr3t-pass")).await.text(),
            "s3cr3t-pass\n"
        );
    }
    assert!(supervisors.len() < 6, "no supervisor was used twice");
}

/// Ends the supervisor of the only attempt, as an out-of-memory killer would.
fn kill_supervisor(place: &Place) {
    let attempt = std::fs::read_dir(place.path().join("attempts"))
        .unwrap()
        .flatten()
        .next()
        .unwrap();
    let text = std::fs::read(attempt.path().join("attempt.json")).unwrap();
    let identity: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let pid = i32::try_from(identity["supervisor"]["pid"].as_i64().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
