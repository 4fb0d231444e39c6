//! Files of manifests: YAML or JSON text to checked objects, with positions.
//!
//! The text is read by the event parser beneath serde-saphyr; JSON values are
//! composed from its events, and where each stands is kept. Plain scalars mean
//! what they mean to kubectl, that is YAML 1.1: `yes` and `on` are booleans,
//! `0644` is octal.

use std::sync::Arc;

use serde_json::Value;

use crate::admission::{Admitted, Operation, admit};
use crate::convert::Conversion;
use crate::object::Object;
use crate::path::Segment;
use crate::problem::Problem;

mod compose;
mod diagnostic;
mod found;
mod limits;
mod scalar;
mod source;
mod text;
mod tree;

pub use diagnostic::{Diagnostic, Position};
pub use found::DIAGNOSTICS_MAX;
pub use limits::Limits;
pub use text::{decode_json, decode_yaml, to_yaml};

use compose::compose;
use diagnostic::Place;
use found::Found;
use source::Source;
use tree::Node;

/// A file as it was read.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Name to show.
    pub name: &'a str,
    /// Content; callers need not read more than [`Limits::file_bytes`] and one byte.
    pub bytes: &'a [u8],
}

/// One object of a file, checked.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// File it stands in.
    pub file: String,
    /// Document of the file, from 1.
    pub document: usize,
    /// The object as its author wrote it.
    pub written: Value,
    /// The object as it would be stored.
    pub object: Object,
    place: Place,
    conversion: Conversion,
}

/// A set of files, valid as a whole.
#[derive(Clone, Debug, Default)]
pub struct ManifestSet {
    /// The objects in the order of files and documents.
    pub manifests: Vec<Manifest>,
    /// What the authors should know.
    pub warnings: Vec<Diagnostic>,
}

impl ManifestSet {
    /// Reads and checks all files before any object is used.
    ///
    /// # Errors
    /// Every problem of every file, errors and warnings, in order, up to
    /// [`DIAGNOSTICS_MAX`]. A file whose text is broken gives one error and
    /// nothing else.
    pub fn parse(files: &[File<'_>], limits: &Limits, strict: bool) -> Result<Self, Vec<Diagnostic>> {
        let mut set = Self::default();
        let mut found = Found::default();
        for file in files {
            match compose(file.bytes, limits) {
                Ok(documents) => {
                    let source = Arc::new(Source::new(file.bytes));
                    for document in &documents {
                        if found.is_full() {
                            break;
                        }
                        let place = Place::new(file.name, document.number, &source, &document.root);
                        set.document(place, &document.root, strict, &mut found);
                    }
                }
                Err(broken) => found.add(Diagnostic::broken(file.name, file.bytes, broken)),
            }
            if found.is_full() {
                break;
            }
        }
        if found.has_errors() {
            return Err(found.into_vec());
        }
        set.warnings = found.into_vec();
        Ok(set)
    }

    /// One document: an object, or a `List` of them.
    fn document(&mut self, place: Place, root: &Node, strict: bool, found: &mut Found) {
        let value = root.to_value();
        let is_list = value
            .get("kind")
            .and_then(Value::as_str)
            .is_some_and(|kind| kind.ends_with("List"));
        match value {
            Value::Object(mut fields) if is_list && fields.get("items").is_some_and(Value::is_array) => {
                let items = fields
                    .remove("items")
                    .and_then(|items| items.as_array().cloned())
                    .unwrap_or_default();
                for (index, item) in items.into_iter().enumerate() {
                    let prefix = vec![Segment::Key("items".to_owned()), Segment::Index(index)];
                    self.object(place.below(prefix), item, strict, found);
                }
            }
            value => self.object(place, value, strict, found),
        }
    }

    fn object(&mut self, place: Place, written: Value, strict: bool, found: &mut Found) {
        let problems = match admit(written.clone(), Operation::Create, strict) {
            Ok(admitted) => {
                let (file, document) = (place.file().to_owned(), place.document());
                let Admitted {
                    object,
                    warnings,
                    conversion,
                } = admitted;
                self.manifests.push(Manifest {
                    file,
                    document,
                    written,
                    object,
                    place: place.clone(),
                    conversion,
                });
                warnings
            }
            Err(rejected) => rejected.problems,
        };
        problems
            .into_iter()
            .for_each(|problem| found.add(place.locate(problem)));
    }
}

impl Manifest {
    /// A problem of `object` with its file, document and position, the path as its author wrote it.
    #[must_use]
    pub fn locate(&self, mut problem: Problem) -> Diagnostic {
        problem.path = self.conversion.original(&problem.path);
        self.place.locate(problem)
    }
}

#[cfg(test)]
mod tests;
