//! Measures Tidemill beside what it cannot be faster than, in the same run.
//!
//! `tidemill-bench` prints a table and writes every sample to `target/bench`; `--check` compares
//! with the aims and exits 1 when one is missed; `--only NAME` takes one measure.

mod client;
mod figure;
mod floor;
mod measure;
mod stage;
mod stamp;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::figure::Figure;

/// Measures Tidemill beside its floors.
#[derive(Parser)]
struct Arguments {
    /// Compare with the aims; exit 1 when one is missed.
    #[arg(long)]
    check: bool,
    /// Measure pods, in the cluster of the kubeconfig.
    #[arg(long)]
    cluster: bool,
    /// Store so many runs, and measure what they cost those that come after them.
    #[arg(long, value_name = "COUNT", num_args = 0..=1, default_missing_value = "100000", conflicts_with = "cluster")]
    history: Option<usize>,
    /// Only the measures whose name holds this.
    #[arg(long)]
    only: Option<String>,
    /// Where the samples go.
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    let only = arguments.only.as_deref().unwrap_or_default();
    let figures = match arguments.history {
        Some(count) => measure::history(&runtime, count)?,
        None => measure::all(&runtime, only, arguments.cluster)?,
    };
    figure::save(&figures, &arguments.output)?;
    print!("{}", figure::table(&figures));
    let missed: Vec<&Figure> = figures.iter().filter(|figure| !figure.is_met()).collect();
    for figure in &missed {
        eprintln!("missed: {}", figure.verdict());
    }
    Ok(if arguments.check && !missed.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
