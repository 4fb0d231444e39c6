//! The task that keeps the store in order: namespaces furnished, garbage collected, old tombstones
//! swept.

use std::time::Duration;

use jiff::SignedDuration;
use tidemill_messages::stream::OBJECTS;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{Error, Objects, garbage};

/// How long to wait before failed work is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Works until `shutdown`. Several processes may: everything here can be done twice.
pub(crate) async fn run(objects: Objects, shutdown: CancellationToken) {
    let work = async { tokio::join!(furnish(&objects), sweep_forever(&objects), garbage::run(&objects)) };
    tokio::select! {
        () = shutdown.cancelled() => {}
        _ = work => {}
    }
}

async fn furnish(objects: &Objects) {
    if !objects.inner.options.own_namespaces {
        return;
    }
    loop {
        if objects.ready().await.is_ok() && objects.furnish_namespaces().await.is_ok() {
            return;
        }
        sleep(AGAIN).await;
    }
}

async fn sweep_forever(objects: &Objects) {
    loop {
        sleep(objects.inner.options.sweep_every).await;
        if let Err(error) = sweep(objects).await {
            tracing::warn!(%error, "Old tombstones were not swept; it is tried again.");
        }
    }
}

/// Removes the tombstones that are older than `tombstone-age`.
async fn sweep(objects: &Objects) -> Result<(), Error> {
    let inner = &objects.inner;
    inner.check_ready()?;
    let age = SignedDuration::try_from(inner.options.tombstone_age).unwrap_or(SignedDuration::MAX);
    let Ok(before) = inner.bus.now().checked_sub(age) else {
        return Ok(());
    };
    let old = inner.index().old_tombstones(before);
    for (subject, sequence) in old {
        // Only this message: what was stored over it since has a higher sequence.
        inner.bus.purge(OBJECTS, &subject, Some(sequence + 1)).await?;
        inner.index_mut().forget_tombstone(sequence);
    }
    Ok(())
}
