//! The measures.

mod chain;
mod fan_out;
mod start;
mod stored;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;

use crate::figure::Figure;

type Measure = fn(&Runtime) -> Result<Vec<Figure>>;

const MEASURES: [(&str, Measure); 4] = [
    ("chain", chain::measure),
    ("stored", stored::measure),
    ("fan-out", fan_out::measure),
    ("start", start::measure),
];

/// All measures whose name holds `only`, one after the other.
pub(crate) fn all(runtime: &Runtime, only: &str) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (name, measure) in MEASURES.iter().filter(|(name, _)| name.contains(only)) {
        eprintln!("measuring: {name}");
        figures.extend(measure(runtime).with_context(|| format!("measure {name}"))?);
    }
    Ok(figures)
}
