//! How fast webhooks are accepted, beside bare publishes of the same size.

use std::time::Instant;

use anyhow::Result;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tidemill_burst::{CONNECTIONS, Stage};
use tidemill_bus::{Bus, Message};
use tokio::runtime::Runtime;

use crate::figure::{Aim, Figure};
use crate::floor::{self, milliseconds};

/// Rounds of ours and of the floor, in turn.
const ROUNDS: usize = 10;
/// Webhooks, and publishes, of a round.
const WEBHOOKS: usize = 1_000;
/// 70 % of the floor's rate, as time.
const RATIO: f64 = 1.0 / 0.7;

pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let (ours, floor) = runtime.block_on(rounds())?;
    Ok(vec![Figure {
        name: "1,000 webhooks accepted, 64 at once".into(),
        floor_name: "1,000 publishes of the same payload with ack, 64 at once".into(),
        unit: "ms",
        ours,
        floor,
        aims: vec![Aim::Ratio(RATIO)],
    }])
}

async fn rounds() -> Result<(Vec<f64>, Vec<f64>)> {
    let stage = Stage::start().await?;
    let bus = stage.bus().await?;
    floor::prepare(&bus).await?;
    let payload = stage.payload(&bus).await?;
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        ours.push(milliseconds(stage.flood(round * WEBHOOKS, WEBHOOKS).await?));
        // What was accepted is evaluated meanwhile, and to its end before anything else is measured.
        stage.settle().await?;
        floor.push(publishes(&bus, round, &payload).await?);
    }
    Ok((ours, floor))
}

async fn publishes(bus: &Bus, round: usize, payload: &[u8]) -> Result<f64> {
    let start = Instant::now();
    let mut open = FuturesUnordered::new();
    for index in 0..WEBHOOKS {
        if open.len() >= CONNECTIONS {
            open.next().await.transpose()?;
        }
        let subject = format!("floor.webhook.{round}.{index}");
        open.push(bus.publish_pipelined(Message::new(subject, payload.to_vec()).expecting(0)));
    }
    while open.next().await.transpose()?.is_some() {}
    Ok(milliseconds(start.elapsed()))
}
