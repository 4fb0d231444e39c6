//! A thousand tasks side by side.

use std::time::Duration;

use anyhow::Result;
use tokio::runtime::Runtime;

use crate::figure::{Aim, Figure};
use crate::floor::{self, milliseconds};
use crate::stage::Stage;

/// Tasks side by side.
const COUNT: usize = 1000;
/// Publishes of the floor: the fewest a task needs.
const PUBLISHES: usize = 4 * COUNT;
/// Rounds of ours and floor in turn.
const ROUNDS: usize = 3;

pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let mut stage = Stage::start()?;
    let bus = runtime.block_on(stage.bus())?;
    runtime.block_on(floor::prepare(&bus))?;
    let parallel = std::thread::available_parallelism()?.get();
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (_, took) = stage.run(COUNT, false)?;
        ours.push(milliseconds(took));
        stage.settle()?;
        let processes = floor::fan_out(
            &stage.program(),
            &stage.file(&format!("floor-{round}")),
            COUNT,
            parallel,
        )?;
        let publishes: Duration = runtime.block_on(floor::publishes(&bus, PUBLISHES, round))?;
        floors.push(milliseconds(processes + publishes));
    }
    Ok(vec![Figure {
        name: format!("fan-out of {COUNT} tasks"),
        floor_name: format!(
            "{COUNT} times the same program in namespaces of its own by xargs -P {parallel}, and {PUBLISHES} publishes, window 256"
        ),
        unit: "ms",
        ours,
        floor: floors,
        aims: vec![Aim::Ratio(1.5)],
    }])
}
