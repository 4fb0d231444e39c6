//! The two ways out: data to standard output, talk to standard error.

use std::io::Write as _;
use std::sync::OnceLock;

use crate::output::{ColourChoice, Surface};

static CHOICE: OnceLock<ColourChoice> = OnceLock::new();

/// Keeps the command line's choice for the life of the process.
pub(crate) fn set_colour(choice: ColourChoice) {
    // Only the first choice counts; there is one command line.
    let _again = CHOICE.set(choice);
}

/// Standard output.
pub(crate) fn stdout() -> Surface {
    Surface::stdout(CHOICE.get().copied().unwrap_or_default())
}

/// Standard error.
pub(crate) fn stderr() -> Surface {
    Surface::stderr(CHOICE.get().copied().unwrap_or_default())
}

/// Writes data as it is. A reader that went away (`| head`) is no error.
pub(crate) fn data(text: &str) {
    let mut out = std::io::stdout().lock();
    let _closed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes talk as it is, in one call, so that lines of several writers do not mix.
pub(crate) fn talk(text: &str) {
    let mut out = std::io::stderr().lock();
    let _closed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A line of talk.
pub(crate) fn line(text: &str) {
    talk(&format!("{text}\n"));
}

/// Something that goes on but deserves a look.
pub(crate) fn warning(text: &str) {
    let palette = stderr().palette;
    line(&format!("{} {text}", palette.yellow("warning:")));
}
