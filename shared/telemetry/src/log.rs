//! Starting the log of a process.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The environment variable with the filter, such as `info,tidemill_planner=debug`.
pub const FILTER_VARIABLE: &str = "TIDEMILL_LOG";

/// What is logged without [`FILTER_VARIABLE`].
pub const DEFAULT_FILTER: &str = "info";

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people; coloured on a terminal unless `NO_COLOR` is set.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why the log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is malformed.
    #[error("{FILTER_VARIABLE}=`{value}` is no log filter; expected such as `info,tidemill_planner=debug`")]
    Filter {
        /// Its value.
        value: String,
        /// The parser's words.
        #[source]
        source: ParseError,
    },
    /// This process has a log already.
    #[error("the log of this process was already started")]
    Started,
}

/// Starts the log of this process on standard error, with `default` ([`DEFAULT_FILTER`] or what the
/// command's flags ask for) as the filter where [`FILTER_VARIABLE`] is not set.
///
/// # Errors
/// [`Error::Filter`], [`Error::Started`].
pub fn start(format: Format, default: &str) -> Result<(), Error> {
    let value = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| default.to_owned());
    let filter = filter(&value)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match format {
        Format::Text => builder.with_ansi(colours()).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|_| Error::Started)
}

fn filter(value: &str) -> Result<EnvFilter, Error> {
    EnvFilter::try_new(value).map_err(|source| Error::Filter {
        value: value.to_owned(),
        source,
    })
}

fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_filter_is_named() {
        assert!(filter("info,tidemill_planner=debug").is_ok());
        let error = filter("info,planner=loud").unwrap_err();
        assert!(error.to_string().contains("planner=loud"), "{error}");
    }

    #[test]
    fn the_log_starts_once() {
        assert!(start(Format::Json, DEFAULT_FILTER).is_ok());
        assert!(matches!(start(Format::Text, DEFAULT_FILTER), Err(Error::Started)));
    }
}
