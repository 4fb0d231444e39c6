//! Everything that strangers or users write and that ingest evaluates, mutated from a kept corpus.
//!
//! An input may be refused, but it may not panic, not overflow the stack of a worker's thread, not
//! take longer than [`INPUT_LIMIT`] and not take more memory than [`MEMORY_MAX_KIB`]. The input under
//! way lies in a file, so that one that ends the process is not lost; put it into the corpus with the
//! repair.

mod campaign;
mod corpus;
mod mutate;
mod target;

pub use campaign::{Campaign, INPUT_LIMIT, MEMORY_MAX_KIB, memory_kib};
pub use corpus::corpus;
pub use target::{TARGETS, Target};
