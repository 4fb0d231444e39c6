//! The real `kubectl` and `tkn` as clients, without any cluster.
//!
//! `TIDEMILL_KUBECTL` and `TIDEMILL_TKN` name the programs (`deploy/tools` prints them). Without them the
//! tests are skipped aloud; in CI they fail.

mod access;
mod fixtures;
mod kubectl;
mod listing;
mod program;
mod tkn;

use crate::Test;

/// All tests with real clients.
pub fn tests() -> Vec<Test> {
    [kubectl::tests(), listing::tests(), access::tests(), tkn::tests()]
        .into_iter()
        .flatten()
        .collect()
}
