//! Programs and files of others that tests need, as the scripts of deploy/tools fetch them.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

/// What the script of this name prints: a path, or nothing.
///
/// # Errors
/// When it fails, with what it said on standard error.
pub fn tool(name: &str, arguments: &[&str]) -> Result<String> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/tools");
    let output = Command::new(scripts.join(name)).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "deploy/tools/{name}: {said}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
