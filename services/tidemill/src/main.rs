//! The `tidemill` command; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidemill::main()
}
