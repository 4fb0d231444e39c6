//! What the text is written to: a terminal or not, how wide, which signs it can show.

use std::io::IsTerminal;

/// Width assumed where nothing says it.
const DEFAULT_WIDTH: usize = 80;
/// Height assumed where nothing says it.
const DEFAULT_ROWS: usize = 24;

/// When to write colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColourChoice {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// Colours and signs that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Palette {
    /// Whether colour may be used.
    pub(crate) colour: bool,
    /// Whether signs beyond ASCII may be used.
    pub(crate) unicode: bool,
}

/// What a task's line begins with. The sign differs for each, colour only repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Ended on demand.
    Cancelled,
    /// Under way.
    Running,
    /// Not started.
    Waiting,
    /// Never to be started.
    Skipped,
}

/// One of the two output streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surface {
    /// Whether a person's terminal is at the other end, and the cursor may be moved.
    pub(crate) terminal: bool,
    /// Colours and signs.
    pub(crate) palette: Palette,
}

impl Surface {
    /// Standard output.
    pub(crate) fn stdout(choice: ColourChoice) -> Self {
        Self::new(choice, std::io::stdout().is_terminal())
    }

    /// Standard error.
    pub(crate) fn stderr(choice: ColourChoice) -> Self {
        Self::new(choice, std::io::stderr().is_terminal())
    }

    fn new(choice: ColourChoice, is_terminal: bool) -> Self {
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        let colour = match choice {
            ColourChoice::Always => true,
            ColourChoice::Never => false,
            ColourChoice::Auto => is_terminal && !dumb && set("NO_COLOR").is_none(),
        };
        Self {
            terminal: is_terminal && !dumb,
            palette: Palette {
                colour,
                unicode: has_utf8_locale(),
            },
        }
    }

    /// Columns of lines that should fit; 0 where nobody looks at them as they are.
    pub(crate) fn columns(&self) -> usize {
        if self.terminal { Self::size().0 } else { 0 }
    }

    /// Columns and rows of standard error's terminal, now: windows change size.
    pub(crate) fn size() -> (usize, usize) {
        match rustix::termios::tcgetwinsize(std::io::stderr()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => (
                set("COLUMNS")
                    .and_then(|columns| columns.parse().ok())
                    .unwrap_or(DEFAULT_WIDTH),
                DEFAULT_ROWS,
            ),
        }
    }
}

impl Palette {
    /// Neither colour nor signs.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self {
        colour: false,
        unicode: false,
    };

    /// Signs, no colour.
    #[cfg(test)]
    pub(crate) const SIGNS: Self = Self {
        colour: false,
        unicode: true,
    };

    /// The sign of `mark`, in its colour.
    pub(crate) fn mark(self, mark: Mark) -> String {
        let (sign, fallback, colour) = match mark {
            Mark::Succeeded => ("✔", "+", "32"),
            Mark::Failed => ("✘", "x", "31"),
            Mark::Cancelled => ("■", "#", "33"),
            Mark::Running => ("▸", ">", "36"),
            Mark::Waiting => ("·", ".", "2"),
            Mark::Skipped => ("–", "-", "2"),
        };
        self.paint(if self.unicode { sign } else { fallback }, colour)
    }

    /// `sign` where signs may be used, else `fallback`.
    pub(crate) fn sign(self, sign: &'static str, fallback: &'static str) -> &'static str {
        if self.unicode { sign } else { fallback }
    }

    /// Strong.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint(text, "1")
    }

    /// Faint.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint(text, "2")
    }

    /// Strong and underlined.
    pub(crate) fn title(self, text: &str) -> String {
        self.paint(text, "1;4")
    }

    /// Bad.
    pub(crate) fn red(self, text: &str) -> String {
        self.paint(text, "31")
    }

    /// Good.
    pub(crate) fn green(self, text: &str) -> String {
        self.paint(text, "32")
    }

    /// Worth a look.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint(text, "33")
    }

    /// One of six colours, the same for the same `key`.
    pub(crate) fn by_key(self, key: &str, text: &str) -> String {
        const COLOURS: [&str; 6] = ["36", "35", "34", "32", "33", "96"];
        let sum = key
            .bytes()
            .fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        self.paint(text, COLOURS[sum % COLOURS.len()])
    }

    fn paint(self, text: &str, code: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A variable that is there and not empty.
fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// By POSIX' order: `LC_ALL`, then `LC_CTYPE`, then `LANG`.
fn has_utf8_locale() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(set)
        .unwrap_or_default();
    let locale = locale.to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::{Mark, Palette};

    #[test]
    fn without_colour_no_escape_is_written() {
        for mark in [
            Mark::Succeeded,
            Mark::Failed,
            Mark::Running,
            Mark::Waiting,
            Mark::Skipped,
            Mark::Cancelled,
        ] {
            assert!(!Palette::SIGNS.mark(mark).contains('\x1b'));
            assert!(Palette::PLAIN.mark(mark).is_ascii());
        }
        assert_eq!(Palette::PLAIN.by_key("a", "text"), "text");
    }

    #[test]
    fn colour_is_ended() {
        let palette = Palette {
            colour: true,
            unicode: true,
        };
        assert_eq!(palette.red("x"), "\x1b[31mx\x1b[0m");
        assert_eq!(palette.red(""), "");
    }
}
