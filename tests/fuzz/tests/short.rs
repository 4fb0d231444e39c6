//! A second at each target, and all that was kept; `make fuzz` is the long one.

use std::path::Path;
use std::time::Duration;

use tidemill_fuzz::{Campaign, TARGETS};

#[test]
fn nothing_panics_or_hangs() {
    for target in TARGETS {
        let name = target.name;
        let campaign = Campaign {
            target,
            time: Duration::from_secs(1),
            // The same each time: a failure here is a failure everywhere.
            seed: 11,
            folder: Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz"),
        };
        let (count, longest) = campaign.run().unwrap();
        println!("{name}: {count} inputs, the longest {longest:?}");
    }
}
