//! `tidemill lint`: check files without a server.

use clap::Args;
use tidemill_resources::lookup::Nothing;

use crate::cli::Global;
use crate::error::{Error, Exit};
use crate::files::{Input, parse};
use crate::say;

/// Check files; no server is needed
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill lint tasks.yaml pipeline.yaml")]
pub(crate) struct Lint {
    /// Files or folders; - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<Input>,
    /// Unknown fields are errors, not warnings
    #[arg(long)]
    strict: bool,
}

impl Lint {
    /// Says every problem; errors end it with exit code 1, warnings do not.
    pub(crate) fn run(self, global: &Global) -> Result<Exit, Error> {
        let set = parse(&self.files, self.strict)?;
        let dangling = set.dangling(global.namespace().unwrap_or("default"), &Nothing);
        for warning in set.warnings.iter().chain(&dangling) {
            say::line(&warning.render());
        }
        let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        say::line(&format!(
            "{}, {}",
            plural(set.manifests.len(), "object"),
            plural(set.warnings.len() + dangling.len(), "warning")
        ));
        Ok(Exit::Success)
    }
}
