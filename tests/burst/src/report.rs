//! What was measured.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::check::Found;
use crate::send::Sent;

/// Most memory ingest may take, in KiB: its index of the objects, and what is under way.
const MEMORY_MAX_KIB: u64 = 160 * 1024;

/// The figures of a burst.
#[derive(Clone, Debug)]
pub struct Report {
    requests: usize,
    again: usize,
    events: usize,
    objects: usize,
    retries: u32,
    steady: [Duration; 3],
    fast: [Duration; 3],
    worst: Duration,
    fast_rate: f64,
    memory_kib: u64,
    backlog: Duration,
    whole: Duration,
}

impl Report {
    pub(crate) fn new(
        sent: &[Sent],
        steady_count: usize,
        fast_rate: f64,
        found: &Found,
        memory_kib: u64,
        backlog: Duration,
        whole: Duration,
    ) -> Self {
        let (steady, fast) = sent.split_at(steady_count);
        Self {
            requests: sent.len(),
            again: sent.iter().map(|sent| sent.again).sum(),
            events: found.events(),
            objects: found.objects(),
            retries: found.retries(),
            steady: percentiles(steady),
            fast: percentiles(fast),
            worst: sent.iter().map(|sent| sent.whole).max().unwrap_or_default(),
            fast_rate,
            memory_kib,
            backlog,
            whole,
        }
    }

    /// Whether ingest stayed within its memory.
    ///
    /// # Errors
    /// Says how much it took.
    pub fn check_memory(&self) -> Result<()> {
        ensure!(
            self.memory_kib <= MEMORY_MAX_KIB,
            "ingest took {} KiB; it may take {MEMORY_MAX_KIB}",
            self.memory_kib
        );
        Ok(())
    }
}

/// p50, p99 and the longest time to an answer.
fn percentiles(sent: &[Sent]) -> [Duration; 3] {
    let mut all: Vec<Duration> = sent.iter().map(|sent| sent.answer).collect();
    all.sort_unstable();
    let at = |percent: usize| {
        all.get((all.len() * percent).div_ceil(100).max(1) - 1)
            .copied()
            .unwrap_or_default()
    };
    [at(50), at(99), at(100)]
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        writeln!(
            f,
            "{} requests answered 202, {} tries repeated",
            self.requests, self.again
        )?;
        writeln!(
            f,
            "{} events stored, {} objects made, none twice",
            self.events, self.objects
        )?;
        writeln!(f, "{} evaluations begun again after a kill", self.retries)?;
        for (name, [p50, p99, max]) in [("steady", self.steady), ("fast", self.fast)] {
            writeln!(
                f,
                "answer, {name:<7} p50 {:.1} ms, p99 {:.1} ms, longest {:.0} ms",
                ms(p50),
                ms(p99),
                ms(max)
            )?;
        }
        writeln!(f, "longest wait for a 202 through the kills {:.0} ms", ms(self.worst))?;
        writeln!(
            f,
            "as fast as it goes: {:.0} answers a second, kills included",
            self.fast_rate
        )?;
        writeln!(
            f,
            "backlog evaluated {:.1} s after the last answer",
            self.backlog.as_secs_f64()
        )?;
        writeln!(f, "memory of ingest at most {} MiB", self.memory_kib / 1024)?;
        write!(f, "{:.0} s in all", self.whole.as_secs_f64())
    }
}
