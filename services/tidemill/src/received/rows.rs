//! Events as a table that fits its terminal.

use jiff::Timestamp;
use serde_json::Value;

use super::{from, outcome, short_id, what};
use crate::json;
use crate::output::{Palette, brief_age, clip, clock, plain, width, wrap};

/// Blanks between two columns.
const GAP: usize = 2;
/// Fewest columns for what became of an event; with less it gets lines of its own.
const OUTCOME_MIN: usize = 26;
/// Most columns for what an event was.
const WHAT_MAX: usize = 32;
/// Blanks in front of what stands on lines of its own.
const INDENT: usize = 2;

/// How wide lines may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// One line an event, as long as it takes.
    Free,
    /// A terminal of so many columns.
    Columns(usize),
}

/// How rows are written.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) palette: Palette,
    pub(crate) now: Timestamp,
    pub(crate) width: Width,
    /// Whether there is a column of namespaces.
    pub(crate) namespaces: bool,
    /// Times instead of ages, ids in full.
    pub(crate) wide: bool,
}

impl Rows {
    /// The table; `header`: with a line of names.
    pub(crate) fn render(&self, events: &[Value], header: bool) -> String {
        let mut rows: Vec<Vec<String>> = Vec::new();
        if header {
            rows.push(self.names());
        }
        rows.extend(events.iter().map(|event| self.cells(event)));
        let widths = widths(&rows);
        let left: usize = widths.iter().map(|width| width + GAP).sum();
        let mut text = String::new();
        for (index, row) in rows.iter().enumerate() {
            let is_names = header && index == 0;
            self.row(&mut text, row, &widths, left, is_names);
        }
        text
    }

    fn names(&self) -> Vec<String> {
        let mut names = vec!["ID", if self.wide { "TIME" } else { "AGE" }, "FROM", "WHAT", "OUTCOME"];
        if self.namespaces {
            names.insert(0, "NAMESPACE");
        }
        names.into_iter().map(str::to_owned).collect()
    }

    fn cells(&self, event: &Value) -> Vec<String> {
        let at = json::time(event, "/spec/receivedAt");
        let what = plain(&what(event, self.palette.sign("–", "-")));
        let what = match self.width {
            Width::Free => what,
            Width::Columns(_) => clip(&what, WHAT_MAX, self.palette.unicode),
        };
        let mut cells = vec![
            if self.wide {
                json::name(event).to_owned()
            } else {
                short_id(event)
            },
            if self.wide {
                at.map(clock).unwrap_or_default()
            } else {
                brief_age(at, self.now)
            },
            from(event),
            what,
            outcome(event, self.palette),
        ];
        if self.namespaces {
            cells.insert(0, json::namespace(event).to_owned());
        }
        cells
    }

    /// One row: the outcome in its column, or below where that would be too narrow.
    fn row(&self, text: &mut String, row: &[String], widths: &[usize], left: usize, is_names: bool) {
        let Some((outcome, cells)) = row.split_last() else {
            return;
        };
        let mut line = String::new();
        for (cell, wanted) in cells.iter().zip(widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(wanted - width(cell) + GAP));
        }
        match self.width {
            Width::Free => push_line(text, &format!("{line}{outcome}")),
            Width::Columns(columns) if columns >= left + OUTCOME_MIN => {
                for (index, part) in wrap(outcome, columns - left).iter().enumerate() {
                    let before = if index == 0 { line.clone() } else { " ".repeat(left) };
                    push_line(text, &format!("{before}{part}"));
                }
            }
            Width::Columns(columns) => {
                push_line(text, &clip(line.trim_end(), columns, self.palette.unicode));
                if is_names {
                    return;
                }
                for part in wrap(outcome, columns.saturating_sub(INDENT)) {
                    push_line(text, &format!("{}{part}", " ".repeat(INDENT)));
                }
            }
        }
    }
}

/// Widths of all columns but the last.
fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, |row| row.len().saturating_sub(1));
    (0..columns)
        .map(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0))
        .collect()
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}
