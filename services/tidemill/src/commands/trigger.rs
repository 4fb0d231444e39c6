//! `tidemill trigger`: triggers without a server.

mod bench;
mod test;

use clap::{Args, Subcommand};

use crate::cli::Global;
use crate::error::{Error, Exit};

/// Try triggers out; no server is needed
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill trigger test -f listener.yaml -f template.yaml --body payload.json")]
pub(crate) struct Trigger {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Test(test::Test),
}

impl Trigger {
    /// Does what was asked.
    pub(crate) fn run(self, global: &Global) -> Result<Exit, Error> {
        match self.verb {
            Verb::Test(test) => test.run(global),
        }
    }
}
