//! One trace from the push to the rollback, read back from a collector.

mod apart;
mod canary;
mod catalogue;
mod compose;
mod hop;
mod logs;
mod metrics;
mod outage;
pub(crate) mod picture;
mod request;
mod story;
pub(crate) mod tree;

use crate::Test;

/// The whole trace, with kills; a collector that does not work.
pub fn tests() -> Vec<Test> {
    let mut tests = story::tests();
    tests.extend(apart::tests());
    tests.extend(outage::tests());
    tests.extend(hop::tests());
    tests.extend(logs::tests());
    tests.extend(metrics::tests());
    tests.extend(catalogue::tests());
    tests.extend(compose::tests());
    tests.extend(canary::tests());
    tests.extend(request::tests());
    tests
}
