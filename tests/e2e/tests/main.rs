//! Runs the end-to-end tests side by side; `cargo test -p tidemill-e2e -- scenario::` selects.

use libtest_mimic::{Arguments, Failed, Trial};
use tidemill_e2e::{Test, clients, docker, layout, pods, refusal, resume, scenario, server, trace, webhook};
use tidemill_kit::docker::Engine;

/// Tests mostly wait for each other's processes: more of them than cores.
const SIDE_BY_SIDE: usize = 8;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(SIDE_BY_SIDE));
    // They take longest, and begin first.
    let mut trials = on_engine();
    trials.extend(tests().into_iter().map(trial));
    // They need root and a cluster, and take minutes: run when asked for.
    trials.extend(
        pods::tests()
            .into_iter()
            .map(|test| trial(test).with_ignored_flag(true)),
    );
    let conclusion = libtest_mimic::run(&arguments, trials);
    clients::stop_cluster();
    let spoken = server::stop_shared();
    if let (true, Some(spoken)) = (conclusion.has_failed(), spoken) {
        eprintln!("the shared server said:\n{spoken}");
    }
    conclusion.exit();
}

/// The tests on a Docker engine. Where none can be started they say so and are left out; in CI they fail.
fn on_engine() -> Vec<Trial> {
    let missing = match Engine::missing() {
        Ok(missing) => missing,
        Err(error) => Some(format!("{error:#}")),
    };
    let is_required = std::env::var_os("CI").is_some();
    let reason = missing.filter(|_| !is_required);
    if let Some(reason) = &reason {
        eprintln!("the tests on Docker are left out: {reason}");
    }
    let all = docker::tests().into_iter().map(trial);
    let all = all.map(|trial| match &reason {
        Some(reason) => trial.with_kind(reason.clone()).with_ignored_flag(true),
        None => trial,
    });
    all.collect()
}

fn tests() -> Vec<Test> {
    let groups = [
        scenario::tests(),
        layout::tests(),
        refusal::tests(),
        resume::tests(),
        clients::tests(),
        webhook::tests(),
        trace::tests(),
    ];
    groups.into_iter().flatten().collect()
}

fn trial(test: Test) -> Trial {
    Trial::test(test.name, move || {
        (test.body)().map_err(|error| Failed::from(format!("{error:#}")))
    })
}
