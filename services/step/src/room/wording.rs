//! What a container's first process and the supervisor say to each other.

use serde::{Deserialize, Serialize};

/// The first word of a container, with its program's socket and the pipes of its output.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Arrival {
    /// By which it is known.
    pub(crate) secret: String,
}

/// From the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum RoomOrder {
    /// Ask every process to end.
    Ask,
    /// End every process and leave.
    End,
    /// Open a file for a copy of the output.
    Open {
        /// Where it leads in the container.
        path: String,
    },
}

/// To the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum RoomWord {
    /// The file comes with this word.
    Opened {
        /// Why there is none.
        refusal: Option<String>,
    },
    /// The program has ended, and with it all of the container.
    Ended {
        /// Exit code as a shell has it.
        code: i32,
        /// The kernel ended it, or a process of it, for want of memory.
        out_of_memory: bool,
    },
}
