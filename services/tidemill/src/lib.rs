//! The one command: a client of the gateway, and everything beside a private nats-server.
//!
//! It has no way to the objects but the gateway's, which any client of Kubernetes has too.
//! Data goes to standard output, talk to standard error. Exit codes: 0, 1 when something failed, 64
//! for a wrong command line or set-up, 130 after Ctrl-C.

mod cli;
mod client;
mod commands;
mod describe;
mod error;
mod files;
mod follow;
mod json;
mod merge;
mod names;
mod nats;
mod output;
mod progress;
mod received;
mod say;
mod server;
mod signals;
mod state;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use error::{Error, Exit};

/// Does what the command line asks for.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::io("start"))
        .and_then(|runtime| {
            let outcome = runtime.block_on(cli.run());
            // Readers of logs that nobody looks at any more must not keep the process.
            runtime.shutdown_background();
            outcome
        });
    let exit = outcome.unwrap_or_else(|error| {
        say::talk(&error.render());
        error.exit()
    });
    ExitCode::from(exit.code())
}

/// Help and version are data; all else is a wrong command line.
fn refuse(error: &clap::Error) -> ExitCode {
    // Whoever reads it may have gone away.
    let _closed = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(Exit::Usage.code()),
    }
}
