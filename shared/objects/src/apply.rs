//! Server-side apply: an object is brought to what one manager says of it, and what others say stays.

use serde_json::Value;
use tidemill_resources::problem::Problems;
use tidemill_resources::{Object, convert};

use crate::admit::admit;
use crate::create::{WriteOptions, Written};
use crate::managed::{self, Conflict, Writer};
use crate::rules::Part;
use crate::{Cause, Error, Key, Objects};

/// How often an object may appear or vanish meanwhile.
const ATTEMPTS: usize = 4;

impl Objects {
    /// Applies what `options.manager` says of an object, which is created where it is not there; the second value says
    /// whether it was. `force` takes fields from other managers.
    ///
    /// # Errors
    /// [`Error::FieldConflict`], and as [`Objects::patch`] and [`Objects::create`].
    pub async fn apply(
        &self,
        key: &Key,
        mut config: Value,
        part: Part,
        force: bool,
        options: &WriteOptions,
    ) -> Result<(Written, bool), Error> {
        if options.manager.is_empty() {
            return Err(Error::bad_request("fieldManager is required for apply patch"));
        }
        if config
            .pointer("/metadata/managedFields")
            .is_some_and(|entries| !entries.is_null())
        {
            return Err(Error::bad_request("metadata.managedFields must be nil"));
        }
        // Whole objects are admitted later; a part of one is only brought to the stored version here.
        let _conversion = convert::to_v1(&mut config, &mut Problems::default());
        let now = self.inner.now();
        let writer = Writer {
            manager: &options.manager,
            part,
            now: &now,
        };
        for _ in 0..ATTEMPTS {
            if self.get(key).await?.is_none() {
                match self.create_applied(key, &config, writer, options).await {
                    Err(Error::AlreadyExists { .. }) => continue,
                    done => return done.map(|written| (written, true)),
                }
            }
            let merge = |old: &Object| {
                let admitted = |value: Value| match admit(value.clone(), Some(old), false) {
                    Ok(admitted) => admitted.object.to_value(),
                    // What is wrong with it is told when it is written.
                    Err(_) => value,
                };
                managed::applied(old, &config, writer, force, admitted).map_err(|all| conflict(&all, &config))
            };
            match self.admitted(key, part, options, true, merge).await {
                Err(error) if error.is_not_found() => {}
                done => return done.map(|written| (written, false)),
            }
        }
        Err(key.conflict("it came and went while it was applied; please try again"))
    }

    async fn create_applied(
        &self,
        key: &Key,
        config: &Value,
        writer: Writer<'_>,
        options: &WriteOptions,
    ) -> Result<Written, Error> {
        if writer.part == Part::Status {
            return Err(key.not_found());
        }
        let mut value = managed::created(config, writer);
        let managers = value.pointer_mut("/metadata/managedFields").map(Value::take);
        let managers = managers.and_then(|managers| serde_json::from_value(managers).ok());
        self.create_managed(value, options.clone(), managers).await
    }
}

fn conflict(all: &[Conflict], config: &Value) -> Error {
    let version = config.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let with = |conflict: &Conflict| format!("conflict with {:?} using {version}", conflict.manager);
    let message = match all {
        [one] => format!("Apply failed with 1 conflict: {}: {}", with(one), one.field),
        several => {
            let lines: Vec<String> = several
                .iter()
                .map(|one| format!("- {}: {}", with(one), one.field))
                .collect();
            format!("Apply failed with {} conflicts:\n{}", several.len(), lines.join("\n"))
        }
    };
    let cause = |conflict: &Conflict| Cause {
        field: conflict.field.clone(),
        reason: "FieldManagerConflict",
        message: with(conflict),
    };
    Error::FieldConflict {
        message,
        causes: all.iter().map(cause).collect(),
    }
}
