//! Fuel: what bounds the work of an expression.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cel::ExecutionError;
use cel::common::types::{CelBytes, CelList, CelMap, CelString};
use cel::common::value::Val;

/// Bytes of a text that cost one step.
const BYTES_PER_STEP: usize = 64;

/// What is left to one expression.
#[derive(Debug)]
pub(super) struct Meter {
    left: AtomicU64,
    is_out: AtomicBool,
}

impl Meter {
    pub(super) fn new(fuel: u64) -> Self {
        Self {
            left: AtomicU64::new(fuel),
            is_out: AtomicBool::new(false),
        }
    }

    /// Whether more was asked for than there was. An error of one branch may
    /// be absorbed by another, so this decides in the end.
    pub(super) fn is_out(&self) -> bool {
        self.is_out.load(Ordering::Relaxed)
    }

    /// Takes steps.
    pub(super) fn pay(&self, steps: u64) -> Result<(), ExecutionError> {
        let left = self.left.load(Ordering::Relaxed);
        match left.checked_sub(steps) {
            Some(rest) if !self.is_out() => {
                self.left.store(rest, Ordering::Relaxed);
                Ok(())
            }
            _ => {
                self.is_out.store(true, Ordering::Relaxed);
                Err(ExecutionError::function_error("fuel", "it takes too long"))
            }
        }
    }

    /// Takes as many steps as a value is large.
    pub(super) fn pay_for(&self, value: &dyn Val) -> Result<(), ExecutionError> {
        let left = self.left.load(Ordering::Relaxed);
        self.pay(size(value, left.saturating_add(1)))
    }

    /// Takes as many steps as a text of these bytes costs.
    pub(super) fn pay_bytes(&self, bytes: usize) -> Result<(), ExecutionError> {
        self.pay(steps(bytes))
    }
}

/// The size of a value; counting ends where it exceeds `most`.
fn size(value: &dyn Val, most: u64) -> u64 {
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        return steps(text.inner().len());
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        return steps(bytes.inner().len());
    }
    let mut sum = 1_u64;
    if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        for item in list.inner() {
            if sum > most {
                return sum;
            }
            sum = sum.saturating_add(size(item.as_ref(), most - sum.min(most)));
        }
    } else if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        for (key, item) in map.inner() {
            if sum > most {
                return sum;
            }
            sum = sum.saturating_add(size(key.inner(), most - sum.min(most)));
            sum = sum.saturating_add(size(item.as_ref(), most - sum.min(most)));
        }
    }
    sum
}

fn steps(bytes: usize) -> u64 {
    1 + u64::try_from(bytes / BYTES_PER_STEP).unwrap_or(u64::MAX)
}
