//! Making inputs out of others.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// No input is longer.
const INPUT_BYTES_MAX: usize = 64 << 10;
/// Most changes of one input.
const CHANGES_MAX: usize = 6;
/// Most repetitions of a part, for depth and length.
const REPEATS_MAX: usize = 3_000;
/// Words that mean something to one of the targets.
const WORDS: &[&str] = &[
    "$(",
    ")",
    "$$(",
    "$(tt.params.a)",
    "$(body.a)",
    "$(body)",
    "$(header)",
    "$(extensions.a)",
    "$(context.eventID)",
    "$(uid)",
    "[*]",
    "[?(",
    "@.",
    "..",
    "[-1]",
    "[0:9:2]",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "'",
    ",",
    ":",
    "null",
    "true",
    "1e999",
    "-0",
    "9223372036854775808",
    "0.1",
    "body.",
    "header.",
    "extensions.",
    ".map(x, x)",
    ".filter(x, true)",
    ".all(x, true)",
    ".exists(x, true)",
    "size(",
    "has(",
    "&&",
    "||",
    "? :",
    "+",
    "*",
    "%",
    "parseJSON(",
    "parseYAML(",
    "parseURL(",
    "marshalJSON(",
    ".translate('(a+)+$', 'b')",
    ".split('')",
    ".join('x')",
    ".truncate(3)",
    ".compareSecret('a', 'b')",
    "matches('(.*)*x')",
    "base64.encode(",
    "*/1",
    "0-59",
    "L",
    "W",
    "#5",
    "@yearly",
    "Europe/Berlin",
    "31",
    "2,30",
    "application/x-www-form-urlencoded",
    "%00",
    "&a=b",
    "X-Hub-Signature-256: sha256=",
    "X-Gitlab-Token: ",
    "\r\n",
    "\n",
    "\0",
    "\u{feff}",
    "é",
    "𝄞",
    "<<: *a",
    "&a [*a,*a]",
];

/// A source of inputs; the same seed gives the same ones.
pub(crate) struct Mutator {
    random: StdRng,
}

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// A new input out of those of the corpus.
    pub(crate) fn next(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.pick(corpus).clone();
        for _ in 0..self.random.random_range(1..=CHANGES_MAX) {
            self.change(&mut input, corpus);
            input.truncate(INPUT_BYTES_MAX);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.random.random_range(0..=input.len());
        match self.random.random_range(0..8) {
            0 => input.truncate(at),
            1 if at < input.len() => input[at] ^= 1 << self.random.random_range(0..8),
            2 if at < input.len() => input[at] = self.random.random(),
            3 => self.remove(input),
            4 => self.repeat(input),
            5 => {
                let other = self.pick(corpus).clone();
                let from = self.random.random_range(0..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => {
                let word = WORDS[self.random.random_range(0..WORDS.len())];
                input.splice(at..at, word.bytes());
            }
        }
    }

    fn remove(&mut self, input: &mut Vec<u8>) {
        let (from, to) = self.range(input.len());
        input.drain(from..to);
    }

    fn repeat(&mut self, input: &mut Vec<u8>) {
        let (from, to) = self.range(input.len());
        // Mostly short parts: brackets a thousand deep, not a thousand documents.
        let to = to.min(from + self.random.random_range(1..=24));
        let part = input[from..to].to_vec();
        let most = (INPUT_BYTES_MAX / part.len().max(1)).min(REPEATS_MAX);
        let times = self.random.random_range(1..=most.max(1));
        input.splice(from..from, part.repeat(times));
    }

    fn range(&mut self, length: usize) -> (usize, usize) {
        let (one, other) = (
            self.random.random_range(0..=length),
            self.random.random_range(0..=length),
        );
        (one.min(other), one.max(other))
    }

    fn pick<'a>(&mut self, corpus: &'a [Vec<u8>]) -> &'a Vec<u8> {
        &corpus[self.random.random_range(0..corpus.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs_within_the_limit() {
        let corpus = vec![b"{\"a\": [1, 2]}".to_vec(), b"$(body.a)".to_vec()];
        let inputs = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..500).map(|_| mutator.next(&corpus)).collect::<Vec<_>>()
        };
        assert_eq!(inputs(3), inputs(3));
        assert_ne!(inputs(3), inputs(4));
        assert!(inputs(3).iter().all(|input| input.len() <= INPUT_BYTES_MAX));
        assert!(inputs(3).iter().any(|input| input.len() > 1_000));
    }
}
