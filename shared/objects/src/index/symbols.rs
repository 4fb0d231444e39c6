//! Interned texts: label keys and values repeat, so each is kept once and counted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A text of [`Symbols`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol(u32);

/// Labels as pairs of symbols, ordered by key. They count as users of their symbols until given to
/// [`Symbols::release`].
#[derive(Debug, Default)]
pub(super) struct Labels(Box<[(Symbol, Symbol)]>);

/// Texts with the number of their users.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    by_text: HashMap<Arc<str>, Symbol>,
    slots: Vec<Slot>,
    free: Vec<Symbol>,
}

#[derive(Debug)]
struct Slot {
    text: Arc<str>,
    users: u32,
}

impl Symbols {
    pub(super) fn labels(&mut self, labels: &BTreeMap<String, String>) -> Labels {
        Labels(
            labels
                .iter()
                .map(|(key, value)| (self.acquire(key), self.acquire(value)))
                .collect(),
        )
    }

    /// The same labels for one more user.
    pub(super) fn share(&mut self, labels: &Labels) -> Labels {
        for &(key, value) in &labels.0 {
            self.slots[key.0 as usize].users += 1;
            self.slots[value.0 as usize].users += 1;
        }
        Labels(labels.0.clone())
    }

    pub(super) fn release(&mut self, labels: &Labels) {
        for &(key, value) in &labels.0 {
            self.drop_user(key);
            self.drop_user(value);
        }
    }

    /// The value of label `name`.
    pub(super) fn get<'a>(&'a self, labels: &Labels, name: &str) -> Option<&'a str> {
        let text = |symbol: Symbol| &*self.slots[symbol.0 as usize].text;
        labels
            .0
            .iter()
            .find(|&&(key, _)| text(key) == name)
            .map(|&(_, value)| text(value))
    }

    /// How many different texts there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_text.len()
    }

    fn acquire(&mut self, text: &str) -> Symbol {
        if let Some(&symbol) = self.by_text.get(text) {
            self.slots[symbol.0 as usize].users += 1;
            return symbol;
        }
        let text: Arc<str> = text.into();
        let slot = Slot {
            text: text.clone(),
            users: 1,
        };
        let symbol = if let Some(symbol) = self.free.pop() {
            self.slots[symbol.0 as usize] = slot;
            symbol
        } else {
            self.slots.push(slot);
            // 4 billion different texts do not fit into memory.
            Symbol((self.slots.len() - 1) as u32)
        };
        self.by_text.insert(text, symbol);
        symbol
    }

    fn drop_user(&mut self, symbol: Symbol) {
        let slot = &mut self.slots[symbol.0 as usize];
        slot.users -= 1;
        if slot.users == 0 {
            self.by_text.remove(&slot.text);
            slot.text = Arc::from("");
            self.free.push(symbol);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn texts_go_with_their_last_user() {
        let mut symbols = Symbols::default();
        let first = symbols.labels(&map(&[("a", "x"), ("b", "x")]));
        let second = symbols.share(&first);
        assert_eq!(symbols.slots.len(), 3);
        symbols.release(&first);
        assert_eq!(symbols.get(&second, "b"), Some("x"));
        assert_eq!(symbols.get(&second, "c"), None);
        symbols.release(&second);
        assert_eq!(symbols.len(), 0);
        let third = symbols.labels(&map(&[("k", "v")]));
        assert_eq!(symbols.slots.len(), 3, "freed slots are used again");
        assert_eq!(symbols.get(&third, "k"), Some("v"));
    }
}
