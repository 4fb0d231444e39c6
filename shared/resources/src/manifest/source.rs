//! The text of a file, by lines.

/// A text and where its lines begin, so that showing a line costs nothing.
#[derive(Debug)]
pub(super) struct Source {
    text: String,
    starts: Vec<usize>,
}

impl Source {
    /// Bytes that are not UTF-8 are shown as replacement characters.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let breaks = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(index, _)| index + 1);
        let starts = std::iter::once(0).chain(breaks).collect();
        Self { text, starts }
    }

    /// Whether the text names the kind Secret, however it is written.
    pub(super) fn may_hold_secret(&self) -> bool {
        self.text
            .lines()
            .any(|line| line.contains("kind") && line.contains("Secret"))
    }

    /// A line, from 1, without its end.
    pub(super) fn line(&self, number: usize) -> Option<String> {
        let start = *self.starts.get(number.checked_sub(1)?)?;
        let end = self.starts.get(number).copied().unwrap_or(self.text.len());
        self.text
            .get(start..end)
            .map(|line| line.trim_end_matches(['\n', '\r']).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn lines_are_found() {
        let source = Source::new(b"a\r\n\nb");
        let lines: Vec<Option<String>> = (0..5).map(|number| source.line(number)).collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(lines, [None, text("a"), text(""), text("b"), None]);
    }
}
