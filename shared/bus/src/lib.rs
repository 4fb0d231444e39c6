//! The only owner of the NATS client: streams, consumers, compare-and-set, schedules.
//!
//! Everything Tidemill stores or sends goes through a [`Bus`]. Behind it stands either a real
//! nats-server ([`Bus::connect`]) or its in-memory twin ([`Bus::memory`]) for tests and
//! simulations; one contract suite runs on both.
//!
//! # What the callers may rely on
//! - A publish that returned `Ok` is stored, by the durability the stream was made with.
//! - [`Error::Conflict`] means that the subject's last sequence is not the expected one. Both of the
//!   server's codes are handled here (10071; 10164 is retried inside, as it may be spurious).
//! - [`Error::Unknown`] means that nobody knows: the caller reads back ([`Bus::last`], a read from
//!   the leader) and compares an id of its own before it tries again.
//! - Nothing else in the workspace names async-nats.

pub mod blob;
pub mod layout;

mod api;
mod check;
mod connect;
mod error;
mod handles;
mod memory;
mod message;
mod nats;
pub mod server_config;
mod spec;
pub mod subject;
mod transport;

pub use api::Bus;
pub use connect::{Connect, Credentials, Tls};
pub use error::{Error, Retry};
pub use handles::{Consumer, Delivery, Reader, Stored, Subscription};
pub use memory::{Faults, Memory};
pub use message::{Headers, MAX_MESSAGE_BYTES, Message};
pub use spec::{ConsumerSpec, Discard, Persistence, StreamSpec, StreamState};
