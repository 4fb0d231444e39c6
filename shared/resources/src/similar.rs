//! Names that look alike.

/// Longest names that are compared: the work grows with the square.
const MAX_CHARS: usize = 128;
/// Most candidates that are compared.
const MAX_CANDIDATES: usize = 1000;

/// The candidate nearest to `name`, if one is near enough to have been meant.
///
/// Near enough: at most a third of the characters differ, or one is the
/// beginning of the other.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .take(MAX_CANDIDATES)
        .filter(|candidate| *candidate != name && !candidate.is_empty())
        .filter_map(|candidate| Some((cost(&lower, &candidate.to_lowercase())?, candidate)))
        .min()
        .map(|(_, candidate)| candidate)
}

/// How unlike two texts are, unless they are too unlike to matter.
fn cost(left: &str, right: &str) -> Option<usize> {
    let longer = left.chars().count().max(right.chars().count());
    if longer > MAX_CHARS {
        return None;
    }
    let distance = distance(left, right);
    let common = left.starts_with(right) || right.starts_with(left);
    (common && left.len().min(right.len()) >= 3 || distance * 3 <= longer).then_some(distance)
}

/// Insertions, deletions, replacements and swaps of neighbours.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before = vec![0; right.len() + 1];
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for i in 0..left.len() {
        let mut row = vec![i + 1; right.len() + 1];
        for j in 0..right.len() {
            let replaced = above[j] + usize::from(left[i] != right[j]);
            row[j + 1] = replaced.min(row[j] + 1).min(above[j + 1] + 1);
            if i > 0 && j > 0 && left[i] == right[j - 1] && left[i - 1] == right[j] {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances() {
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("docker-911", ["docker", "deploy-911"]), Some("docker"));
        assert_eq!(nearest("workingdirectory", ["workingDir", "image"]), Some("workingDir"));
        assert_eq!(nearest("imgae", ["workingDir", "image"]), Some("image"));
        assert_eq!(nearest("xyz", ["workingDir", "image"]), None);
        assert_eq!(nearest(&"x".repeat(5000), ["image"]), None);
    }
}
