//! Runs the end-to-end tests side by side; `cargo test -p tidemill-e2e -- scenario::` selects.

use libtest_mimic::{Arguments, Failed, Trial};
use tidemill_e2e::{Test, clients, docker, layout, pods, refusal, resume, scenario, server, webhook};

/// Tests mostly wait for each other's processes: more of them than cores.
const SIDE_BY_SIDE: usize = 8;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(SIDE_BY_SIDE));
    let trials = tests().into_iter().map(trial);
    // They need root and a cluster or an engine, and take minutes: run when asked for.
    let asked = pods::tests().into_iter().chain(docker::tests());
    let asked = asked.map(|test| trial(test).with_ignored_flag(true));
    let conclusion = libtest_mimic::run(&arguments, trials.chain(asked).collect());
    let spoken = server::stop_shared();
    if let (true, Some(spoken)) = (conclusion.has_failed(), spoken) {
        eprintln!("the shared server said:\n{spoken}");
    }
    conclusion.exit();
}

fn tests() -> Vec<Test> {
    let groups = [
        scenario::tests(),
        layout::tests(),
        refusal::tests(),
        resume::tests(),
        clients::tests(),
        webhook::tests(),
    ];
    groups.into_iter().flatten().collect()
}

fn trial(test: Test) -> Trial {
    Trial::test(test.name, move || {
        (test.body)().map_err(|error| Failed::from(format!("{error:#}")))
    })
}
