//! Errors as the person at the terminal reads them.

use std::error::Error as _;
use std::fmt::Write as _;

use super::{Error, Exit};

impl Error {
    /// What to do next.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } | Self::Failed { hint, .. } => hint.clone(),
            Self::NotRunning { .. } => {
                Some("start one with `tidemill up`, or name another with --state-dir or --kubeconfig".to_owned())
            }
            Self::AlreadyRunning { pid, .. } => Some(format!(
                "use it, or stop it with `kill {pid}`, or choose another directory with --state-dir"
            )),
            Self::Unreachable { .. } => {
                Some("start a server with `tidemill up`; if one should run, see what it says".to_owned())
            }
            Self::Refused { code: 401, .. } => {
                Some("the token in the kubeconfig is not the server's: `tidemill up` writes a new one".to_owned())
            }
            Self::NatsServer { hint, .. } => Some(hint.clone()),
            Self::Streams { .. } => Some(
                "give nats-server more room (`max_file`), or the streams less: setting streams.store, such as \"4GiB\""
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// How the process ends with it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } | Self::NatsServer { .. } => Exit::Usage,
            _ => Exit::Failure,
        }
    }

    /// The whole text for standard error, the chain of causes on the first line.
    pub(crate) fn render(&self) -> String {
        let mut text = match self {
            Self::Files { report, .. } => return report.clone(),
            _ => format!("error: {self}"),
        };
        let mut said = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let message = error.to_string();
            // Some libraries repeat their source's text in their own.
            if !said.contains(&message) {
                text.push_str(": ");
                text.push_str(&message);
                said = message;
            }
            cause = error.source();
        }
        text.push('\n');
        if let Some(hint) = self.hint() {
            // Writing to a String does not fail.
            let _infallible = writeln!(text, "  hint: {hint}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Error, Exit};

    #[test]
    fn causes_follow_the_message_and_the_hint_comes_last() {
        let error = Error::Unreachable {
            address: "http://127.0.0.1:1".to_owned(),
            source: Box::new(std::io::Error::other("connection refused")),
        };
        assert_eq!(
            error.render(),
            "error: no server answers at http://127.0.0.1:1: connection refused\n  \
             hint: start a server with `tidemill up`; if one should run, see what it says\n"
        );
        assert_eq!(error.exit(), Exit::Failure);
        assert!(error.is_passing());
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let error = Error::Io {
            action: "read a.yaml".to_owned(),
            source: std::io::Error::other("gone"),
        };
        assert_eq!(error.render(), "error: cannot read a.yaml: gone\n");
        assert_eq!(Error::usage("no such kind").exit().code(), 64);
    }
}
