//! How a call reaches the in-memory server, and what may happen to it on the way.

use std::time::Duration;

use jiff::Timestamp;

use super::world::World;
use super::{Connection, disconnected};
use crate::{Error, Message, check};

/// How long a call waits for the connection to return.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection dropped by [`super::Faults::disconnected`] stays away.
const OUTAGE: Duration = Duration::from_millis(250);
/// How long a call that met "another write is under way" waits before its second try.
const BUSY_PAUSE: Duration = Duration::from_millis(2);

impl Connection {
    /// Waits until the server can be reached.
    async fn reach(&self) -> Result<(), Error> {
        if self.up()? {
            return Ok(());
        }
        let mut connected = self.link.connected.subscribe();
        let mut closed = self.link.closed.subscribe();
        let reached = async {
            while !self.up()? {
                tokio::select! {
                    _ = connected.changed() => {}
                    _ = closed.changed() => {}
                }
            }
            Ok(())
        };
        tokio::time::timeout(REQUEST_TIMEOUT, reached)
            .await
            .unwrap_or_else(|_| Err(disconnected()))
    }

    /// A call on the world, once it can be reached.
    pub(super) async fn call<T>(&self, act: impl FnOnce(&mut World) -> Result<T, Error>) -> Result<T, Error> {
        self.reach().await?;
        let outcome = act(&mut self.shared.lock());
        self.shared.touch();
        outcome
    }

    /// Stores now, with the faults of a publish.
    pub(super) fn store(&self, message: Message, schedule: Option<(String, Timestamp)>) -> Result<u64, Error> {
        let unknown = Error::Unknown {
            subject: message.subject.clone(),
            waited_ms: 0,
        };
        let mut world = self.shared.lock();
        if world.dice.strikes(|faults| faults.unknown_lost) {
            return Err(unknown);
        }
        let outcome = world.append(message, schedule);
        let answer_lost = outcome.is_ok() && world.dice.strikes(|faults| faults.unknown_stored);
        drop(world);
        self.shared.touch();
        if answer_lost { Err(unknown) } else { outcome }
    }

    /// Whether the connection drops at this publish; it returns by itself.
    pub(super) fn drop_out(&self) -> bool {
        if !self.shared.lock().dice.strikes(|faults| faults.disconnected) {
            return false;
        }
        self.set_connected(false);
        let connection = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(OUTAGE).await;
            connection.set_connected(true);
        });
        true
    }

    pub(super) async fn store_reached(
        &self,
        message: Message,
        schedule: Option<(String, Timestamp)>,
    ) -> Result<u64, Error> {
        check::message(&message)?;
        self.drop_out();
        self.reach().await?;
        if message.expected_last.is_some() && self.shared.lock().dice.strikes(|faults| faults.busy) {
            tokio::time::sleep(BUSY_PAUSE).await;
            self.reach().await?;
        }
        self.store(message, schedule)
    }
}
