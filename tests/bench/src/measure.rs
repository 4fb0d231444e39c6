//! The measures.

mod api;
mod chain;
mod cluster;
mod fan_out;
mod history;
mod start;
mod stored;
mod telemetry;
mod webhook;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;

use crate::figure::Figure;

pub(crate) use history::measure as history;

type Measure = fn(&Runtime) -> Result<Vec<Figure>>;

const MEASURES: [(&str, Measure); 7] = [
    ("chain", chain::measure),
    ("stored", stored::measure),
    ("fan-out", fan_out::measure),
    ("start", start::measure),
    ("webhook", webhook::measure),
    ("telemetry", telemetry::measure),
    ("api", api::measure),
];

/// Those that need a cluster.
const CLUSTER_MEASURES: [(&str, Measure); 1] = [("cluster", cluster::measure)];

/// All measures whose name holds `only`, one after the other; on a cluster, those that need one.
pub(crate) fn all(runtime: &Runtime, only: &str, cluster: bool) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let measures = if cluster { &CLUSTER_MEASURES[..] } else { &MEASURES };
    for (name, measure) in measures.iter().filter(|(name, _)| name.contains(only)) {
        eprintln!("measuring: {name}");
        figures.extend(measure(runtime).with_context(|| format!("measure {name}"))?);
    }
    Ok(figures)
}
