//! What a person sees: the surface written to, times, columns, objects as text.
//!
//! Nothing here knows what a run is; nothing here reads the clock.

mod columns;
mod object;
mod surface;
mod time;
mod wrap;

pub(crate) use columns::{Columns, clip, plain, width};
pub(crate) use object::{Format, items, print_object, print_table};
pub(crate) use surface::{ColourChoice, Mark, Palette, Surface};
pub(crate) use time::{age, between, brief_age, clock, exact, parse, short};
pub(crate) use wrap::wrap;
