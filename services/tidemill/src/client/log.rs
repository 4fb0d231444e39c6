//! What a step wrote.

use super::lines::{Line, Lines};
use super::{Client, resource};
use crate::error::Error;
use jiff::Timestamp;

/// Longest line that is shown, in bytes; of a longer one the beginning.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Which log, and how much of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogQuery {
    /// Namespace of the pod.
    pub(crate) namespace: String,
    /// The pod.
    pub(crate) pod: String,
    /// The container, `step-…`.
    pub(crate) container: String,
    /// Go on until the container ends.
    pub(crate) follow: bool,
    /// Only so many of the last lines.
    pub(crate) tail: Option<usize>,
    /// Only what was written then or later.
    pub(crate) since: Option<Timestamp>,
    /// Only what was written before then.
    pub(crate) until: Option<Timestamp>,
    /// Only lines that hold this.
    pub(crate) text: Option<String>,
    /// The time in front of each line.
    pub(crate) timestamps: bool,
}

/// Lines as they come; ends with the log.
pub(crate) struct LogLines {
    inner: Lines,
    wanted: Filter,
}

/// Which lines are shown, and how.
#[derive(Debug, Default)]
struct Filter {
    until: Option<Timestamp>,
    text: Option<String>,
    timestamps: bool,
}

/// What becomes of a line.
#[derive(Debug, PartialEq)]
enum Shown {
    Line(String),
    Nothing,
    /// Neither it nor a later one.
    End,
}

impl Client {
    /// Opens a log.
    ///
    /// # Errors
    /// [`Error::Refused`] with 404 without such a pod, with 400 before the container has started.
    pub(crate) async fn log(&self, query: &LogQuery) -> Result<LogLines, Error> {
        let response = self.send("GET", &query.path(), "*/*", None).await?;
        Ok(LogLines {
            inner: Lines::new(response.into_body(), MAX_LINE_BYTES),
            wanted: Filter {
                until: query.until,
                text: query.text.clone(),
                timestamps: query.timestamps,
            },
        })
    }
}

impl LogLines {
    /// The next line without its end; `None` when the log ended or the connection was lost.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            let line = match self.inner.next().await? {
                Line::Whole(line) => line,
                Line::Cut(line) => format!("{line} [cut after {} MiB]", MAX_LINE_BYTES / (1024 * 1024)),
            };
            match self.wanted.show(line) {
                Shown::Line(line) => return Some(line),
                Shown::Nothing => {}
                Shown::End => return None,
            }
        }
    }

    /// All lines that are left, at most `limit`.
    pub(crate) async fn collect(mut self, limit: usize) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.len() < limit {
            match self.next().await {
                Some(line) => lines.push(line),
                None => break,
            }
        }
        lines
    }
}

impl Filter {
    /// A line as the gateway sends it: dated where a time decides, or is shown.
    fn show(&self, line: String) -> Shown {
        let dated = self.until.is_some() || self.timestamps;
        let (at, text) = match line.split_once(' ') {
            Some((at, text)) if dated => (at.parse::<Timestamp>().ok(), text),
            _ => (None, &*line),
        };
        if let (Some(at), Some(until)) = (at, self.until)
            && at >= until
        {
            return Shown::End;
        }
        if self.text.as_ref().is_some_and(|wanted| !text.contains(wanted)) {
            return Shown::Nothing;
        }
        match (at, self.timestamps) {
            (Some(_), false) => Shown::Line(text.to_owned()),
            _ => Shown::Line(line),
        }
    }
}

impl LogQuery {
    fn path(&self) -> String {
        let mut path = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}",
            resource::encode(&self.namespace),
            resource::encode(&self.pod),
            resource::encode(&self.container)
        );
        let dated = self.timestamps || self.until.is_some();
        for (wanted, parameter) in [(self.follow, "&follow=true"), (dated, "&timestamps=true")] {
            if wanted {
                path.push_str(parameter);
            }
        }
        if let Some(tail) = self.tail {
            path.push_str(&format!("&tailLines={tail}"));
        }
        if let Some(since) = self.since {
            path.push_str(&format!("&sinceTime={}", resource::encode(&since.to_string())));
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, LogQuery, Shown};

    #[test]
    fn the_address_says_how_much() {
        let query = LogQuery {
            namespace: "ci".to_owned(),
            pod: "a-pod".to_owned(),
            container: "step-build".to_owned(),
            follow: true,
            tail: Some(20),
            since: Some("2026-11-23T13:05:02Z".parse().unwrap()),
            ..LogQuery::default()
        };
        assert_eq!(
            query.path(),
            "/api/v1/namespaces/ci/pods/a-pod/log?container=step-build&follow=true&tailLines=20&sinceTime=2026-11-23T13%3A05%3A02Z"
        );
    }

    #[test]
    fn lines_are_shown_by_time_and_text() {
        let dated = |time: &str, text: &str| format!("2026-11-23T13:05:{time}Z {text}");
        let filter = |until: Option<&str>, text: Option<&str>, timestamps| Filter {
            until: until.map(|second| format!("2026-11-23T13:05:{second}Z").parse().unwrap()),
            text: text.map(str::to_owned),
            timestamps,
        };
        let until = filter(Some("04"), None, false);
        assert_eq!(until.show(dated("03.5", "a b")), Shown::Line("a b".to_owned()));
        assert_eq!(until.show(dated("04", "a b")), Shown::End);
        let kept = filter(Some("04"), Some("b"), true);
        assert_eq!(kept.show(dated("03", "a b")), Shown::Line(dated("03", "a b")));
        assert_eq!(kept.show(dated("03", "a c")), Shown::Nothing);
        let plain = filter(None, Some("2026"), false);
        assert_eq!(
            plain.show(dated("03", "x")),
            Shown::Line(dated("03", "x")),
            "its own text"
        );
        assert_eq!(filter(None, Some("2026"), true).show(dated("03", "x")), Shown::Nothing);
    }
}
