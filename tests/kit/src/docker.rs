//! A Docker engine for tests: the one `DOCKER_HOST` names, else one of the tests' own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// An engine that answers and has the images that scenarios name.
pub struct Engine {
    host: String,
}

static ENGINE: OnceLock<std::result::Result<Engine, String>> = OnceLock::new();

impl Engine {
    /// The engine, started on first use with `tests/docker/up --images`. `Ok(None)`, with the reason on
    /// standard error, where none can be started and this is not CI.
    ///
    /// # Errors
    /// In CI, or when the start fails where it should work; the same error for every test that asks.
    pub fn get() -> Result<Option<&'static Self>> {
        static CAN: OnceLock<bool> = OnceLock::new();
        let can = *CAN.get_or_init(|| std::env::var_os("DOCKER_HOST").is_some() || can_start());
        if !can {
            ensure!(std::env::var_os("CI").is_none(), "no Docker engine can be started here");
            return Ok(None);
        }
        match ENGINE.get_or_init(|| start().map_err(|error| format!("{error:#}"))) {
            Ok(engine) => Ok(Some(engine)),
            Err(message) => bail!("no Docker engine: {message}"),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Variables with which `tidemill up` plays tasks on this engine, with the images it has.
    #[must_use]
    pub fn environment(&self) -> [(&str, &str); 3] {
        [
            ("DOCKER_HOST", &self.host),
            ("TIDEMILL_PLANNER_DEFAULT_CLASS", "docker"),
            ("TIDEMILL_RUNNER_POD__IMAGE_PULL_POLICY", "IfNotPresent"),
        ]
    }

    /// Runs `docker`; gives its standard output.
    ///
    /// # Errors
    /// With its standard error when it fails.
    pub fn docker(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("docker")
            .args(arguments)
            .env("DOCKER_HOST", &self.host)
            .output()
            .context("docker")?;
        ensure!(
            output.status.success(),
            "docker {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Containers and volumes of attempts whose files lie below `folder`.
    ///
    /// # Errors
    /// If the engine does not say.
    pub fn left_by(&self, folder: &Path) -> Result<Vec<String>> {
        let folder = folder.to_string_lossy();
        let ids = self.docker(&["ps", "--all", "--quiet", "--filter", "label=tidemill.dev/attempt"])?;
        let mut left = Vec::new();
        for id in ids.split_whitespace() {
            // It may be gone by now.
            let Ok(found) = self.docker(&["inspect", id]) else {
                continue;
            };
            if found.contains(&*folder) {
                let found: Value = serde_json::from_str(&found)?;
                left.push(
                    found[0]["Name"]
                        .as_str()
                        .unwrap_or(id)
                        .trim_start_matches('/')
                        .to_owned(),
                );
            }
        }
        Ok(left)
    }

    /// Removes what a failed test left.
    pub fn clear(&self, folder: &Path) {
        for name in self.left_by(folder).unwrap_or_default() {
            drop(self.docker(&["rm", "--force", "--volumes", &name]));
        }
    }
}

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn can_start() -> bool {
    let asked = Command::new(tree().join("deploy/tools/docker-engine"))
        .arg("check")
        .output();
    match asked {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            eprintln!(
                "tests on Docker are left out: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
            false
        }
        Err(error) => {
            eprintln!("tests on Docker are left out: {error}");
            false
        }
    }
}

fn start() -> Result<Engine> {
    let output = Command::new(tree().join("tests/docker/up")).arg("--images").output()?;
    ensure!(
        output.status.success(),
        "tests/docker/up: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("DOCKER_HOST="));
    Ok(Engine {
        host: host.context("tests/docker/up says no DOCKER_HOST")?.to_owned(),
    })
}
