//! `describe`: objects as pages of text. Pure: what is shown comes in, with the time.

mod definition;
mod failure;
mod page;
mod pipeline_run;
mod plain;
mod task_run;

pub(crate) use definition::{pipeline, task};
pub(crate) use failure::{Failure, failures};
pub(crate) use page::status_text;
pub(crate) use pipeline_run::pipeline_run;
pub(crate) use plain::object;
pub(crate) use task_run::task_run;

use jiff::Timestamp;

use crate::output::Palette;

/// What every page needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// Colours and signs.
    pub(crate) palette: Palette,
    /// Now, for ages.
    pub(crate) now: Timestamp,
    /// Columns of the terminal; 0: as many as it takes.
    pub(crate) columns: usize,
}

#[cfg(test)]
mod tests;
