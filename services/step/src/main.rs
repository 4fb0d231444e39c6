//! The binary in front of each step.
//!
//! In the process backend it is three programs in one file; namespaces are entered by processes without a second thread:
//!
//! - `supervise` leaves the runner's session, makes the namespaces of an attempt and starts
//! - `sandbox`, PID 1 of the attempt: it holds the order of the steps, the logs, the results and the
//!   socket to the runner, and everything of the attempt ends with it; for each container it starts
//! - `contain`, which builds what the container sees, locks it and becomes the user's program. For the first step of an
//!   attempt it is a copy of `sandbox` that closes all it knows of it.
//!
//! Where each container is one of Kubernetes, it is the container's entrypoint instead: `step` in front of
//! each step, `sidecar` in front of a sidecar's script, `install` to bring it into a pod.
//!
//! The runner starts `supervise` with a socket as standard input; the rest is
//! `tidemill_messages::sandbox`.
//!
//! In containers of an engine nothing is to be built. There
//!
//! - `pod` does what `sandbox` does, as the first process of a container: of the task's only one, or of
//!   one beside the task's,
//! - `room` is the first process of each other container, which hands its program over to `pod`, and
//! - `parts` makes folders in volumes, of which parts are to be mounted.

mod contain;
mod entry;
mod error;
mod memory;
mod outputs;
mod parts;
mod process;
mod room;
mod sandbox;
mod supervise;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    let role = std::env::args().nth(1).unwrap_or_default();
    let done = match role.as_str() {
        "supervise" => supervise::run(),
        "sandbox" => sandbox::run(),
        "contain" => contain::run(),
        "step" => entry::run(),
        "sidecar" => entry::run_sidecar(),
        "install" => entry::install(),
        "pod" => sandbox::pod::run(),
        "room" => room::run(),
        "parts" => parts::run(),
        "version" | "--version" => {
            report(env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        _ => {
            report("tidemill-step is started by a runner; to run a pipeline see `tidemill run --help`");
            return ExitCode::from(64);
        }
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            report(&format!("tidemill-step {role}: {}", error.chain()));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to standard error; where that is closed there is nobody to tell.
fn report(line: &str) {
    use std::io::Write;
    drop(writeln!(std::io::stderr(), "{line}"));
}
