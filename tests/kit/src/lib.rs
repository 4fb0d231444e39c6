//! Helpers of the tests: disposable nats-server, Kubernetes, tidemill processes, senders of webhooks,
//! conditions.

pub mod cluster;
pub mod collector;
pub mod condition;
pub mod docker;
pub mod nats_server;
pub mod post;
pub mod tidemill;
pub mod tool;

pub use cluster::{Cluster, ControlPlane};
pub use collector::Collector;
pub use condition::wait_until;
pub use nats_server::NatsServer;
pub use post::{Answer, Poster};
pub use tidemill::{Running, Up, ask, command, get, program, tell};
pub use tool::tool;
