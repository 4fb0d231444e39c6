//! The `tidemill` command; see the library.

use std::process::ExitCode;

// A quarter of what the services do is memory taken and given back, much of it on another thread than it was taken on. This
// allocator gives back to each thread first what it gave away last, which its processor still has in its cache.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    tidemill::main()
}
