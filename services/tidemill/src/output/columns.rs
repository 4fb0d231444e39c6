//! Aligned columns and lines that fit.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::wrap;

/// Columns between two cells.
const GAP: usize = 3;
/// Fewest columns for a last cell that is broken into lines.
const LAST_MIN: usize = 20;

/// Rows whose columns are aligned with each other; the last cell of a row is not padded.
#[derive(Default)]
pub(crate) struct Columns {
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// Adds a row. Rows may differ in length.
    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.iter().map(|&cell| cell.to_owned()).collect());
    }

    /// Adds a row of any length.
    pub(crate) fn cells(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The rows as lines, each with `indent` in front.
    pub(crate) fn render(&self, indent: &str) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for row in &self.rows {
            text.push_str(indent);
            for (position, cell) in row.iter().enumerate() {
                text.push_str(cell);
                if position + 1 < row.len() {
                    text.push_str(&" ".repeat(widths[position] - width(cell) + GAP));
                }
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }

    /// The same in lines of at most `limit` columns, 0 for as many as it takes: the last cell is
    /// broken into lines below each other, and where there is no room for that, cells stand on lines
    /// of their own. Nothing is cut off.
    pub(crate) fn render_within(&self, indent: &str, limit: usize) -> String {
        let widths = self.widths();
        let whole = self.render(indent);
        if limit == 0 || whole.lines().all(|line| width(line) <= limit) {
            return whole;
        }
        let mut text = String::new();
        for (row, line) in self.rows.iter().zip(whole.lines()) {
            let Some((last, cells)) = row.split_last() else {
                continue;
            };
            let left: usize = indent.len() + widths.iter().take(cells.len()).map(|width| width + GAP).sum::<usize>();
            let is_plain = !last.contains('\x1b');
            if width(line) <= limit {
                text.push_str(&format!("{line}\n"));
            } else if is_plain && left + LAST_MIN <= limit {
                let before: String = line
                    .chars()
                    .take(line.chars().count().saturating_sub(last.chars().count()))
                    .collect();
                for (index, part) in wrap(last, limit - left).iter().enumerate() {
                    let before = if index == 0 { before.clone() } else { " ".repeat(left) };
                    text.push_str(format!("{before}{part}").trim_end());
                    text.push('\n');
                }
            } else {
                stack(&mut text, row, indent, limit);
            }
        }
        text
    }

    /// Widths of the columns; a row's last cell widens nothing that no other row pads.
    fn widths(&self) -> Vec<usize> {
        let mut widths = Vec::new();
        for row in &self.rows {
            let padded = row.len().saturating_sub(1);
            for (position, cell) in row.iter().take(padded).enumerate() {
                if widths.len() <= position {
                    widths.push(0);
                }
                widths[position] = widths[position].max(width(cell));
            }
        }
        widths
    }
}

/// Cells one after the other on as many lines as they need.
fn stack(text: &mut String, row: &[String], indent: &str, limit: usize) {
    let below = " ".repeat(indent.len() + GAP);
    let mut line = indent.to_owned();
    let mut is_empty = true;
    for cell in row.iter().filter(|cell| !cell.is_empty()) {
        let parts = match cell.contains('\x1b') {
            true => vec![cell.clone()],
            false => wrap(cell, limit.saturating_sub(below.len())),
        };
        for part in parts {
            let gap = if is_empty { 0 } else { GAP };
            if !is_empty && width(&line) + gap + width(&part) > limit {
                text.push_str(&format!("{line}\n"));
                (line, is_empty) = (below.clone(), true);
            }
            line.push_str(&" ".repeat(if is_empty { 0 } else { GAP }));
            line.push_str(&part);
            is_empty = false;
        }
    }
    text.push_str(&format!("{line}\n"));
}

/// Columns `text` takes on a terminal; colour sequences take none.
pub(crate) fn width(text: &str) -> usize {
    if text.contains('\x1b') {
        plain(text).width()
    } else {
        text.width()
    }
}

/// `text` without colour sequences and other control characters; a tab is a blank. What a step
/// writes must not move the cursor of who watches it.
pub(crate) fn plain(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\x1b' if rest.peek() == Some(&'[') => {
                rest.next();
                while rest.next().is_some_and(|next| !('@'..='~').contains(&next)) {}
            }
            '\t' => result.push(' '),
            character if character.is_control() => {}
            character => result.push(character),
        }
    }
    result
}

/// `text` cut to `limit` columns, with `…` (or `~`) where it was cut. Expects plain text.
pub(crate) fn clip(text: &str, limit: usize, unicode: bool) -> String {
    if text.width() <= limit {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used >= limit {
            break;
        }
        kept.push(character);
    }
    if limit > 0 {
        kept.push(if unicode { '…' } else { '~' });
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{Columns, clip, plain, width};

    #[test]
    fn columns_align_and_the_last_cell_is_free() {
        let mut columns = Columns::default();
        columns.row(["NAME", "VALUE"]);
        columns.row(["a-longer-name", "x"]);
        columns.row(["部署", "y"]);
        columns.row(["a cell of its own that is longer than all"]);
        assert_eq!(
            columns.render(" "),
            " NAME            VALUE\n a-longer-name   x\n 部署            y\n a cell of its own that is longer than all\n"
        );
    }

    #[test]
    fn what_is_too_wide_is_broken_and_nothing_is_lost() {
        let mut columns = Columns::default();
        columns.row(["NAME", "VALUE"]);
        columns.row(["image", "registry.example.com/shop:1.4.0 and a long text behind it"]);
        columns.row(["short", "x"]);
        assert_eq!(
            columns.render_within(" ", 40),
            " NAME    VALUE\n image   registry.example.com/shop:1.4.0\n         and a long text behind it\n short   x\n"
        );
        assert_eq!(columns.render_within(" ", 0), columns.render(" "));
        for limit in [10, 16, 20, 24, 30, 60] {
            let text = columns.render_within(" ", limit);
            assert!(text.lines().all(|line| width(line) <= limit), "{limit}:\n{text}");
            let words: String = text.split_whitespace().collect();
            assert!(
                words.contains("registry.example.com/shop:1.4.0andalongtextbehindit"),
                "{text}"
            );
        }
    }

    #[test]
    fn lines_are_cut_by_columns_not_by_characters() {
        assert_eq!(clip("abcdef", 6, true), "abcdef");
        assert_eq!(clip("abcdef", 5, true), "abcd…");
        assert_eq!(clip("abcdef", 5, false), "abcd~");
        assert_eq!(clip("部署成功", 5, true), "部署…");
        assert_eq!(clip("部署成功", 6, true), "部署…");
        assert_eq!(clip("abc", 0, true), "");
        assert!(width(&clip("部署成功", 6, true)) <= 6);
    }

    #[test]
    fn control_characters_do_not_pass() {
        assert_eq!(plain("\x1b[31mred\x1b[0m\tend\r\x07\x1b[2K"), "red end");
        assert_eq!(width("\x1b[31mred\x1b[0m"), 3);
    }
}
