//! From JSON to types, as lenient as Go and as exact as a person needs.
//!
//! Field names match whatever their case, null is absence, unknown fields are
//! noticed. A value of the wrong type is reported with its path and left out,
//! and reading goes on, so that all such faults are told together.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::path::{Path, Segment};
use crate::problem::{Problem, Problems, Severity};

mod error;
mod reader;

use error::Fault;
use reader::{Notes, Reader, Stray};

/// Most faults of type that are looked for in one object.
const MAX_FAULTS: usize = 20;

/// Reads a value, adding every fault to `problems`.
///
/// Unknown fields are errors when `strict`, else warnings; names in another case
/// are always warnings. The
/// result is absent when the value has faults of type.
pub fn decode<T: DeserializeOwned>(value: &Value, strict: bool, problems: &mut Problems) -> Option<T> {
    let mut notes = Notes::default();
    let typed = match T::deserialize(Reader::new(value, &notes)) {
        Ok(typed) => Some(typed),
        Err(fault) => {
            notes = other_faults::<T>(value.clone(), fault, problems);
            None
        }
    };
    for stray in notes.into_strays() {
        tell(stray, strict, problems);
    }
    typed
}

/// Leaves each faulty field out until the rest can be read.
fn other_faults<T: DeserializeOwned>(mut value: Value, mut fault: Fault, problems: &mut Problems) -> Notes {
    for _ in 0..MAX_FAULTS {
        let path = fault.path.clone().unwrap_or_default();
        problems.add(fault.into_problem());
        let notes = Notes::default();
        if !remove(&mut value, &path) {
            return notes;
        }
        match T::deserialize(Reader::new(&value, &notes)) {
            Ok(_) => return notes,
            Err(next) => fault = next,
        }
    }
    Notes::default()
}

/// Removes the innermost field of an object that leads to `path`.
fn remove(value: &mut Value, path: &Path) -> bool {
    let segments = path.segments();
    let Some(last_key) = segments.iter().rposition(|segment| matches!(segment, Segment::Key(_))) else {
        return false;
    };
    let mut here = value;
    for segment in &segments[..last_key] {
        let next = match segment {
            Segment::Key(key) => here.get_mut(key),
            Segment::Index(index) => here.get_mut(index),
        };
        let Some(next) = next else { return false };
        here = next;
    }
    match (here.as_object_mut(), &segments[last_key]) {
        (Some(fields), Segment::Key(key)) => fields.remove(key).is_some(),
        _ => false,
    }
}

fn tell(stray: Stray, strict: bool, problems: &mut Problems) {
    let name = match stray.path.segments().last() {
        Some(Segment::Key(name)) => name.clone(),
        _ => String::new(),
    };
    if let Some(meant) = stray.meant {
        let message = format!("field {name:?} is written {meant:?}");
        problems.add(Problem::new(stray.path, message, Severity::Warning).of_key());
        return;
    }
    let severity = if strict { Severity::Error } else { Severity::Warning };
    let problem = Problem::new(stray.path, format!("unknown field {name:?}"), severity).of_key();
    problems.add_near(problem, &name, stray.fields.iter().copied(), None);
}

#[cfg(test)]
mod tests;
