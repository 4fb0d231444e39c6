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
//!
//! Without the feature `client` there is only [`lean`], which the step binary is built with.

#[cfg(feature = "client")]
pub mod blob;
#[cfg(feature = "client")]
pub mod layout;
pub mod lean;
#[cfg(feature = "client")]
pub mod server_config;
#[cfg(feature = "client")]
pub mod steps;
#[cfg(feature = "client")]
pub mod subject;

#[cfg(feature = "client")]
mod api;
#[cfg(feature = "client")]
mod check;
#[cfg(feature = "client")]
mod connect;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
mod handles;
#[cfg(feature = "client")]
mod memory;
#[cfg(feature = "client")]
mod message;
#[cfg(feature = "client")]
mod nats;
#[cfg(feature = "client")]
mod spec;
#[cfg(feature = "client")]
mod transport;

#[cfg(feature = "client")]
pub use self::{
    api::Bus,
    connect::{Connect, Credentials, Tls},
    error::{Error, Retry},
    handles::{Consumer, Delivery, Reader, Stored, Subscription},
    memory::{Faults, Memory},
    message::{Headers, MAX_MESSAGE_BYTES, Message},
    nats::stored_bytes,
    spec::{ConsumerSpec, Discard, Persistence, StreamSpec, StreamState},
};
