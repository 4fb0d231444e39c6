//! What the engine cannot do.

/// A fact or question that does not fit the state. None of them goes away by trying again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The state does not allow this fact; the state is unchanged.
    #[error("run {run}: {fact} is not possible while the run is {state}: {why}")]
    Illegal {
        /// UID of the run.
        run: String,
        /// State of the run.
        state: &'static str,
        /// The fact.
        fact: String,
        /// What does not fit.
        why: String,
    },
    /// A change of the log does not fit the state: the log is not this run's, or not whole.
    #[error("run {run}: the log cannot be replayed: {why}")]
    Corrupt {
        /// UID of the run.
        run: String,
        /// What does not fit.
        why: String,
    },
    /// Something was asked about a task that is not there, or not yet.
    #[error("run {run}: {asked} of task {task:?}: {why}")]
    NoSuch {
        /// UID of the run.
        run: String,
        /// What was asked for.
        asked: &'static str,
        /// Key of the task, or name of the claim.
        task: String,
        /// Why there is none.
        why: String,
    },
}
