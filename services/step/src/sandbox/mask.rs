//! Values of Secrets, replaced in what leaves the attempt.
//!
//! Masked are the values themselves, their lines, the same as JSON and addresses write them, and their
//! base64 wherever it begins within a longer text and wherever its lines end, also where reads cut
//! them. Values under [`SHORTEST_BYTES`] are not: they would be found in everything.

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
    patterns: Vec<Pattern>,
    /// By first byte, positions in `patterns`.
    starts: Vec<Vec<usize>>,
}

/// One thing to look for.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pattern {
    bytes: Vec<u8>,
    /// Whether lines may end within it, as programs that write base64 do.
    is_wrapped: bool,
}

impl Masks {
    /// Looks for these values.
    pub(crate) fn new(values: &[Content]) -> Self {
        let mut patterns: Vec<Pattern> = values.iter().flat_map(|value| forms(&value.0)).collect();
        patterns.sort_by(|a, b| b.bytes.len().cmp(&a.bytes.len()).then_with(|| a.cmp(b)));
        patterns.dedup();
        let mut starts = vec![Vec::new(); 256];
        for (position, pattern) in patterns.iter().enumerate() {
            starts[usize::from(pattern.bytes[0])].push(position);
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
            match pattern.look(text) {
                Look::Perhaps => return Look::Perhaps,
                Look::Found(length) if matches!(found, Look::Nothing) => found = Look::Found(length),
                Look::Found(_) | Look::Nothing => {}
            }
        }
        found
    }
}

impl Pattern {
    /// Whether it begins at the start of `text`.
    fn look(&self, text: &[u8]) -> Look {
        if !self.is_wrapped {
            return match text.len() < self.bytes.len() {
                true if self.bytes.starts_with(text) => Look::Perhaps,
                false if text.starts_with(&self.bytes) => Look::Found(self.bytes.len()),
                _ => Look::Nothing,
            };
        }
        let mut wanted = self.bytes.iter();
        let mut next = wanted.next();
        for (at, byte) in text.iter().enumerate() {
            match next {
                None => return Look::Found(at),
                Some(expected) if expected == byte => next = wanted.next(),
                Some(_) if matches!(byte, b'\n' | b'\r') => {}
                Some(_) => return Look::Nothing,
            }
        }
        match next {
            None => Look::Found(text.len()),
            Some(_) => Look::Perhaps,
        }
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
                .find_map(|pattern| match pattern.look(&text[at..]) {
                    Look::Found(length) => Some(length),
                    Look::Perhaps | Look::Nothing => None,
                });
            match found {
                Some(_) => out.extend_from_slice(SHOWN),
                None => out.push(text[at]),
            }
            at += found.unwrap_or(1);
        }
    }
}

/// Everything to look for because of one value.
fn forms(value: &[u8]) -> Vec<Pattern> {
    let trimmed = value.trim_ascii();
    let mut plain = vec![trimmed];
    if trimmed.contains(&b'\n') {
        plain.extend(trimmed.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii));
    }
    let mut forms = Vec::new();
    for text in plain.into_iter().filter(|text| text.len() >= SHORTEST_BYTES) {
        let text = &text[..text.len().min(LONGEST_BYTES)];
        for form in [Some(text.to_vec()), json(text), address(text)].into_iter().flatten() {
            forms.push(Pattern {
                bytes: form,
                is_wrapped: false,
            });
        }
        for before in 0..3 {
            add_base64(&mut forms, before, text);
        }
    }
    forms
}

/// `value` as it stands within the quotes of JSON, where that differs.
fn json(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?;
    let quoted = serde_json::Value::from(text).to_string();
    let inner = quoted.as_bytes().get(1..quoted.len() - 1)?;
    (inner != value).then(|| inner.to_vec())
}

/// `value` as it stands in an address, percent-encoded, where that differs.
fn address(value: &[u8]) -> Option<Vec<u8>> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    if value.iter().all(|byte| is_plain(*byte)) {
        return None;
    }
    let mut text = String::with_capacity(value.len() * 3);
    for byte in value {
        match is_plain(*byte) {
            true => text.push(char::from(*byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(text.into_bytes())
}

/// The characters of base64 that `value` alone decides when `before` other bytes are in its group.
fn add_base64(forms: &mut Vec<Pattern>, before: usize, value: &[u8]) {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(value);
    let text = STANDARD_NO_PAD.encode(&bytes).into_bytes();
    let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    let core = &text[first..last];
    if core.len() < SHORTEST_BYTES {
        return;
    }
    let mut add = |bytes: Vec<u8>| {
        forms.push(Pattern {
            bytes,
            is_wrapped: true,
        });
    };
    add(core.to_vec());
    if core.iter().any(|byte| matches!(byte, b'+' | b'/')) {
        let url = core.iter().map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        });
        add(url.collect());
    }
}

#[cfg(test)]
mod tests;
