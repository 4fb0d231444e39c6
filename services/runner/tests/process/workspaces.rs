//! Volumes and where they lead.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::kit::{Place, Task};

fn claim(sub_path: &str) -> (Value, Value) {
    let volume = json!({"persistentVolumeClaim": {"claimName": "data"}});
    (volume, json!({"mountPath": "/workspace/data", "subPath": sub_path}))
}

#[tokio::test]
async fn a_claim_outlives_its_attempts() {
    let place = Place::new();
    place.objects.claim("data", None);
    let (volume, mount) = claim("");
    let write = Task::script("echo kept > data/file").volume(volume.clone(), mount.clone());
    place.play(&write).await.expect_success();
    let read = Task::script("cat data/file").volume(volume, mount);
    assert_eq!(place.play(&read).await.expect_success().text(), "kept\n");
    assert!(place.path().join("volumes/default/data/file").exists());
}

#[tokio::test]
async fn folders_of_a_claim_are_made_and_kept_apart() {
    let place = Place::new();
    place.objects.claim("data", None);
    let (volume, mount) = claim("a/b");
    let task = Task::script("pwd -P; echo x > data/file; ls /workspace/data/..").volume(volume, mount);
    assert_eq!(place.play(&task).await.expect_success().text(), "/workspace\ndata\n");
    assert!(place.path().join("volumes/default/data/a/b/file").exists());
}

#[tokio::test]
async fn a_path_of_the_host_that_a_container_does_not_see_is_refused() {
    let place = Place::new();
    for (path, why) in [("/tmp/mine", "a /tmp of its own"), ("/no/such", "is not there")] {
        let volume = json!({"hostPath": {"path": path}});
        let task = Task::script("true").volume(volume, json!({"mountPath": "/mine"}));
        let refusal = place.refusal(&task).await;
        assert!(refusal.contains(path) && refusal.contains(why), "{refusal}");
    }
}

#[tokio::test]
async fn no_folder_leads_out_of_its_claim() {
    let place = Place::new();
    place.objects.claim("data", None);
    let data = place.path().join("volumes/default/data");
    std::fs::create_dir_all(data.join("inner/deep")).unwrap();
    std::fs::write(place.path().join("token"), "the token").unwrap();
    symlink("../../..", data.join("up")).unwrap();
    symlink(place.path(), data.join("absolute")).unwrap();
    symlink("../inner", data.join("inner/within")).unwrap();
    for path in [
        "..",
        "a/../../..",
        "/etc",
        "up",
        "absolute",
        "up/volumes",
        "inner/../../..",
    ] {
        let (volume, mount) = claim(path);
        let refusal = place
            .refusal(&Task::script("cat data/token").volume(volume, mount))
            .await;
        assert!(
            refusal.contains(path) && refusal.contains("out of"),
            "{path}: {refusal}"
        );
    }
    let (volume, mount) = claim("inner/within/deep");
    place
        .play(&Task::script("touch data/here").volume(volume, mount))
        .await
        .expect_success();
    assert!(
        data.join("inner/deep/here").exists(),
        "a link that stays inside is followed"
    );
}

#[tokio::test]
async fn a_claim_may_stand_for_a_directory_of_the_host() {
    let place = Place::new();
    let source = tempfile::TempDir::with_prefix("tidemill-source-").unwrap();
    std::fs::write(source.path().join("main.c"), "int main;").unwrap();
    place.objects.claim("data", Some(source.path().to_owned()));
    let (volume, mount) = claim("");
    let task = Task::script("cat data/main.c; touch data/built").volume(volume, mount);
    assert_eq!(place.play(&task).await.expect_success().text(), "int main;");
    assert!(source.path().join("built").exists());
}

#[tokio::test]
async fn what_is_to_be_read_only_cannot_be_written() {
    let place = Place::new();
    place.objects.claim("data", None);
    let volume = json!({"persistentVolumeClaim": {"claimName": "data"}});
    for (volume, mount) in [
        (
            volume.clone(),
            json!({"mountPath": "/workspace/data", "readOnly": true}),
        ),
        (
            json!({"persistentVolumeClaim": {"claimName": "data", "readOnly": true}}),
            json!({"mountPath": "/workspace/data"}),
        ),
    ] {
        let task =
            Task::script("touch data/x 2>&1 || mount -o remount,rw data 2>&1 || touch data/x").volume(volume, mount);
        let outcome = place.play(&task).await;
        assert!(outcome.text().contains("Read-only file system"), "{outcome:?}");
        assert!(!place.path().join("volumes/default/data/x").exists());
    }
}

#[tokio::test]
async fn config_maps_and_secrets_are_files() {
    let place = Place::new();
    place
        .objects
        .config_map("settings", &[("a.conf", "one"), ("b.conf", "two")]);
    place.objects.secret("login", &[("password", "s3cr3t-pass")]);
    let task = Task::script("cd /etc/made/by; ls -R config; cat config/deep/a; stat -Lc %a login/password; wc -c < login/password; touch login/x 2>&1 || true; ls /etc/passwd")
        .volume(json!({"configMap": {"name": "settings", "items": [{"key": "a.conf", "path": "deep/a"}]}}), json!({"mountPath": "/etc/made/by/config"}))
        .volume(json!({"secret": {"secretName": "login", "defaultMode": 0o400}}), json!({"mountPath": "/etc/made/by/login"}));
    let text = place.play(&task).await.expect_success().text();
    assert!(
        text.starts_with("config:\ndeep\n\nconfig/deep:\na\none400\n11\n"),
        "{text}"
    );
    assert!(text.contains("Read-only") && text.ends_with("/etc/passwd\n"), "{text}");
    assert!(
        !std::path::Path::new("/etc/made").exists(),
        "nothing is made on the host"
    );
}

#[tokio::test]
async fn several_sources_share_a_projected_volume() {
    let place = Place::new();
    place.objects.config_map("settings", &[("a", "one")]);
    place.objects.secret("login", &[("b", "two-two")]);
    let volume = json!({"projected": {"sources": [
        {"configMap": {"name": "settings"}},
        {"secret": {"name": "login"}},
        {"secret": {"name": "missing", "optional": true}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]}});
    let task = Task::script("cd /all; ls; cat a name").volume(volume, json!({"mountPath": "/all"}));
    assert_eq!(
        place.play(&task).await.expect_success().text(),
        "a\nb\nname\nonerun-task-pod"
    );
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let place = Place::new();
    let cases = [
        (json!({"secret": {"secretName": "login"}}), "Secret \"login\""),
        (json!({"configMap": {"name": "settings"}}), "ConfigMap \"settings\""),
        (
            json!({"persistentVolumeClaim": {"claimName": "data"}}),
            "PersistentVolumeClaim \"data\"",
        ),
        (json!({"csi": {"driver": "x"}}), "of a kind this backend does not have"),
    ];
    for (volume, expected) in cases {
        let refusal = place
            .refusal(&Task::script("true").volume(volume, json!({"mountPath": "/v"})))
            .await;
        assert!(refusal.contains(expected), "{refusal}");
    }
    let optional = json!({"secret": {"secretName": "login", "optional": true}});
    let outcome = place
        .play(&Task::script("ls /v").volume(optional, json!({"mountPath": "/v"})))
        .await;
    assert_eq!(outcome.expect_success().text(), "");
}

#[tokio::test]
async fn memory_has_its_size_and_a_volume_only_its_containers() {
    let volume = json!({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}});
    let task = Task::new()
        .step("has", "echo x > /memory/x; head -c 2000000 /dev/zero > /memory/y 2>/dev/null || echo full; findmnt -no FSTYPE /memory || true")
        .volume(volume, json!({"mountPath": "/memory"}))
        .step("has-not", "ls /memory 2>/dev/null || echo none");
    let outcome = Place::new().play(&task).await;
    assert!(
        outcome.expect_success().log("step-has").starts_with("full\n"),
        "{outcome:?}"
    );
    assert_eq!(outcome.log("step-has-not"), "none\n");
}

#[tokio::test]
async fn a_volume_may_lie_in_another_and_over_tektons_places() {
    let task =
        Task::script("touch /workspace/in/deep/x /tekton/home/y; ls /workspace/in /workspace/in/deep /tekton/home")
            .volume(json!({"emptyDir": {}}), json!({"mountPath": "/workspace/in/deep"}))
            .volume(json!({"emptyDir": {}}), json!({"mountPath": "/workspace/in"}))
            .volume(json!({"emptyDir": {}}), json!({"mountPath": "/tekton/home"}));
    let expected = "/tekton/home:\ny\n\n/workspace/in:\ndeep\n\n/workspace/in/deep:\nx\n";
    assert_eq!(Place::new().play(&task).await.expect_success().text(), expected);
}

#[tokio::test]
async fn a_path_of_the_host_is_seen_as_the_containers_see_the_host() {
    let task = Task::script("cat /host/passwd | head -1 | cut -d: -f1; ls /host/hidden | wc -l").volume(
        json!({"hostPath": {"path": "/etc"}}),
        json!({"mountPath": "/host", "readOnly": true}),
    );
    assert_eq!(Place::new().play(&task).await.text().lines().next(), Some("root"));
}
