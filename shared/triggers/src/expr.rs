//! CEL: filters and overlays, bounded in length, depth and work.
//!
//! The only module that knows the crate `cel`. An expression is parsed, its
//! tree is rewritten so that every call and every round of a loop pays from
//! [`FUEL`], and evaluated; what runs out of fuel fails.

mod compile;
mod convert;
mod functions;
mod meter;
mod overlay;
mod run;
mod say;
mod search;
mod secrets;
mod url;

pub use search::Search;

use serde_json::{Map, Value};
use tidemill_resources::Problems;
use tidemill_resources::decode::decode;

use crate::interceptor::{Asked, Extensions, Stop};
use crate::text::{brief, kind_of};

/// Longest expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 8 * 1024;
/// Steps one expression may take: about one for a call, a loop's round, an
/// element, or 64 bytes of a text it handles.
pub const FUEL: u64 = 500_000;
/// Most overlays of one interceptor.
const OVERLAYS_MAX: usize = 256;

record! {
    /// Parameters of the interceptor.
    pub(crate) struct Params {
        /// Must be true for the event to pass.
        pub(crate) filter: String,
        /// What is added.
        pub(crate) overlays: Vec<Overlay>,
    }

    /// One thing that is added.
    pub(crate) struct Overlay {
        /// Under what name; dots nest.
        pub(crate) key: String,
        /// Its value.
        pub(crate) expression: String,
    }
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    /// It cannot be read, or needs too much.
    Fault(String),
    /// The event has not what it asks for.
    Undecided(String),
    /// The event goes no further for another reason.
    Stop(Stop),
}

/// Filters the event, then adds the overlays; those do not see each other.
pub(crate) fn ask(params: &Params, asked: &Asked<'_>) -> Result<Extensions, Stop> {
    if !params.filter.is_empty() {
        let shown = brief(&params.filter);
        match run::value(&params.filter, asked) {
            Ok(Value::Bool(true)) => {}
            Ok(Value::Bool(false)) => return Err(Stop::Filtered(format!("{shown} was false"))),
            Ok(other) => return Err(Stop::Filtered(format!("{shown} was {}, not true", kind_of(&other)))),
            Err(Failure::Undecided(why)) => return Err(Stop::Filtered(format!("{shown} cannot be told: {why}"))),
            Err(Failure::Fault(why)) => return Err(Stop::Failed(format!("filter {shown}: {why}"))),
            Err(Failure::Stop(stop)) => return Err(stop),
        }
    }
    if params.overlays.len() > OVERLAYS_MAX {
        return Err(Stop::Failed(format!("it has more than {OVERLAYS_MAX} overlays")));
    }
    let mut added = Extensions::new();
    for overlay in &params.overlays {
        let value = run::value(&overlay.expression, asked).map_err(|failure| match failure {
            Failure::Fault(why) | Failure::Undecided(why) => Stop::Failed(format!(
                "overlay {:?}: {}: {why}",
                overlay.key,
                brief(&overlay.expression)
            )),
            Failure::Stop(stop) => stop,
        })?;
        overlay::set(&mut added, &overlay.key, value)
            .map_err(|why| Stop::Failed(format!("overlay {:?}: {why}", overlay.key)))?;
    }
    Ok(added)
}

/// What is wrong with the parameters of a `cel` interceptor, without an event.
pub(crate) fn check(parameters: &Map<String, Value>) -> Vec<String> {
    let mut problems = Problems::default();
    let Some(params) = decode::<Params>(&Value::Object(parameters.clone()), false, &mut problems) else {
        return problems.into_vec().iter().map(ToString::to_string).collect();
    };
    let mut found = Vec::new();
    if params.filter.is_empty() && params.overlays.is_empty() {
        found.push("cel has neither filter nor overlays".to_owned());
    }
    if !params.filter.is_empty()
        && let Err(why) = compile::compile(&params.filter)
    {
        found.push(format!("filter: {why}"));
    }
    for (index, overlay) in params.overlays.iter().enumerate() {
        if overlay.key.is_empty() {
            found.push(format!("overlays[{index}].key is missing"));
        }
        if let Err(why) = compile::compile(&overlay.expression) {
            found.push(format!("overlays[{index}].expression: {why}"));
        }
    }
    found
}

#[cfg(test)]
mod tests;
