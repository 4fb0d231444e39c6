//! Bodies kept in memory: the newest and the last asked for, up to a number of bytes.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

/// A least-recently-used cache by sequence.
#[derive(Debug)]
pub(crate) struct Bodies {
    limit_bytes: usize,
    bytes: usize,
    clock: u64,
    bodies: HashMap<u64, (Bytes, u64)>,
    by_use: BTreeMap<u64, u64>,
}

impl Bodies {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            bytes: 0,
            clock: 0,
            bodies: HashMap::new(),
            by_use: BTreeMap::new(),
        }
    }

    pub(crate) fn get(&mut self, sequence: u64) -> Option<Bytes> {
        let (body, used) = self.bodies.get_mut(&sequence)?;
        self.by_use.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.by_use.insert(self.clock, sequence);
        Some(body.clone())
    }

    /// The same, which does not count as use.
    pub(crate) fn peek(&self, sequence: u64) -> Option<Bytes> {
        self.bodies.get(&sequence).map(|(body, _)| body.clone())
    }

    pub(crate) fn insert(&mut self, sequence: u64, body: Bytes) {
        if body.len() > self.limit_bytes || self.get(sequence).is_some() {
            return;
        }
        self.clock += 1;
        self.bytes += body.len();
        self.bodies.insert(sequence, (body, self.clock));
        self.by_use.insert(self.clock, sequence);
        while self.bytes > self.limit_bytes {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                break;
            };
            if let Some((body, _)) = self.bodies.remove(&oldest) {
                self.bytes -= body.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut bodies = Bodies::new(10);
        bodies.insert(1, Bytes::from_static(b"aaaa"));
        bodies.insert(2, Bytes::from_static(b"bbbb"));
        assert!(bodies.get(1).is_some());
        bodies.insert(3, Bytes::from_static(b"cccc"));
        assert!(bodies.get(2).is_none());
        assert!(bodies.get(1).is_some() && bodies.get(3).is_some());
        bodies.insert(4, Bytes::from_static(b"larger than all"));
        assert!(bodies.get(4).is_none());
        assert_eq!(bodies.bytes, 8);
        bodies.insert(1, Bytes::from_static(b"aaaa"));
        assert_eq!(bodies.bytes, 8, "the same body counts once");
    }
}
