//! A step in a container of its own, with this binary as its entrypoint: pods of Kubernetes.
//!
//! All containers of a pod start together; each waits until the turn is passed on to it
//! ([`turn`]), runs its program, and says for itself what became of it: to whoever owns the attempt,
//! over the [`link`]. There is no supervisor. The step that ends the task tells everything the others
//! told once more.

mod child;
mod credentials;
mod end;
mod link;
mod memory;
mod play;
mod turn;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tidemill_messages::assignment::{Assignment, PATH};
use tidemill_messages::envelope;
use tidemill_messages::plan::PlanStep;

use crate::error::{Doing, Error};
use crate::sandbox::script;
use play::Play;
use turn::Given;

/// Where each step has a directory, named after its container.
const STEPS_PATH: &str = "/tekton/steps";
/// Where results of the task are written.
const RESULTS_PATH: &str = "/tekton/results";
/// Exit code of a step that is not to run any more.
const SKIPPED: u8 = 1;

/// One step of the pod.
pub(crate) struct Step {
    assignment: Assignment,
    position: usize,
    /// What the container was started with, behind `--`.
    argv: Vec<String>,
}

/// Directories all steps share, which whoever comes first makes.
const SHARED: [&str; 6] = [
    tidemill_messages::assignment::TURNS_PATH,
    RESULTS_PATH,
    "/tekton/home",
    "/tekton/artifacts",
    "/tekton/scripts",
    "/tekton/creds",
];

/// Runs the step: `step <container> -- <command and arguments>`.
pub(crate) fn run() -> Result<ExitCode, Error> {
    let step = Step::of(std::env::args().skip(2))?;
    SHARED.into_iter().try_for_each(make_shared)?;
    let signals = child::signals()?;
    match turn::wait(step.position, &signals)? {
        Given::Turn(turn) => Play::new(step, turn, signals)?.play(),
        Given::Over => Ok(ExitCode::from(SKIPPED)),
        Given::Terminated => Ok(ExitCode::from(child::TERMINATED)),
    }
}

/// Runs a sidecar: `sidecar <container> -- <arguments>`, whose script is in the plan.
pub(crate) fn run_sidecar() -> Result<ExitCode, Error> {
    let mut args = std::env::args().skip(2);
    let (container, argv) = (args.next().unwrap_or_default(), behind_dashes(args));
    let plan = read_assignment()?.plan;
    let planned = plan.sidecars.iter().find(|sidecar| sidecar.container == container);
    let text = planned.and_then(|sidecar| sidecar.script.as_ref());
    let text = text.ok_or_else(|| Error::task(format!("the plan has no script for `{container}`")))?;
    let path = write_script(text, &container)?;
    Err(child::replace(&[vec![path], argv].concat()))
}

/// Copies this binary into a directory: `install <directory>`.
pub(crate) fn install() -> Result<ExitCode, Error> {
    let directory = PathBuf::from(std::env::args().nth(2).unwrap_or_default());
    let (own, partial) = ("/proc/self/exe", directory.join(".tidemill-step"));
    let target = directory.join("tidemill-step");
    fs::copy(own, &partial).doing(|| format!("copy this binary to {}", directory.display()))?;
    set_mode(&partial, 0o755)?;
    fs::rename(&partial, &target).doing(|| format!("put {} in its place", target.display()))?;
    Ok(ExitCode::SUCCESS)
}

impl Step {
    fn of(mut args: impl Iterator<Item = String>) -> Result<Self, Error> {
        let container = args.next().unwrap_or_default();
        let argv = behind_dashes(args);
        let assignment = read_assignment()?;
        let mut steps = assignment.plan.steps.iter();
        let position = steps.position(|step| step.container == container);
        let position = position.ok_or_else(|| Error::task(format!("the plan has no step `{container}`")))?;
        Ok(Self {
            assignment,
            position,
            argv,
        })
    }

    fn planned(&self) -> &PlanStep {
        &self.assignment.plan.steps[self.position]
    }

    /// Tekton's directory of the step at `position`.
    fn directory(&self, position: usize) -> PathBuf {
        Path::new(STEPS_PATH).join(&self.assignment.plan.steps[position].container)
    }

    /// Program and arguments before any substitution; a script is written first.
    fn program(&self) -> Result<Vec<String>, Error> {
        let Some(text) = &self.planned().script else {
            return Ok(self.argv.clone());
        };
        let path = write_script(text, &self.position.to_string())?;
        Ok([vec![path], self.argv.clone()].concat())
    }
}

/// What follows `--`: never ours to read, whatever it looks like.
fn behind_dashes(args: impl Iterator<Item = String>) -> Vec<String> {
    let mut args = args.peekable();
    args.next_if(|first| first == "--");
    args.collect()
}

fn read_assignment() -> Result<Assignment, Error> {
    let bytes = fs::read(PATH).doing(|| format!("read {PATH}"))?;
    envelope::decode(PATH, &bytes)
        .map_err(|source| Error::task(format!("{source}: {:?}", std::error::Error::source(&source))))
}

/// Writes a script where Tekton has scripts; gives its path.
fn write_script(text: &str, name: &str) -> Result<String, Error> {
    if !script::is_runnable(text) {
        return Err(Error::task(script::NOT_RUNNABLE));
    }
    let path = format!("/tekton/scripts/script-{name}");
    fs::write(&path, script::with_preamble(text)).doing(|| format!("write {path}"))?;
    set_mode(Path::new(&path), 0o755)?;
    Ok(path)
}

/// Makes a directory in which anybody may write. Another step may be at it: then its mode is its affair.
fn make_shared(path: &str) -> Result<(), Error> {
    match fs::create_dir(path) {
        Ok(()) => set_mode(Path::new(path), 0o777),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).doing(|| format!("make {path}")),
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, permissions).doing(|| format!("set the mode of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::behind_dashes;

    #[test]
    fn arguments_of_the_user_are_never_read() {
        let of = |args: &[&str]| behind_dashes(args.iter().map(|arg| (*arg).to_owned()));
        assert_eq!(of(&["--", "init", "--help"]), ["init", "--help"]);
        assert_eq!(of(&["--", "--", "x"]), ["--", "x"]);
        assert!(of(&["--"]).is_empty());
    }
}
