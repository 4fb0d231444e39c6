//! Fail points: named places where a test makes the process kill itself.
//!
//! `TIDEMILL_FAIL_POINT=name[:n]` arms one of them: its `n`-th hit (default the first) ends the
//! process by SIGKILL, as a power cut or the kernel's memory killer would. Without the variable a
//! fail point costs one atomic load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};

/// The environment variable that arms a fail point.
pub const VARIABLE: &str = "TIDEMILL_FAIL_POINT";

/// Every fail point there is, in the order in which a task passes them. `make resume` goes through
/// them all.
pub const FAIL_POINTS: &[&str] = &[
    "planner.fact-received",
    "planner.decision-computed",
    "planner.decision-stored",
    "planner.go-said",
    "planner.effects-published",
    "planner.facts-acked",
    "planner.projected",
    "runner.claimed-ahead",
    "runner.task-received",
    "runner.claim-stored",
    "runner.prepared",
    "runner.started",
    "runner.step-reported",
    "runner.finished-stored",
    "runner.removed",
];

/// A value of [`VARIABLE`] that arms nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE}=`{value}`: expected `<name>` or `<name>:<hit from 1>`, the name one of {}", FAIL_POINTS.join(", "))]
pub struct Unknown {
    /// The value.
    pub value: String,
}

struct Armed {
    name: &'static str,
    hit: u64,
}

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
static HITS: AtomicU64 = AtomicU64::new(0);

/// Kills this process if `name` is armed and this is the hit it is armed for.
pub fn fail_point(name: &'static str) {
    debug_assert!(FAIL_POINTS.contains(&name), "fail point {name} is not in FAIL_POINTS");
    let Some(armed) = ARMED.get_or_init(from_environment) else {
        return;
    };
    if armed.name == name && HITS.fetch_add(1, Ordering::Relaxed) + 1 == armed.hit {
        die(name);
    }
}

/// Checks the variable; a process calls it once at its start, so that a misspelt name does not make
/// a test pass that killed nothing.
///
/// # Errors
/// [`Unknown`] names the value and all fail points.
pub fn check() -> Result<(), Unknown> {
    std::env::var(VARIABLE).map_or(Ok(()), |value| parse(&value).map(|_| ()))
}

fn from_environment() -> Option<Armed> {
    parse(&std::env::var(VARIABLE).ok()?).ok()
}

fn parse(value: &str) -> Result<Armed, Unknown> {
    let unknown = || Unknown {
        value: value.to_owned(),
    };
    let (name, hit) = match value.split_once(':') {
        Some((name, hit)) => (name, hit.parse().map_err(|_| unknown())?),
        None => (value, 1),
    };
    let name = FAIL_POINTS.iter().find(|&&known| known == name).ok_or_else(unknown)?;
    if hit == 0 {
        return Err(unknown());
    }
    Ok(Armed { name, hit })
}

fn die(name: &str) -> ! {
    tracing::warn!(fail_point = name, "Fail point reached: this process kills itself.");
    // Nothing that follows may happen, so even a refused signal ends the process here.
    if kill_process(getpid(), Signal::KILL).is_err() {
        std::process::abort();
    }
    loop {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests;
