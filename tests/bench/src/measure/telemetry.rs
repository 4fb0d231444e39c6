//! What telemetry costs: hops of chains that are told to a collector, beside hops of chains that nobody is told of.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Result, ensure};
use tidemill_kit::Collector;
use tidemill_kit::collector::Mood;
use tokio::runtime::Runtime;

use super::chain::hops_of;
use crate::figure::{Aim, Figure};
use crate::stage::Stage;

/// Tasks of a chain.
const LENGTH: usize = 20;
/// Chains of each kind on one set of servers.
const CHAINS: usize = 27;
/// Sets of servers, so that no place on the disk decides: 4 × 27 × 19 hops are over 2,000 pairs.
const ROUNDS: usize = 4;
/// How long a collector may wait for the spans of a chain that is over.
const TELL_LIMIT: Duration = Duration::from_secs(30);
/// Slower than nothing by at most so much, at the median of the pairs.
const AIM: Aim = Aim::Paired(1.05);

/// One server for each: its spans are taken, are not, are not made.
struct Stages {
    told: Stage,
    collector: Collector,
    lost: Stage,
    deaf: Collector,
    silent: Stage,
}

/// Hops in milliseconds; those of one place belong together.
#[derive(Default)]
struct Hops {
    told: Vec<f64>,
    lost: Vec<f64>,
    silent: Vec<f64>,
}

pub(crate) fn measure(_: &Runtime) -> Result<Vec<Figure>> {
    let (mut hanging, mut refusing) = (Hops::default(), Hops::default());
    for round in 0..ROUNDS {
        let hangs = round % 2 == 0;
        let mut stages = Stages::start(if hangs { Mood::Hang } else { Mood::Refuse }, round / 2 == 0)?;
        stages.measure(if hangs { &mut hanging } else { &mut refusing })?;
    }
    let without = "the same chains without telemetry, in turn";
    let figure = |name: &str, ours: Vec<f64>, floor: Vec<f64>| Figure {
        name: name.to_owned(),
        floor_name: without.to_owned(),
        unit: "ms",
        ours,
        floor,
        aims: vec![AIM],
    };
    Ok(vec![
        figure(
            "hop with spans and metrics sent",
            [hanging.told, refusing.told].concat(),
            [hanging.silent.clone(), refusing.silent.clone()].concat(),
        ),
        figure("hop, the collector hangs", hanging.lost, hanging.silent),
        figure("hop, the collector refuses", refusing.lost, refusing.silent),
    ])
}

impl Stages {
    fn start(mood: Mood, silent_first: bool) -> Result<Self> {
        let (collector, deaf) = (Collector::start()?, Collector::start()?);
        deaf.set(mood);
        let early = if silent_first { Some(Stage::start()?) } else { None };
        let (told, lost) = (telling(&collector)?, telling(&deaf)?);
        Ok(Self {
            told,
            collector,
            lost,
            deaf,
            silent: early.map_or_else(Stage::start, Ok)?,
        })
    }

    /// Chains in turn, each kind as often first as the others.
    fn measure(&mut self, hops: &mut Hops) -> Result<()> {
        for stage in [&mut self.told, &mut self.lost, &mut self.silent] {
            stage.run(LENGTH, true)?;
        }
        for chain in 0..CHAINS {
            for turn in 0..3 {
                match (chain + turn) % 3 {
                    0 => hops.told.extend(self.told_chain()?),
                    1 => hops.lost.extend(hops_of(&self.lost.run(LENGTH, true)?.0)),
                    _ => hops.silent.extend(hops_of(&self.silent.run(LENGTH, true)?.0)),
                }
            }
        }
        ensure!(self.deaf.requests() > 0, "the deaf collector was never told anything");
        ensure!(self.deaf.received().is_empty(), "the deaf collector took spans");
        Ok(())
    }

    /// A chain whose every task the collector has heard of; what is still to be told burdens nobody else.
    fn told_chain(&mut self) -> Result<Vec<f64>> {
        let (stamps, _) = self.told.run(LENGTH, true)?;
        let run = self.told.last_run();
        let told = self.collector.wait_until_has(TELL_LIMIT, |span| {
            span.attributes.get("tidemill.run.name") == Some(&run)
        });
        ensure!(told, "the collector did not hear of {run}");
        Ok(hops_of(&stamps))
    }
}

/// A server that sends spans and metrics, and answers for the latter.
fn telling(collector: &Collector) -> Result<Stage> {
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    Stage::start_with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint()),
        ("TIDEMILL_TELEMETRY_LISTEN", &listen),
        ("TIDEMILL_TELEMETRY_INTERVAL", "1s"),
    ])
}
