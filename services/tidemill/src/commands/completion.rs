//! `tidemill completion`: what a shell completes.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::{Error, Exit};
use crate::say;

/// Write the completions of a shell
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill completion bash > ~/.local/share/bash-completion/completions/tidemill")]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    /// Prints them.
    pub(crate) fn run(self) -> Result<Exit, Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "tidemill", &mut script);
        say::data(&String::from_utf8_lossy(&script));
        Ok(Exit::Success)
    }
}
