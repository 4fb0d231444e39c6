//! The kept inputs.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::target::Target;

/// The kept inputs of a target, in the order of their names.
///
/// # Errors
/// When there are none.
pub fn corpus(target: &Target) -> Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let entries = fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
    let mut paths: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    ensure!(!paths.is_empty(), "no inputs in {}", folder.display());
    paths.iter().map(|path| Ok(fs::read(path)?)).collect()
}
