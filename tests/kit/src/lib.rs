//! Helpers of the tests: disposable nats-server, Kubernetes, tidemill processes, conditions.

pub mod cluster;
pub mod condition;
pub mod nats_server;
pub mod tidemill;

pub use cluster::{Cluster, ControlPlane};
pub use condition::wait_until;
pub use nats_server::NatsServer;
pub use tidemill::{Running, Up, ask, command, get, program, tell};
