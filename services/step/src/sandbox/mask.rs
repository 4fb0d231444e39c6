//! Values of Secrets, replaced in what leaves the attempt.
//!
//! Masked are the values themselves, their lines, and their base64 wherever it begins within a longer
//! text, also where reads cut them. Values under [`SHORTEST_BYTES`] are not: they would be found in
//! everything.

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tidemill_messages::sandbox::Content;

/// Shorter values are not masked.
pub(crate) const SHORTEST_BYTES: usize = 6;
/// Of longer values the beginning is masked, and each line.
const LONGEST_BYTES: usize = 64 * 1024;
/// What is shown instead.
const SHOWN: &[u8] = b"***";

/// What to look for.
pub(crate) struct Masks {
    /// Longest first.
    patterns: Vec<Vec<u8>>,
    /// By first byte, positions in `patterns`.
    starts: Vec<Vec<usize>>,
}

impl Masks {
    /// Looks for these values.
    pub(crate) fn new(values: &[Content]) -> Self {
        let mut patterns: Vec<Vec<u8>> = values.iter().flat_map(|value| forms(&value.0)).collect();
        patterns.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        patterns.dedup();
        let mut starts = vec![Vec::new(); 256];
        for (position, pattern) in patterns.iter().enumerate() {
            starts[usize::from(pattern[0])].push(position);
        }
        Self { patterns, starts }
    }

    /// `text` without them.
    pub(crate) fn clean(self: &Rc<Self>, text: &str) -> String {
        let mut masker = Masker::new(Rc::clone(self));
        let mut out = Vec::with_capacity(text.len());
        masker.push(text.as_bytes(), &mut out);
        masker.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Where, from `at` on, something may begin.
    fn next_start(&self, text: &[u8], at: usize) -> usize {
        let rest = text[at..].iter();
        let distance = rest
            .take_while(|byte| self.starts[usize::from(**byte)].is_empty())
            .count();
        at + distance
    }

    /// What begins at the start of `text`.
    fn look(&self, text: &[u8]) -> Look {
        let candidates = self.starts[usize::from(text[0])]
            .iter()
            .map(|position| &self.patterns[*position]);
        let mut found = Look::Nothing;
        for pattern in candidates {
            if pattern.len() > text.len() && pattern.starts_with(text) {
                return Look::Perhaps;
            }
            if matches!(found, Look::Nothing) && text.starts_with(pattern) {
                found = Look::Found(pattern.len());
            }
        }
        found
    }
}

enum Look {
    Nothing,
    /// More text is needed to tell.
    Perhaps,
    Found(usize),
}

/// Masks one stream, piece by piece.
pub(crate) struct Masker {
    masks: Rc<Masks>,
    held: Vec<u8>,
}

impl Masker {
    /// At the beginning of a stream.
    pub(crate) fn new(masks: Rc<Masks>) -> Self {
        Self {
            masks,
            held: Vec::new(),
        }
    }

    /// Adds the next piece; what may be the beginning of a value is held back.
    pub(crate) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if self.masks.patterns.is_empty() {
            out.extend_from_slice(piece);
            return;
        }
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(piece);
        let mut at = 0;
        while at < text.len() {
            match self.masks.look(&text[at..]) {
                Look::Nothing => {
                    let end = self.masks.next_start(&text, at + 1);
                    out.extend_from_slice(&text[at..end]);
                    at = end;
                }
                Look::Found(length) => {
                    out.extend_from_slice(SHOWN);
                    at += length;
                }
                Look::Perhaps => {
                    self.held = text.split_off(at);
                    return;
                }
            }
        }
    }

    /// The stream is over: what was held back is no value, though it may hold shorter ones.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let text = std::mem::take(&mut self.held);
        let mut at = 0;
        while at < text.len() {
            let found = self
                .masks
                .patterns
                .iter()
                .find(|pattern| text[at..].starts_with(pattern));
            match found {
                Some(_) => out.extend_from_slice(SHOWN),
                None => out.push(text[at]),
            }
            at += found.map_or(1, Vec::len);
        }
    }
}

/// Everything to look for because of one value.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let trimmed = value.trim_ascii();
    let mut plain = vec![trimmed];
    if trimmed.contains(&b'\n') {
        plain.extend(trimmed.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii));
    }
    let mut forms = Vec::new();
    for text in plain.into_iter().filter(|text| text.len() >= SHORTEST_BYTES) {
        let text = &text[..text.len().min(LONGEST_BYTES)];
        forms.push(text.to_vec());
        for before in 0..3 {
            add_base64(&mut forms, before, text);
        }
    }
    forms
}

/// The characters of base64 that `value` alone decides when `before` other bytes are in its group.
fn add_base64(forms: &mut Vec<Vec<u8>>, before: usize, value: &[u8]) {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(value);
    let text = STANDARD_NO_PAD.encode(&bytes).into_bytes();
    let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    let core = &text[first..last];
    if core.len() < SHORTEST_BYTES {
        return;
    }
    forms.push(core.to_vec());
    if core.iter().any(|byte| matches!(byte, b'+' | b'/')) {
        let url = core.iter().map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        });
        forms.push(url.collect());
    }
}

#[cfg(test)]
mod tests;
