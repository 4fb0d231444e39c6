//! Names made from `generateName`.

use rand::RngExt as _;

/// Random letters at the end of a generated name.
const RANDOM_LETTERS: usize = 5;
/// Longest prefix; the whole has at most 63 characters, so that it fits into a label.
const MAX_PREFIX: usize = 63 - RANDOM_LETTERS;
/// Without vowels and what looks alike, as in Kubernetes.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A name of `prefix` and five random letters.
pub(crate) fn generate(prefix: &str) -> String {
    let end = (0..=prefix.len().min(MAX_PREFIX))
        .rev()
        .find(|&end| prefix.is_char_boundary(end))
        .unwrap_or_default();
    let mut random = rand::rng();
    let letters = (0..RANDOM_LETTERS).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())]));
    format!("{}{}", &prefix[..end], letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_prefixes_are_cut() {
        assert_eq!(generate(&"x".repeat(200)).len(), 63);
        assert_eq!(generate(&"ü".repeat(100)).len(), 63);
        let name = generate("run-");
        assert!(name.starts_with("run-") && name.len() == 9, "{name}");
        assert_ne!(generate("run-"), generate("run-x"));
    }
}
