//! `tidemill-fuzz`: so many seconds at each target; exits 1 with the first input that panics or hangs.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use tidemill_fuzz::{Campaign, TARGETS};

/// Mutated input against everything that takes input of others.
#[derive(Parser)]
struct Arguments {
    /// Seconds at each target.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only the targets whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// Seed of the mutations; by default another one each time.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the input under way lies, and what was found.
    #[arg(long, default_value = "target/fuzz")]
    folder: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    for target in TARGETS
        .into_iter()
        .filter(|target| target.name.contains(&arguments.only))
    {
        let name = target.name;
        let campaign = Campaign {
            target,
            time: Duration::from_secs(arguments.seconds),
            seed,
            folder: arguments.folder.clone(),
        };
        let (count, longest) = campaign.run()?;
        println!(
            "{name:<10} {count:>9} inputs, the longest {:.1} ms",
            longest.as_secs_f64() * 1000.0
        );
    }
    Ok(())
}
