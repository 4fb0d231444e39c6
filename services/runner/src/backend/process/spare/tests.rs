use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A directory as a supervisor leaves it.
fn left(state: &Path) -> PathBuf {
    let path = state.join("attempts/abc");
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join(NAME), "{}").unwrap();
    fs::write(path.join(format!("abc{SOCKET_SUFFIX}")), "").unwrap();
    for (name, mode, _) in KEPT {
        fs::create_dir(path.join(name)).unwrap();
        fs::set_permissions(path.join(name), Permissions::from_mode(mode)).unwrap();
    }
    path
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_untouched_directory_goes_to_the_next_attempt() {
    let state = tempfile::tempdir().unwrap();
    let path = left(state.path());
    let socket = format!("1-2-3{SOCKET_SUFFIX}");
    fs::write(path.join(&socket), "").unwrap();
    let spare = Spare::of(&path, Some(socket.clone())).unwrap().unwrap();
    assert_eq!(names(&spare.path), [&socket, NAME, "tmp-0", "workspace"]);
    assert_eq!(spare.socket(), Some(socket.as_str()));
    let next = state.path().join("attempts/def");
    spare.give(&next, b"{\"next\": 1}").unwrap();
    assert_eq!(names(&state.path().join("attempts")), ["def"]);
    assert!(names(&state.path().join(PLACE)).is_empty());
}

#[test]
fn a_name_is_all_that_the_file_holds_whatever_it_held() {
    let state = tempfile::tempdir().unwrap();
    for length in [2, NAME_BYTES, 3 * NAME_BYTES, 5] {
        let path = left(state.path());
        fs::write(path.join(NAME), "x".repeat(2 * NAME_BYTES)).unwrap();
        let text = format!("\"{}\"", "n".repeat(length));
        let spare = Spare::of(&path, None).unwrap().unwrap();
        spare.give(&path, text.as_bytes()).unwrap();
        let name: String = serde_json::from_slice(&fs::read(path.join(NAME)).unwrap()).unwrap();
        assert_eq!(name.len(), length);
        fs::remove_dir_all(&path).unwrap();
    }
}

#[test]
fn nothing_of_an_attempt_is_seen_by_the_next() {
    let state = tempfile::tempdir().unwrap();
    let path = left(state.path());
    fs::write(path.join("workspace/secret"), "x").unwrap();
    fs::write(path.join("log"), "last words").unwrap();
    fs::create_dir(path.join("tmp-1")).unwrap();
    fs::set_permissions(path.join("tmp-0"), Permissions::from_mode(0o777)).unwrap();
    let spare = Spare::of(&path, None).unwrap().unwrap();
    assert_eq!(names(&spare.path), [NAME]);
}

/// A directory in the workspace, as a supervisor makes mount points.
fn mount_point(attempt: &Path, name: &str) -> PathBuf {
    let path = attempt.join("workspace").join(name);
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(MOUNT_POINT_MODE)).unwrap();
    path
}

#[test]
fn mount_points_stay_and_nothing_else_of_the_workspace() {
    let state = tempfile::tempdir().unwrap();
    let path = left(state.path());
    mount_point(&path, "source");
    let spare = Spare::of(&path, None).unwrap().unwrap();
    assert_eq!(names(&spare.path.join("workspace")), ["source"]);
    spare.give(&path, b"{}").unwrap();
    fs::write(path.join("workspace/source/secret"), "x").unwrap();
    let spare = Spare::of(&path, None).unwrap().unwrap();
    assert_eq!(names(&spare.path), [NAME, "tmp-0"]);
}

#[test]
fn too_many_mount_points_and_changed_ones_go() {
    let state = tempfile::tempdir().unwrap();
    let path = left(state.path());
    fs::set_permissions(mount_point(&path, "mine"), Permissions::from_mode(0o700)).unwrap();
    let spare = Spare::of(&path, None).unwrap().unwrap();
    assert_eq!(names(&spare.path), [NAME, "tmp-0"]);
    drop(spare);
    let path = left(state.path());
    for number in 0..=MOUNT_POINTS_MAX {
        mount_point(&path, &number.to_string());
    }
    let spare = Spare::of(&path, None).unwrap().unwrap();
    assert_eq!(names(&spare.path), [NAME, "tmp-0"]);
}

#[test]
fn a_place_that_became_something_else_is_removed() {
    let state = tempfile::tempdir().unwrap();
    let path = left(state.path());
    fs::remove_dir(path.join("workspace")).unwrap();
    symlink("/etc", path.join("workspace")).unwrap();
    let attribute = rustix::fs::setxattr(path.join("tmp-0"), "user.mine", b"1", rustix::fs::XattrFlags::empty());
    let spare = Spare::of(&path, None).unwrap().unwrap();
    // Not every file system has attributes.
    let tmp = attribute.is_err().then_some("tmp-0");
    assert_eq!(
        names(&spare.path),
        [Some(NAME), tmp].into_iter().flatten().collect::<Vec<_>>()
    );
}

#[test]
fn it_goes_when_nobody_wants_it_and_counts_as_nobodys_when_its_maker_is_gone() {
    let state = tempfile::tempdir().unwrap();
    let spare = Spare::of(&left(state.path()), None).unwrap().unwrap();
    let attempts = state.path().join("attempts");
    sweep(&attempts);
    assert!(spare.path.exists());
    let place = state.path().join(PLACE);
    fs::create_dir(place.join(format!("{}-1-0", std::process::id()))).unwrap();
    sweep(&attempts);
    assert_eq!(names(&place).len(), 1);
    drop(spare);
    assert!(names(&place).is_empty());
    assert!(Spare::of(&attempts.join("abc"), None).unwrap().is_none());
}
