//! A task to play, a place to play it, and what came of it.

mod lookup;
pub(crate) mod run;
pub(crate) mod task;

pub(crate) use lookup::Objects;
pub(crate) use run::{Outcome, Run};
pub(crate) use task::Task;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;
use tidemill_runner::backend::Backend;
use tidemill_runner::backend::process::{ProcessBackend, Settings};

/// A state directory with a backend on it; gone with the test.
pub(crate) struct Place {
    path: PathBuf,
    _directory: Option<TempDir>,
    pub(crate) backend: Arc<ProcessBackend>,
    pub(crate) objects: Arc<Objects>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let directory = TempDir::with_prefix("tidemill-process-").unwrap();
        Self::make(directory.path().to_owned(), Some(directory), settings)
    }

    pub(crate) fn in_directory(directory: TempDir) -> Self {
        Self::make(directory.path().to_owned(), Some(directory), Settings::default())
    }

    /// In a directory of somebody else.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self::make(path, None, Settings::default())
    }

    fn make(path: PathBuf, directory: Option<TempDir>, settings: Settings) -> Self {
        let objects = Arc::new(Objects::default());
        let backend = Arc::new(backend(&path, settings, &objects));
        Self {
            path,
            _directory: directory,
            backend,
            objects,
        }
    }

    /// Another backend on the same directory: a runner after the first.
    pub(crate) fn another(&self) -> ProcessBackend {
        backend(&self.path, Settings::default(), &self.objects)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Prepares, starts and plays a task to its end, and removes it.
    pub(crate) async fn play(&self, task: &Task) -> Outcome {
        let mut run = self.prepare(task).await;
        run.start().await;
        run.ended().await
    }

    pub(crate) async fn prepare(&self, task: &Task) -> Run {
        Run::prepare(self.backend.as_ref(), task).await.unwrap()
    }

    /// The message of a task that is refused.
    pub(crate) async fn refusal(&self, task: &Task) -> String {
        match Run::prepare(self.backend.as_ref(), task).await {
            Err(error) => chain(&error),
            Ok(_) => panic!("the task was not refused"),
        }
    }

    /// Directories of attempts that are left.
    pub(crate) async fn left(&self) -> usize {
        self.backend.found().await.unwrap().len()
    }
}

fn backend(state: &Path, settings: Settings, objects: &Arc<Objects>) -> ProcessBackend {
    let settings = Settings {
        step_binary: Some(step_binary()),
        ..settings
    };
    let lookup = Arc::clone(objects);
    ProcessBackend::new(state, settings, lookup).unwrap()
}

/// The error and its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The step binary of this workspace, built on first use.
pub(crate) fn step_binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let path = BINARY.get_or_init(|| {
        // An ordinary user cannot build here; root did before it became one.
        if let Some(built) = std::env::var_os(BUILT) {
            return built.into();
        }
        let own = std::env::current_exe().unwrap();
        let target = own.parent().and_then(Path::parent).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "tidemill-step"]);
        cargo
            .arg("--manifest-path")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../step/Cargo.toml"));
        if target.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "tidemill-step does not build");
        target.join("tidemill-step")
    });
    path.clone()
}

/// Names the step binary where it is already built.
pub(crate) const BUILT: &str = "TIDEMILL_TEST_STEP_BUILT";

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
