//! A metric and its numbers, one set for each combination of its labels.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use jiff::SignedDuration;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Times, in seconds, by the upper bounds of [`BOUNDS_S`].
    Seconds,
}

/// Upper bounds of times, in seconds: from a hop to an hour.
pub const BOUNDS_S: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0, 600.0, 3600.0,
];

/// A label and the values it may have. What is none of them is the last.
pub type Label = (&'static str, &'static [&'static str]);

/// A metric.
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// What it tells, in one sentence.
    pub help: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [Label],
    /// Other names under which it is told as well: those that Tekton has, or had, for it.
    pub also: &'static [&'static str],
    cells: OnceLock<Box<[Cells]>>,
}

/// The numbers of one combination of labels.
#[derive(Debug, Default)]
pub struct Cells {
    value: AtomicI64,
    /// Times of at most [`BOUNDS_S`] each, and longer ones; empty for what is no time.
    buckets: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

/// The numbers of one combination of labels, as they were.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Names and values of its labels.
    pub labels: Vec<(&'static str, &'static str)>,
    /// Value of a counter or gauge; how many times were observed.
    pub value: i64,
    /// How many times lie in each bucket, longer ones last.
    pub buckets: Vec<u64>,
    /// Their sum in seconds.
    pub sum_s: f64,
}

impl Family {
    /// A metric without numbers yet.
    pub const fn new(name: &'static str, kind: Kind, labels: &'static [Label], help: &'static str) -> Self {
        Self {
            name,
            help,
            kind,
            labels,
            also: &[],
            cells: OnceLock::new(),
        }
    }

    /// The same, told under these names as well.
    pub const fn also(mut self, names: &'static [&'static str]) -> Self {
        self.also = names;
        self
    }

    /// All its names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.also.iter().copied())
    }

    /// The numbers of a combination of labels, values in the order of the labels.
    pub fn of(&self, values: &[&str]) -> &Cells {
        let cells = self.cells.get_or_init(|| self.make());
        let index = self.labels.iter().enumerate().fold(0, |index, (label, (_, known))| {
            let value = values.get(label).copied().unwrap_or_default();
            let position = known.iter().position(|known| *known == value);
            index * known.len() + position.unwrap_or(known.len() - 1)
        });
        &cells[index]
    }

    /// The numbers of a metric without labels.
    pub fn plain(&self) -> &Cells {
        self.of(&[])
    }

    fn make(&self) -> Box<[Cells]> {
        let count: usize = self.labels.iter().map(|(_, values)| values.len()).product();
        let buckets = if self.kind == Kind::Seconds {
            BOUNDS_S.len() + 1
        } else {
            0
        };
        let cell = || Cells {
            buckets: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
            ..Cells::default()
        };
        std::iter::repeat_with(cell).take(count).collect()
    }

    /// All numbers; those of combinations that never occurred are left out, unless there is but one.
    pub fn snapshot(&self) -> Vec<Snapshot> {
        let cells = self.cells.get_or_init(|| self.make());
        let all = cells
            .iter()
            .enumerate()
            .map(|(index, cell)| cell.snapshot(self.values(index)));
        all.filter(|one| self.labels.is_empty() || one.value != 0 || self.kind == Kind::Gauge)
            .collect()
    }

    fn values(&self, mut index: usize) -> Vec<(&'static str, &'static str)> {
        let mut values = Vec::with_capacity(self.labels.len());
        for (name, known) in self.labels.iter().rev() {
            values.push((*name, known[index % known.len()]));
            index /= known.len();
        }
        values.reverse();
        values
    }
}

impl Cells {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: i64) {
        self.value.fetch_add(count, Ordering::Relaxed);
    }

    /// It is so many now.
    pub fn set(&self, value: i64) {
        self.value.store(value, Ordering::Relaxed);
    }

    /// It took so long.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS_S
            .iter()
            .position(|bound| seconds <= *bound)
            .unwrap_or(BOUNDS_S.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
        self.value.fetch_add(1, Ordering::Relaxed);
    }

    /// It took so long; clocks of two machines may say less than nothing, which is nothing.
    pub fn observe_signed(&self, took: SignedDuration) {
        self.observe(Duration::try_from(took).unwrap_or_default());
    }

    /// The value now.
    pub fn value(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }

    fn snapshot(&self, labels: Vec<(&'static str, &'static str)>) -> Snapshot {
        Snapshot {
            labels,
            value: self.value(),
            buckets: self
                .buckets
                .iter()
                .map(|bucket| bucket.load(Ordering::Relaxed))
                .collect(),
            sum_s: self.sum_us.load(Ordering::Relaxed) as f64 / 1e6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TIMES: Family = Family::new(
        "t",
        Kind::Seconds,
        &[("a", &["x", "other"]), ("b", &["y", "z", "other"])],
        "",
    );

    #[test]
    fn each_combination_of_labels_counts_by_itself() {
        TIMES.of(&["x", "z"]).observe(Duration::from_millis(2));
        TIMES.of(&["x", "z"]).observe(Duration::from_secs(7200));
        TIMES
            .of(&["nobody", "knows"])
            .observe_signed(SignedDuration::from_secs(-1));
        let all = TIMES.snapshot();
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!(all[0].labels, [("a", "x"), ("b", "z")]);
        assert_eq!((all[0].value, all[0].sum_s), (2, 7200.002));
        assert_eq!((all[0].buckets[1], all[0].buckets[BOUNDS_S.len()]), (1, 1));
        assert_eq!(all[1].labels, [("a", "other"), ("b", "other")]);
        assert_eq!(all[1].buckets[0], 1);
    }
}
