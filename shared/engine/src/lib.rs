//! The state machines of run and task.
