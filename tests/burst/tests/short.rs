//! A small burst, for every run of the tests; `make burst` is the large one.

use std::time::Duration;

use tidemill_burst::{Plan, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_small_burst_keeps_every_promise() {
    let plan = Plan {
        webhooks: 600,
        rate: 200,
        seed: 7,
        limit: Duration::from_secs(120),
    };
    let report = run(plan).await.unwrap();
    println!("{report}");
    report.check_memory().unwrap();
}
