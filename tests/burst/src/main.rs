//! `tidemill-burst`: 10,000 webhooks with kills in between; prints what was measured, exits 1 when a
//! promise was not kept.

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use tidemill_burst::{Plan, run};

/// A burst of webhooks on a real ingest and nats-server, both killed in between.
#[derive(Parser)]
struct Arguments {
    /// Requests in all.
    #[arg(long, default_value_t = 10_000)]
    webhooks: usize,
    /// Requests a second in the first half.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Seed of all that is random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { webhooks, rate, seed } = Arguments::parse();
    let plan = Plan {
        webhooks,
        rate,
        seed,
        limit: Duration::from_secs(300),
    };
    let report = run(plan).await?;
    println!("{report}");
    report.check_memory()
}
