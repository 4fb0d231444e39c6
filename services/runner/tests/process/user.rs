//! All of it again without privileges.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tempfile::TempDir;

use crate::kit::{BUILT, is_root, step_binary};

/// Any id that is not root's; it needs no account.
const ORDINARY: &str = "23456";

/// Runs this test binary once more as an ordinary user; as one already, there is nothing left to do.
#[test]
fn all_of_this_as_an_ordinary_user() {
    if !is_root() {
        return;
    }
    let built = step_binary();
    let home = TempDir::with_prefix("tidemill-home-").unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    // Copies, since the build's own directory may be closed to others.
    let tests = home.path().join("process");
    std::fs::copy(std::env::current_exe().unwrap(), &tests).unwrap();
    let step = home.path().join("tidemill-step");
    std::fs::copy(built, &step).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid", ORDINARY, "--regid", ORDINARY, "--clear-groups"])
        .arg(&tests)
        .args(["--skip", "all_of_this_as_an_ordinary_user"])
        .env("HOME", home.path())
        .env(BUILT, &step)
        .current_dir("/")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.contains("0 filtered out") || text.contains("1 filtered out"),
        "{text}"
    );
}
