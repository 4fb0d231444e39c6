//! Where there is no Go, the pinned release is downloaded: what came instead of it is not run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

/// What the script needs besides Go.
const PROGRAMS: [&str; 10] = [
    "bash",
    "env",
    "cat",
    "mkdir",
    "mktemp",
    "rm",
    "uname",
    "curl",
    "sha256sum",
    "tar",
];

#[test]
fn what_is_not_the_pinned_release_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let release = folder.path().join("releases/v2.15.0");
    fs::create_dir_all(&release).unwrap();
    for machine in ["amd64", "arm64"] {
        fs::write(
            release.join(format!("nats-server-v2.15.0-linux-{machine}.tar.gz")),
            "something else",
        )
        .unwrap();
    }
    let output = script(folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(said.contains("is not the pinned release, and is not run"), "{said}");

    fs::remove_dir_all(&release).unwrap();
    let said = String::from_utf8(script(folder.path()).stderr).unwrap();
    assert!(said.contains("install Go (1.24 or later)"), "{said}");
    let left: Vec<_> = fs::read_dir(folder.path().join("tools/nats-server-v2.15.0"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// `deploy/tools/nats-server` with the releases and an empty cache in `folder`, and without Go.
fn script(folder: &Path) -> Output {
    let programs = folder.join("programs");
    fs::create_dir_all(&programs).unwrap();
    for name in PROGRAMS {
        let path = std::env::var_os("PATH").unwrap();
        let program = std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|path| path.is_file());
        symlink(
            program.unwrap_or_else(|| panic!("there is no {name}")),
            programs.join(name),
        )
        .ok();
    }
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/tools/nats-server"))
        .env("PATH", programs)
        .env("TIDEMILL_TOOLS", folder.join("tools"))
        .env(
            "TIDEMILL_NATS_RELEASES",
            format!("file://{}/releases", folder.display()),
        )
        .output()
        .unwrap()
}
