//! Where progress is written: a terminal that is redrawn in place, or a log of one line an event.

use jiff::Timestamp;

use super::frame::Frame;
use super::model::{Event, Model};
use crate::output::{Surface, clock, short};
use crate::say;

/// Between these a terminal that knows them shows nothing half drawn; others ignore them.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";

/// The progress on standard error.
pub(crate) struct Screen {
    surface: Surface,
    heading: bool,
    flushed: usize,
    live: Vec<String>,
}

impl Screen {
    /// On standard error, as it is.
    pub(crate) fn new(surface: Surface) -> Self {
        Self {
            surface,
            heading: false,
            flushed: 0,
            live: Vec::new(),
        }
    }

    /// Whether it is redrawn in place.
    pub(crate) fn is_live(&self) -> bool {
        self.surface.terminal
    }

    /// Shows what happened. On a terminal that is [`Screen::draw`]'s part.
    pub(crate) fn log(&self, events: &[Event], at: Timestamp) {
        if !self.surface.terminal {
            let text: String = events.iter().map(|event| event_line(event, at)).collect();
            say::talk(&text);
        }
    }

    /// Redraws; a log is not redrawn.
    pub(crate) fn draw(&mut self, model: &Model, now: Timestamp) {
        if !self.surface.terminal {
            return;
        }
        let size = Surface::size();
        let mut frame = model.frame(self.flushed, now, self.surface.palette, size);
        self.flushed += frame.settled.len();
        if !self.heading {
            self.heading = true;
            frame.settled.insert(0, model.heading(self.surface.palette, size.0));
        }
        if frame.settled.is_empty() && frame.live == self.live {
            return;
        }
        say::talk(&redraw(self.live.len(), &frame));
        self.live = frame.live;
    }

    /// Writes a line above the live ones.
    pub(crate) fn say(&mut self, text: &str) {
        if !self.surface.terminal {
            say::line(text);
            return;
        }
        let frame = Frame {
            settled: vec![text.to_owned()],
            live: std::mem::take(&mut self.live),
        };
        say::talk(&redraw(frame.live.len(), &frame));
        self.live = frame.live;
    }
}

/// What turns `before` live lines into `frame`. Lines are overwritten, not erased first.
fn redraw(before: usize, frame: &Frame) -> String {
    let mut text = String::from(BEGIN);
    if before > 0 {
        text.push_str(&format!("\x1b[{before}A"));
    }
    for line in frame.settled.iter().chain(&frame.live) {
        text.push_str(&format!("\r{line}\x1b[K\n"));
    }
    text.push_str("\x1b[J");
    text.push_str(END);
    text
}

/// `2026-11-23T13:05:03Z 1-clone succeeded 1.2s commit=3f2c1aa`
pub(super) fn event_line(event: &Event, at: Timestamp) -> String {
    let time = clock(at);
    match event {
        Event::Started { task, attempt: 0 | 1 } => format!("{time} {task} started\n"),
        Event::Started { task, attempt } => format!("{time} {task} started, attempt {attempt}\n"),
        Event::Waits { task, message } => format!("{time} {task} waits: {message}\n"),
        Event::Settled {
            task,
            phase,
            took,
            note,
        } => {
            let mut line = format!("{time} {task} {}", phase.word());
            if let Some(took) = took {
                line.push_str(&format!(" {}", short(*took)));
            }
            if !note.is_empty() {
                line.push_str(&format!(" {}", note.replace('\n', " ")));
            }
            line.push('\n');
            line
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Frame;
    use super::redraw;

    #[test]
    fn the_cursor_goes_up_over_the_live_lines_only() {
        let frame = Frame {
            settled: vec!["a".to_owned()],
            live: vec!["b".to_owned(), "c".to_owned()],
        };
        assert_eq!(
            redraw(2, &frame),
            "\x1b[?2026h\x1b[2A\ra\x1b[K\n\rb\x1b[K\n\rc\x1b[K\n\x1b[J\x1b[?2026l"
        );
        assert!(!redraw(0, &frame).contains("\x1b[0A"));
    }
}
