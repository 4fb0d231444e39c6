//! Stored messages and bytes a task, counted by the streams' sequences.

use anyhow::Result;
use tidemill_bus::Bus;
use tokio::runtime::Runtime;

use crate::figure::{Aim, Figure};
use crate::stage::Stage;

/// Streams a run writes into.
const STREAMS: [&str; 7] = ["objects", "facts", "runs", "claims", "timers", "blobs", "logs"];
/// Two chains: their difference is what a task costs, without what a run costs.
const LENGTHS: [usize; 2] = [10, 60];

pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let mut stage = Stage::start()?;
    let bus = runtime.block_on(stage.bus())?;
    let short = cost(&mut stage, runtime, &bus, LENGTHS[0])?;
    let long = cost(&mut stage, runtime, &bus, LENGTHS[1])?;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let each = |long: u64, short: u64| (long as f64 - short as f64) / (LENGTHS[1] - LENGTHS[0]) as f64;
    let figure = |name: &str, unit, value, most| Figure {
        name: name.into(),
        floor_name: String::new(),
        unit,
        ours: vec![value],
        floor: Vec::new(),
        aims: vec![Aim::Median(most)],
    };
    Ok(vec![
        figure("stored messages a task", "", each(long.0, short.0), 6.0),
        figure("stored bytes a task", "KiB", each(long.1, short.1) / 1024.0, 6.0),
    ])
}

/// Messages and bytes (subject, headers, payload as it is stored) that a chain leaves in the streams.
fn cost(stage: &mut Stage, runtime: &Runtime, bus: &Bus, length: usize) -> Result<(u64, u64)> {
    let before = runtime.block_on(sequences(bus))?;
    stage.run(length, true)?;
    // The run's own end is written after its last stamp.
    stage.settle()?;
    let after = runtime.block_on(sequences(bus))?;
    let messages = after.iter().zip(&before).map(|(after, before)| after - before).sum();
    let mut bytes = 0;
    for (stream, from) in STREAMS.iter().zip(&before) {
        for stored in runtime.block_on(bus.read_all(stream, ">", from + 1, false))? {
            let headers: usize = stored
                .headers
                .iter()
                .map(|(name, value)| name.len() + value.len() + 4)
                .sum();
            bytes += stored.subject.len() + headers + tidemill_bus::stored_bytes(&stored.payload);
        }
    }
    Ok((messages, u64::try_from(bytes)?))
}

async fn sequences(bus: &Bus) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    for stream in STREAMS {
        all.push(bus.last_sequence(stream).await?);
    }
    Ok(all)
}
