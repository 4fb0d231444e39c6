//! Orders of many names.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::index::pool::Pool;

/// An order and its entries.
struct Names {
    entries: Slab<Entry>,
    order: Order,
    namespace: Id,
}

impl Names {
    fn new() -> Self {
        Self {
            entries: Slab::default(),
            order: Order::default(),
            namespace: Pool::<str>::default().take("").0,
        }
    }

    fn insert(&mut self, name: &str) {
        let entry = Entry::placeholder(None, self.namespace, name, Uuid::nil());
        let id = self.entries.insert(entry);
        self.order.insert(&self.entries, id);
    }

    fn remove(&mut self, name: &str) {
        self.order.remove(&self.entries, name);
    }

    fn all(&self, place: Place<'_>) -> Vec<&str> {
        self.order.ids_from(place).map(|id| &*self.entries[id].name).collect()
    }

    fn sizes(&self) -> Vec<usize> {
        self.order.blocks.values().map(Vec::len).collect()
    }
}

fn name(number: usize) -> String {
    format!("{number:05}")
}

#[test]
fn ascending_names_fill_their_blocks() {
    let mut names = Names::new();
    for number in 0..3 * BLOCK + 1 {
        names.insert(&name(number));
    }
    assert_eq!(names.sizes(), [BLOCK, BLOCK, BLOCK, 1]);
    // One in the middle makes two of a block; a few that are left are put together.
    names.insert(&format!("{}-x", name(BLOCK)));
    assert_eq!(names.sizes(), [BLOCK, BLOCK / 2 + 1, BLOCK / 2, BLOCK, 1]);
    for number in 0..BLOCK - FEW + 1 {
        names.remove(&name(number));
    }
    assert_eq!(names.sizes()[0], FEW - 1 + BLOCK / 2 + 1);
    for number in 0..3 * BLOCK + 1 {
        names.remove(&name(number));
    }
    assert_eq!((names.sizes(), names.order.len()), (vec![1], 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_order_is_as_a_set(
        turns in prop::collection::vec((0..4_000_usize, any::<bool>()), 1..6_000),
        asked in prop::collection::vec(0..4_000_usize, 20),
    ) {
        let (mut names, mut set) = (Names::new(), std::collections::BTreeSet::new());
        // More insertions than removals at first, the other way round in the end.
        for (turn, &(number, stays)) in turns.iter().enumerate() {
            let number = name(number);
            if set.contains(&number) {
                if !stays || turn > 5_000 {
                    set.remove(&number);
                    names.remove(&number);
                }
            } else if stays || turn < 3_000 {
                names.insert(&number);
                set.insert(number);
            }
        }
        prop_assert_eq!(names.all(Place::default()), set.iter().collect::<Vec<_>>());
        prop_assert!(names.sizes().iter().all(|size| (1..=BLOCK).contains(size)));
        for number in asked.into_iter().map(name) {
            let found = names.order.find(&names.entries, &number);
            prop_assert_eq!(found.is_some(), set.contains(&number));
            let after = names.order.after(&names.entries, &number);
            let rest: Vec<_> = set.iter().filter(|known| **known > number).collect();
            prop_assert_eq!(names.order.count_from(after), rest.len());
            prop_assert_eq!(names.all(after), rest);
        }
    }
}
