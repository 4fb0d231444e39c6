//! The planner against an in-memory server with faults, with a runner that only pretends, on a
//! paused clock; and the same on a real nats-server.

mod audit;
mod cancel;
mod crash;
mod fake;
mod faults;
mod heard;
mod intake;
mod large;
mod life;
mod lost;
mod purge;
mod real;
mod releases;
mod retention;
mod runs;
mod timers;
mod world;
