//! The real `kubectl` and `tkn` as clients, without any cluster and through the API server of one.
//!
//! `TIDEMILL_KUBECTL` and `TIDEMILL_TKN` name the programs (`deploy/tools` prints them), `TIDEMILL_KUBERNETES` the
//! folder of Kubernetes' own. Without them the tests are skipped aloud; in CI they fail.

mod access;
mod aggregated;
pub(crate) mod fixtures;
mod ground;
mod kubectl;
mod listing;
mod program;
mod tkn;

pub use ground::stop as stop_cluster;

use crate::Test;
use ground::Ground;

/// All tests with real clients.
pub fn tests() -> Vec<Test> {
    let of = |ground| {
        [
            kubectl::tests(ground),
            listing::tests(ground),
            access::tests(ground),
            tkn::tests(ground),
        ]
    };
    let all = of(Ground::Alone).into_iter().chain(of(Ground::Cluster));
    all.chain([aggregated::tests()]).flatten().collect()
}
