//! The contract of the bus, checked on the in-memory transport and on a real nats-server.

/// Makes a test of each function on each transport.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&crate::contract::rig::Rig::memory()).await;
            })+
        }

        mod nats {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&crate::contract::rig::Rig::nats()).await;
            })+
        }
    };
}

mod contract {
    mod rig;

    mod cluster;
    mod config;
    mod consume;
    mod core;
    mod crash;
    mod entry;
    mod expect;
    mod faults;
    mod limits;
    mod pinned;
    mod publish;
    mod read;
    mod schedule;
    mod server;
    mod steps;
}
