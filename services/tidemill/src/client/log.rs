//! What a step wrote.

use super::lines::{Line, Lines};
use super::{Client, resource};
use crate::error::Error;

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
    /// The time in front of each line.
    pub(crate) timestamps: bool,
}

/// Lines as they come; ends with the log.
pub(crate) struct LogLines {
    inner: Lines,
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
        })
    }
}

impl LogLines {
    /// The next line without its end; `None` when the log ended or the connection was lost.
    pub(crate) async fn next(&mut self) -> Option<String> {
        match self.inner.next().await? {
            Line::Whole(line) => Some(line),
            Line::Cut(line) => Some(format!("{line} [cut after {} MiB]", MAX_LINE_BYTES / (1024 * 1024))),
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

impl LogQuery {
    fn path(&self) -> String {
        let mut path = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}",
            resource::encode(&self.namespace),
            resource::encode(&self.pod),
            resource::encode(&self.container)
        );
        for (wanted, parameter) in [(self.follow, "&follow=true"), (self.timestamps, "&timestamps=true")] {
            if wanted {
                path.push_str(parameter);
            }
        }
        if let Some(tail) = self.tail {
            path.push_str(&format!("&tailLines={tail}"));
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::LogQuery;

    #[test]
    fn the_address_says_how_much() {
        let query = LogQuery {
            namespace: "ci".to_owned(),
            pod: "a-pod".to_owned(),
            container: "step-build".to_owned(),
            follow: true,
            tail: Some(20),
            timestamps: false,
        };
        assert_eq!(
            query.path(),
            "/api/v1/namespaces/ci/pods/a-pod/log?container=step-build&follow=true&tailLines=20"
        );
    }
}
