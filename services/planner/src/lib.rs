//! The loop: facts in, decision stored, effects out.
