//! A model as lines that fit a terminal.

use jiff::Timestamp;

use super::model::Model;
use super::task::{Phase, Task};
use crate::output::{Mark, Palette, clip, plain, short, width};

/// Longest name that is padded to; longer ones push their line only.
const NAME_WIDTH_MAX: usize = 32;
/// Width of the durations' column.
const DURATION_WIDTH: usize = 6;
/// Lines left free at the bottom of the terminal.
const MARGIN_ROWS: usize = 2;

/// What is to be on the terminal.
#[derive(Debug, PartialEq)]
pub(crate) struct Frame {
    /// Lines that will never change again, beyond those given before.
    pub(crate) settled: Vec<String>,
    /// Lines that replace the live ones of the frame before.
    pub(crate) live: Vec<String>,
}

impl Model {
    /// The first line: run, pipeline, backend, trace, as far as known and as far as there is room.
    pub(crate) fn heading(&self, palette: Palette, columns: usize) -> String {
        let mut line = format!(" run  {}", palette.bold(&self.name));
        let parts = [("", &self.of), ("backend ", &self.class), ("trace ", &self.trace)];
        for (word, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
            if width(&line) + 3 + word.len() + value.len() < columns {
                line.push_str(&format!("   {word}{value}"));
            }
        }
        line
    }

    /// The lines of the tasks. The first `flushed` tasks were given as settled before; the tasks
    /// that settled behind them without a gap follow as settled, all others are live. If the live
    /// ones do not fit into `rows`, those that run are shown and the others are counted.
    pub(crate) fn frame(
        &self,
        flushed: usize,
        now: Timestamp,
        palette: Palette,
        (columns, rows): (usize, usize),
    ) -> Frame {
        let line = |task: &Task| self.line(task, now, palette, columns);
        let rest = &self.tasks[flushed.min(self.tasks.len())..];
        let done = rest.iter().take_while(|task| task.phase.is_settled()).count();
        let settled = rest[..done].iter().map(line).collect();
        let open = &rest[done..];
        let room = rows.saturating_sub(MARGIN_ROWS).max(2);
        if open.len() <= room {
            return Frame {
                settled,
                live: open.iter().map(line).collect(),
            };
        }
        let running: Vec<&Task> = open.iter().filter(|task| task.phase == Phase::Running).collect();
        let mut live: Vec<String> = running.iter().take(room - 1).map(|task| line(task)).collect();
        live.push(format!(
            "  {}",
            clip(&self.counts(running.len()), columns.saturating_sub(3), palette.unicode)
        ));
        Frame { settled, live }
    }

    fn counts(&self, running: usize) -> String {
        let waiting = self.count(Phase::Waiting);
        let settled = self.tasks.len() - waiting - running;
        format!(
            "{settled} of {} tasks are over, {running} run, {waiting} wait",
            self.tasks.len()
        )
    }

    fn line(&self, task: &Task, now: Timestamp, palette: Palette, columns: usize) -> String {
        let names = self.tasks.iter().map(|task| width(&task.name)).max().unwrap_or(0);
        let name_width = names.min(NAME_WIDTH_MAX).max(width(&task.name));
        let took = match task.phase {
            Phase::Running => task.so_far(now),
            Phase::Waiting | Phase::Skipped => None,
            _ => task.took,
        };
        let took = took.map(short).unwrap_or_default();
        let note = match task.phase {
            Phase::Waiting if task.note.is_empty() => self.waits_for(task),
            _ => task.note.clone(),
        };
        let note = if palette.unicode {
            plain(&note)
        } else {
            plain(&note).replace('│', "|")
        };
        let gap = " ".repeat(name_width - width(&task.name));
        let body = format!("{}{gap}  {took:>DURATION_WIDTH$}   {note}", task.name);
        let body = clip(body.trim_end(), columns.saturating_sub(5), palette.unicode);
        let body = match task.phase {
            Phase::Waiting | Phase::Skipped => palette.dim(&body),
            _ => body,
        };
        format!("  {} {body}", palette.mark(mark(task.phase)))
    }
}

fn mark(phase: Phase) -> Mark {
    match phase {
        Phase::Waiting => Mark::Waiting,
        Phase::Running => Mark::Running,
        Phase::Succeeded => Mark::Succeeded,
        Phase::Failed => Mark::Failed,
        Phase::Cancelled => Mark::Cancelled,
        Phase::Skipped => Mark::Skipped,
    }
}
