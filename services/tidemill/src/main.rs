//! The `tidemill` command; see the library.

use std::process::ExitCode;

// A quarter of what the services do is memory taken and given back, much of it on another thread than it was taken on.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tidemill::main()
}
