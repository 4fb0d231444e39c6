//! TaskRun to Pod.
