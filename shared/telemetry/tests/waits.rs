//! Counting waits for nobody, as the kernel counts it.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tidemill_telemetry::metrics::{Family, Kind};

/// More threads than processors: who must wait for another is found waiting.
const THREADS: usize = 8;
/// What each thread counts.
const COUNTS: u32 = 50_000;
/// A machine without memory to spare makes a thread wait for a page; not three times over.
const TRIES: usize = 3;

static TIMES: Family = Family::new("times", Kind::Seconds, &[("class", &["process", "other"])], "");
static COUNT: Family = Family::new("count", Kind::Counter, &[], "");

/// How often this thread gave its processor away to wait for something.
fn waits() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

/// How often all threads waited while each did `action` so often.
fn waits_of(times: u32, action: impl Fn() + Sync) -> u64 {
    let go = AtomicBool::new(false);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    while !go.load(Ordering::Acquire) {
                        std::hint::spin_loop();
                    }
                    let before = waits();
                    for _ in 0..times {
                        action();
                    }
                    waits() - before
                })
            })
            .collect();
        go.store(true, Ordering::Release);
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn counting_waits_for_nobody() {
    // The first that counts makes the numbers.
    TIMES.of(&["process"]).observe(Duration::ZERO);
    COUNT.plain().increment();
    let counted = (0..TRIES)
        .map(|_| {
            waits_of(COUNTS, || {
                TIMES.of(&["process"]).observe(Duration::from_millis(3));
                COUNT.plain().increment();
            })
        })
        .min();
    assert_eq!(counted, Some(0), "counting waits");
}

#[test]
fn a_lock_would_be_found() {
    let lock = Mutex::new(0_u64);
    let counted = waits_of(200, || {
        let mut value = lock.lock().unwrap();
        *value += 1;
        // While another processor, or the next thread on this one, asks for it.
        thread::yield_now();
    });
    assert!(
        counted > 0,
        "threads that share a lock never wait: this test sees nothing"
    );
}
