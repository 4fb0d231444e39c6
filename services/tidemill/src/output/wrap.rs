//! Text in lines of a width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `text` in lines of at most `limit` columns, broken between words; a word that is longer is cut.
/// Expects plain text; at least one line, and text that fits as it is.
pub(crate) fn wrap(text: &str, limit: usize) -> Vec<String> {
    let limit = limit.max(1);
    if text.width() <= limit && !text.contains('\n') {
        return vec![text.to_owned()];
    }
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let width = word.width();
        if used > 0 && used + 1 + width <= limit {
            last(&mut lines).push(' ');
            last(&mut lines).push_str(word);
            used += 1 + width;
            continue;
        }
        if used > 0 {
            lines.push(String::new());
            used = 0;
        }
        for character in word.chars() {
            let width = character.width().unwrap_or(0);
            if used + width > limit && used > 0 {
                lines.push(String::new());
                used = 0;
            }
            last(&mut lines).push(character);
            used += width;
        }
    }
    lines
}

fn last(lines: &mut Vec<String>) -> &mut String {
    if lines.is_empty() {
        lines.push(String::new());
    }
    let index = lines.len() - 1;
    &mut lines[index]
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(
            wrap("filtered by cel: body.ref", 12),
            ["filtered by", "cel:", "body.ref"]
        );
        assert_eq!(wrap("a b", 3), ["a b"]);
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn words_that_do_not_fit_are_cut_by_columns() {
        assert_eq!(wrap("x abcdefgh y", 4), ["x", "abcd", "efgh", "y"]);
        assert_eq!(wrap("部署成功", 3), ["部", "署", "成", "功"]);
        assert_eq!(wrap("ab", 0), ["a", "b"]);
    }
}
