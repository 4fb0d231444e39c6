//! What a step sees of the host, and what it does not.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use tidemill_runner::backend::process::Settings;

use crate::kit::{Place, Task, is_root};
use crate::owners::wait_until;

/// A directory outside `/tmp`, which every container has of its own.
fn outside() -> TempDir {
    let directory = TempDir::with_prefix_in("tidemill-outside-", "/var/tmp").unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

fn hiding(paths: &[&Path]) -> Settings {
    Settings {
        hidden: paths.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        ..Settings::default()
    }
}

#[tokio::test]
async fn hidden_places_are_empty_and_cannot_be_uncovered() {
    let outside = outside();
    let (directory, file) = (outside.path().join(".ssh"), outside.path().join(".netrc"));
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("id"), "the key").unwrap();
    std::fs::write(&file, "the password").unwrap();
    let place = Place::with(hiding(&[&directory, &file]));
    let script = format!(
        "cd {}; ls -A .ssh; cat .netrc; umount .ssh .netrc 2>&1; umount -l .ssh 2>&1; \
         unshare -rm umount .ssh 2>&1; unshare -rm umount -l .netrc 2>&1; \
         mkdir -p /tmp/again && unshare -rm sh -c 'mount --bind . /tmp/again 2>&1; cat /tmp/again/.ssh/id 2>&1'; \
         unshare -rm sh -c 'mount --rbind . /tmp/again 2>&1 && cat /tmp/again/.ssh/id /tmp/again/.netrc 2>&1'; \
         cat .ssh/id 2>&1; echo mine > .ssh/own; cat .ssh/own; true",
        outside.path().display()
    );
    let outcome = place.play(&Task::script(&format!("set +e\n{script}"))).await;
    let text = outcome.expect_success().text();
    assert!(!text.contains("the key") && !text.contains("the password"), "{text}");
    assert!(
        text.ends_with("mine\n"),
        "what is covered can be written, in vain: {text}"
    );
    assert!(!directory.join("own").exists());
}

#[tokio::test]
async fn what_comes_into_being_while_a_supervisor_waits_is_hidden_too() {
    let outside = outside();
    let (directory, file) = (outside.path().join(".ssh"), outside.path().join(".netrc"));
    let token = outside.path().join(".token");
    std::fs::write(&file, "the old password").unwrap();
    let place = Place::with(Settings {
        warm: 0,
        ..hiding(&[&directory, &file, &token])
    });
    let look = Task::script(&format!(
        "cd {}; ls -A; cat .netrc .ssh/id 2>&1 || true",
        outside.path().display()
    ));
    assert_eq!(
        place.play(&look).await.expect_success().text().lines().next(),
        Some(".netrc")
    );
    // The only supervisor covers for its next attempt what there is.
    wait_until(|| next_container_sees(&place, &file)).await;
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("id"), "the key").unwrap();
    let new = outside.path().join(".new");
    std::fs::write(&new, "the new password").unwrap();
    std::fs::rename(&new, &file).unwrap();
    let outcome = place.play(&look.clone().keyed("later")).await;
    let text = outcome.expect_success().text();
    assert!(text.starts_with(".netrc\n.ssh\n"), "{text}");
    assert!(!text.contains("the key") && !text.contains("password"), "{text}");
    // A file that has become a directory, and one more.
    wait_until(|| next_container_sees(&place, Path::new("/tekton/run/0"))).await;
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    std::fs::write(file.join("password"), "").unwrap();
    std::fs::write(&token, "the token").unwrap();
    let look = Task::script(&format!("ls -A {}; cat {}", file.display(), token.display())).keyed("last");
    assert_eq!(place.play(&look).await.expect_success().text(), "");
}

/// Whether something is mounted over `path` for the process that waits to be a step.
fn next_container_sees(place: &Place, path: &Path) -> bool {
    let memory = format!("{}/memory", place.path().display());
    let mounted = [Path::new("/tekton/run/0"), path].map(|path| format!("{memory}/root{} ", path.display()));
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.map(|process| process.path()).any(|process| {
        let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let mounts = std::fs::read_to_string(process.join("mountinfo")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&memory) && mounted.iter().all(|path| mounts.contains(path))
    })
}

#[tokio::test]
async fn a_root_is_used_again_as_long_as_nothing_is_left_in_it() {
    let outside = outside();
    let hidden = outside.path().join(".ssh");
    std::fs::create_dir(&hidden).unwrap();
    let place = Place::with(Settings {
        warm: 0,
        ..hiding(&[&hidden])
    });
    let hidden = hidden.display();
    // Each in a place of its own; the second and the last leave no entry.
    let writes = [
        "touch /left".to_owned(),
        "mv /bin /left && mv /left /bin && chmod 700 /".to_owned(),
        "echo left > /dev/shm/left".to_owned(),
        format!("echo left > {hidden}/left"),
        "chmod 700 /dev/shm".to_owned(),
    ];
    let look = format!("stat -c '%a %z' / /dev/shm; ls -dA /left /dev/shm/* {hidden}/* 2>/dev/null || true");
    let mut roots = Vec::new();
    for (number, write) in writes.iter().enumerate() {
        for (name, then) in [("first", "true"), ("second", write.as_str())] {
            let task = Task::script(&format!("{look}; {then}")).keyed(&format!("{name}-{number}"));
            roots.push(place.play(&task).await.expect_success().text());
        }
    }
    for (index, pair) in roots.windows(2).enumerate() {
        let is_same = pair[0] == pair[1];
        assert_eq!(is_same, index % 2 == 0, "{index}: {roots:?}");
    }
    assert!(roots.iter().all(|root| !root.contains("left")), "{roots:?}");
    let is_usual = |root: &String| root.starts_with("755 ") && root.contains("\n1777 ");
    assert!(roots.iter().all(is_usual), "{roots:?}");
}

#[tokio::test]
async fn no_signal_is_blocked_for_a_program() {
    let place = Place::with(Settings {
        warm: 0,
        ..Settings::default()
    });
    let look = "grep SigBlk /proc/self/status";
    let task = Task::new()
        .step("first", look)
        .step(
            "second",
            &format!("{look}; until test -s /shared/sidecar; do sleep 0.02; done; cat /shared/*"),
        )
        .sidecar(
            "beside",
            &format!("{look} > /shared/.sidecar; mv /shared/.sidecar /shared/sidecar; exec tail -f /dev/null"),
            json!({"readinessProbe": {"exec": {"command": ["sh", "-c", format!("{look} > /shared/probe")]}}}),
        )
        .volume_everywhere(json!({"emptyDir": {}}), json!({"mountPath": "/shared"}));
    // The supervisor, which plays both attempts, blocks one from the first on.
    for key in ["once", "again"] {
        let outcome = place.play(&task.clone().keyed(key)).await;
        let text = outcome.expect_success().log("step-first") + &outcome.log("step-second");
        assert_eq!(text, "SigBlk:\t0000000000000000\n".repeat(4), "{key}");
    }
}

#[tokio::test]
async fn the_state_directory_is_not_there() {
    let outside = outside();
    let place = Place::in_directory(outside);
    std::fs::write(place.path().join("token"), "the token").unwrap();
    let script = format!(
        "set +e\nls -A {0} | wc -l; cat {0}/token 2>&1; ls / | tr '\\n' ' '",
        place.path().display()
    );
    let outcome = place.play(&Task::script(&script)).await;
    let text = outcome.expect_success().text();
    assert!(text.starts_with("0\n"), "{text}");
    assert!(!text.contains("the token"), "{text}");
    assert!(
        text.contains("tekton") && text.contains("usr") && text.contains("workspace"),
        "{text}"
    );
}

#[tokio::test]
async fn processes_of_the_host_are_not_seen() {
    let script = "set +e\necho $$; ls -d /proc/[0-9]* | wc -l; cat /proc/1/environ /proc/1/maps 2>&1 | head -c 300; \
                  ls /proc/1/root 2>&1; kill -9 1; echo alive";
    let outcome = Place::new().play(&Task::script(script)).await;
    let text = outcome.expect_success().text();
    let count: usize = text.lines().nth(1).unwrap().trim().parse().unwrap();
    assert!(count < 10, "{text}");
    assert!(
        text.contains("Permission denied") && text.ends_with("alive\n"),
        "{text}"
    );
}

#[tokio::test]
async fn the_kernels_settings_cannot_be_written() {
    let script = "set +e\nfor f in sys/kernel/domainname sys/vm/swappiness; do \
                  (cat /proc/$f > /tmp/old; cat /tmp/old > /proc/$f) 2>&1; done; umount /proc/sys 2>&1; \
                  test -w /proc/sys/vm/swappiness && echo writable; true";
    let outcome = Place::new().play(&Task::script(script)).await;
    let text = outcome.expect_success().text();
    let refusals = text
        .lines()
        .filter(|line| line.contains("Read-only") || line.contains("Permission denied"));
    assert!(refusals.count() >= 2 && !text.contains("writable"), "{text}");
}

#[tokio::test]
async fn a_step_is_who_started_it_and_has_the_kernels_full_view_only_as_root() {
    let outcome = Place::new()
        .play(&Task::script(
            "id -u; cat /proc/self/uid_map | wc -l; touch f; stat -c %u f",
        ))
        .await;
    let own = rustix::process::getuid().as_raw();
    assert_eq!(outcome.expect_success().text(), format!("{own}\n1\n{own}\n"));
}

#[tokio::test]
async fn root_may_choose_another_user() {
    let container = json!({"securityContext": {"runAsUser": 12345, "runAsGroup": 54321}});
    let task = Task::new().step_with("only", container, |step| {
        step.script = Some("id -u; id -g; id -G; echo x > f; echo y > /tekton/results/r; cat f".to_owned());
    });
    let outcome = Place::new().play(&task.result("r")).await;
    let text = outcome.expect_success().text();
    if is_root() {
        assert_eq!(text, "12345\n54321\n54321\nx\n");
    } else {
        // Nobody else can be anybody else. Groups beside the user's own have no name in the namespace.
        let own = [rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw()];
        let expected = format!("{}\n{}\n{}", own[0], own[1], own[1]);
        assert!(text.starts_with(&expected) && text.ends_with("\nx\n"), "{text}");
    }
    assert_eq!(outcome.result("r").as_deref(), Some("y\n"));
}

#[tokio::test]
async fn tektons_places_are_where_tekton_has_them() {
    let script = "set +e\nls /tekton; ls /tekton/steps; touch /tekton/steps/x /tekton/scripts/x /tekton/bin/x \
                  /tekton/run/1/x 2>/dev/null && echo writable; \
                  touch /tekton/home/x /tekton/results/x /tekton/creds/x /tekton/run/0/x /dev/shm/x && echo ok; \
                  cat /tekton/downward/ready; readlink /tekton/steps/step-only";
    let outcome = Place::new()
        .play(&Task::script(script).step("other", "ls /tekton/creds"))
        .await;
    let expected = "artifacts\nbin\ncreds\ndownward\nhome\nresults\nrun\nscripts\nsteps\n\
                    0\n1\nstep-only\nstep-other\nok\nREADY/tekton/run/0/status\n";
    assert_eq!(outcome.expect_success().text(), expected);
    assert_eq!(outcome.log("step-other"), "", "credentials are a step's own");
}

#[tokio::test]
async fn nothing_reaches_the_hosts_mounts_or_tmp() {
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    let name = format!("/tmp/{}", uuid::Uuid::new_v4());
    let outcome = Place::new()
        .play(&Task::script(&format!("echo x > {name}; cat {name}")))
        .await;
    assert_eq!(outcome.expect_success().text(), "x\n");
    assert!(!std::path::Path::new(&name).exists());
    assert_eq!(mounts(), before);
}

#[tokio::test]
async fn a_probe_says_that_it_works_and_what_is_missing_where_it_does_not() {
    let place = Place::new();
    place.backend.probe().await.unwrap();
    assert_eq!(place.left().await, 0);
}

/// The kernel's own settings cannot be changed in a test; a user namespace with its own limit can.
#[test]
fn without_user_namespaces_the_probe_names_the_setting() {
    let binary = std::env::current_exe().unwrap();
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces && exec {} --exact containment::probe_in_a_poor_place --nocapture",
        binary.display()
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", &script])
        .env(POOR, "1")
        .env(crate::kit::BUILT, crate::kit::step_binary())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("user.max_user_namespaces=15000"), "{text}");
}

const POOR: &str = "TIDEMILL_TEST_POOR_PLACE";

/// Half of the test above; by itself it checks that the probe works.
#[tokio::test]
async fn probe_in_a_poor_place() {
    let probed = Place::new().backend.probe().await;
    match (std::env::var_os(POOR), probed) {
        (None, probed) => probed.unwrap(),
        (Some(_), Ok(())) => panic!("there are no user namespaces, and the probe does not say so"),
        (Some(_), Err(error)) => println!("{}", crate::kit::chain(&error)),
    }
}
