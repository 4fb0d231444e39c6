//! Starting the log of a process.

use std::io::IsTerminal;

use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, reload};

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
    /// This process has no log.
    #[error("the log of this process was not started")]
    NotStarted,
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
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        Format::Text => lines.with_ansi(colours()).boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    // Each layer has its own filter: what is logged and what is traced have nothing to do with each other.
    let started = tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(crate::request::layer())
        .try_init();
    started.map_err(|_| Error::Started)?;
    let changer: Changer = Box::new(move |filter| handle.reload(filter).is_ok());
    let control = Control {
        now: Mutex::new(value),
        changer,
    };
    CONTROL.set(control).map_err(|_| Error::Started)
}

/// Takes a filter into use.
type Changer = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

/// The log of this process, once it was started.
static CONTROL: OnceLock<Control> = OnceLock::new();

struct Control {
    now: Mutex<String>,
    changer: Changer,
}

/// The filter in use; empty before the log was started.
pub fn filter_now() -> String {
    let now = CONTROL
        .get()
        .map(|control| control.now.lock().unwrap_or_else(PoisonError::into_inner));
    now.map(|now| now.clone()).unwrap_or_default()
}

/// Logs by another filter from now on.
///
/// # Errors
/// [`Error::Filter`], [`Error::NotStarted`].
pub fn change(value: &str) -> Result<(), Error> {
    let filter = filter(value)?;
    let control = CONTROL.get().ok_or(Error::NotStarted)?;
    let mut now = control.now.lock().unwrap_or_else(PoisonError::into_inner);
    if !(control.changer)(filter) {
        return Err(Error::NotStarted);
    }
    value.clone_into(&mut now);
    tracing::info!(filter = value, "The log's filter was changed.");
    Ok(())
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
        assert!(matches!(change("debug"), Err(Error::NotStarted)));
        assert!(start(Format::Json, DEFAULT_FILTER).is_ok());
        change("warn,tidemill_planner=debug").unwrap();
        assert_eq!(filter_now(), "warn,tidemill_planner=debug");
        assert!(matches!(change("planner=loud"), Err(Error::Filter { .. })));
        assert_eq!(filter_now(), "warn,tidemill_planner=debug");
        assert!(matches!(start(Format::Text, DEFAULT_FILTER), Err(Error::Started)));
    }
}
