//! Runs the seed's pipeline on a real cluster: `make e2e-cluster`. Numbers select points: `-- 2 3`.
//!
//! `TIDEMILL_E2E_CLUSTER` is `short`, `full`, `traced`, `hundred`, `chart` or `clients`. Without it nothing is done, so
//! that `cargo test` alone builds no Kubernetes.

use tidemill_e2e::cluster::{self, Options};

fn main() -> std::process::ExitCode {
    let Ok(mode) = std::env::var("TIDEMILL_E2E_CLUSTER") else {
        println!("cluster: not asked for; `make e2e-cluster` does\n0 passed, 0 failed, 6 skipped");
        return std::process::ExitCode::SUCCESS;
    };
    let only: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let result = match mode.as_str() {
        "hundred" => cluster::hundred_runs().map(|()| 1),
        "chart" => cluster::chart().map(|()| 1),
        "clients" => cluster::clients().map(|()| 1),
        mode => {
            let options = Options {
                full: mode == "full",
                traced: mode == "traced",
            };
            cluster::run(options, &only)
        }
    };
    match result {
        Ok(done) => {
            println!("{done} passed, 0 failed");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error:#}\n0 passed, 1 failed");
            std::process::ExitCode::FAILURE
        }
    }
}
