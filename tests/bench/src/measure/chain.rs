//! The hop: from the end of one task's process to the begin of the next one's.

use std::time::Duration;

use anyhow::Result;
use tokio::runtime::Runtime;

use crate::figure::{Aim, Figure, percentile};
use crate::floor::{self, milliseconds};
use crate::stage::Stage;
use crate::stamp::Stamp;

/// Tasks of a chain.
const LENGTH: usize = 20;
/// Chains, each followed by as many floor samples: 11 × 19 hops are over 200.
const ROUNDS: usize = 11;
/// Length of the chain that must not slow down.
const LONG: usize = 1000;
/// How many hops are compared at both ends of the long chain.
const ENDS: usize = 100;

pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let mut stage = Stage::start()?;
    let bus = runtime.block_on(stage.bus())?;
    runtime.block_on(floor::prepare(&bus))?;
    stage.run(LENGTH, true)?;
    let (mut hops, mut floors, mut chains, mut singles) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (stamps, _) = stage.run(LENGTH, true)?;
        hops.extend(hops_of(&stamps));
        chains.push(span_ms(&stamps));
        stage.settle()?;
        let file = stage.file(&format!("floor-{round}"));
        let mut sum = 0.0;
        for index in 0..LENGTH {
            let sample = runtime.block_on(floor::publish_then_exec(
                &bus,
                &stage.program(),
                &file,
                &format!("f{index}"),
            ))?;
            sum += sample;
            floors.push(sample);
        }
        singles.push(sum);
    }
    let (stamps, _) = stage.run(LONG, true)?;
    let long = hops_of(&stamps);
    let first = percentile(&long[..ENDS], 50.0);
    let growth = percentile(&long[long.len() - ENDS..], 50.0) / first;
    Ok(vec![
        Figure {
            name: "hop: task ends, next one starts".into(),
            floor_name: "publish with ack, then a process in namespaces of its own (unshare)".into(),
            unit: "ms",
            ours: hops,
            floor: floors,
            aims: vec![Aim::Ratio(2.0), Aim::Median(6.0), Aim::P99(40.0)],
        },
        Figure {
            name: format!("chain of {LENGTH} tasks"),
            floor_name: format!("{LENGTH} times the hop's floor"),
            unit: "ms",
            ours: chains,
            floor: singles,
            aims: vec![Aim::Ratio(2.0)],
        },
        Figure {
            name: format!("growth: last hops of {LONG} to its first"),
            floor_name: String::new(),
            unit: "x",
            ours: vec![growth],
            floor: Vec::new(),
            aims: vec![Aim::Median(1.2)],
        },
    ])
}

/// Milliseconds from the end of each task's process to the begin of the next one's.
pub(super) fn hops_of(stamps: &[Stamp]) -> Vec<f64> {
    let between = |pair: &[Stamp]| Duration::from_nanos(pair[1].begin_ns.saturating_sub(pair[0].end_ns));
    stamps.windows(2).map(|pair| milliseconds(between(pair))).collect()
}

fn span_ms(stamps: &[Stamp]) -> f64 {
    let (Some(first), Some(last)) = (stamps.first(), stamps.last()) else {
        return f64::NAN;
    };
    milliseconds(Duration::from_nanos(last.end_ns.saturating_sub(first.begin_ns)))
}
