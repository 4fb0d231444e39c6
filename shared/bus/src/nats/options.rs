//! What the client is told, and what its events mean to us.

use std::time::Duration;

use async_nats::{ConnectOptions, Event};
use rand::RngExt as _;
use tokio::sync::watch;

use crate::{Connect, Credentials, Error};

/// Commands that wait for the connection's task; more than publishes can be under way.
const MAX_COMMANDS: usize = 65_536;
/// Messages that wait for a slow core subscriber; further ones are dropped.
const MAX_WAITING_MESSAGES: usize = 65_536;
/// Pause between two attempts to reconnect, at most; the first comes at once.
const MAX_RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// A half-open connection is noticed after two or three of these.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// A pause that grows with `attempt` from 50 ms to [`MAX_RECONNECT_PAUSE`], half of it random.
pub(super) fn reconnect_pause(attempt: usize) -> Duration {
    if attempt <= 1 {
        return Duration::ZERO;
    }
    let doublings = u32::try_from(attempt - 2).unwrap_or(u32::MAX).min(8);
    let whole = (Duration::from_millis(50) * 2_u32.pow(doublings)).min(MAX_RECONNECT_PAUSE);
    whole.mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// `pause`, half as long to half as long again.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..1.5))
}

pub(super) fn client_options(
    options: &Connect,
    connected: &watch::Sender<bool>,
    losses: &watch::Sender<u64>,
) -> Result<ConnectOptions, Error> {
    let mut asked = match &options.credentials {
        Credentials::None => ConnectOptions::new(),
        Credentials::Password { user, password } => {
            ConnectOptions::with_user_and_password(user.clone(), password.clone())
        }
        Credentials::Token(token) => ConnectOptions::with_token(token.clone()),
        Credentials::Nkey(seed) => ConnectOptions::with_nkey(seed.clone()),
        Credentials::Creds(text) => ConnectOptions::with_credentials(text).map_err(|_| Error::Invalid {
            what: "NATS credentials",
            value: "(hidden)".to_owned(),
            expected: "the text of a .creds file: a user's JWT and nkey seed",
        })?,
    };
    if let Some(tls) = &options.tls {
        asked = asked.require_tls(true);
        if let Some(roots) = &tls.roots {
            asked = asked.add_root_certificates(roots.clone());
        }
        if let Some((certificate, key)) = &tls.identity {
            asked = asked.add_client_certificate(certificate.clone(), key.clone());
        }
    }
    let (connected, losses) = (connected.clone(), losses.clone());
    Ok(asked
        .name(&options.name)
        .client_capacity(MAX_COMMANDS)
        .subscription_capacity(MAX_WAITING_MESSAGES)
        .ping_interval(PING_INTERVAL)
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_pause)
        .event_callback(move |event| {
            follow(&event, &connected, &losses);
            std::future::ready(())
        }))
}

fn follow(event: &Event, connected: &watch::Sender<bool>, losses: &watch::Sender<u64>) {
    match event {
        Event::Connected => {
            connected.send_replace(true);
        }
        Event::Disconnected | Event::Closed => {
            connected.send_replace(false);
            losses.send_modify(|losses| *losses += 1);
        }
        Event::SlowConsumer(_) => tracing::warn!("A subscriber was too slow; messages to it were dropped."),
        Event::ServerError(error) => tracing::warn!(%error, "The NATS server complained."),
        Event::ClientError(error) => tracing::debug!(%error, "The connection to NATS failed."),
        Event::LameDuckMode | Event::Draining => {}
    }
}
