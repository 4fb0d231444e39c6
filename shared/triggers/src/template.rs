//! From values to objects.

mod shape;

pub(crate) use shape::differences;

use serde_json::{Map, Value};
use tidemill_resources::Kind;

use crate::bind::Values;
use crate::interceptor::Stop;
use crate::kinds::TemplateSpec;
use crate::names::{ANNOTATION_OLD_ESCAPE_QUOTES, LABEL_EVENT_ID, LABEL_LISTENER, LABEL_TRIGGER};
use crate::text::json_error;

/// Largest object a template may make, in bytes of JSON.
pub const OBJECT_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Most objects one template may make.
pub const OBJECTS_MAX: usize = 256;

/// Beginning of a parameter in a template.
pub(crate) const PARAM: &str = "$(tt.params.";
const UID: &str = "$(uid)";

/// What a firing is known by.
pub(crate) struct Firing<'a> {
    pub(crate) listener: &'a str,
    pub(crate) trigger: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) event_id: &'a str,
    pub(crate) uid: &'a str,
}

/// A template as it is used.
pub(crate) struct Used {
    pub(crate) spec: TemplateSpec,
    pub(crate) escapes_quotes: bool,
}

impl Used {
    /// A template that is written out, or the one of an object with these annotations.
    pub(crate) fn new(spec: TemplateSpec, annotation: Option<&str>) -> Self {
        Self {
            spec,
            escapes_quotes: annotation == Some("true"),
        }
    }

    /// The key of the annotation [`Used::new`] is given.
    pub(crate) const ANNOTATION: &'static str = ANNOTATION_OLD_ESCAPE_QUOTES;

    /// The objects, and what their maker should know.
    pub(crate) fn make(&self, values: &Values, firing: &Firing<'_>) -> Result<(Vec<Value>, Vec<String>), Stop> {
        if self.spec.resourcetemplates.len() > OBJECTS_MAX {
            return Err(Stop::Failed(format!(
                "the template has more than {OBJECTS_MAX} objects"
            )));
        }
        let mut warnings = risky(values);
        let mut objects = Vec::new();
        for (index, template) in self.spec.resourcetemplates.iter().enumerate() {
            let place = |why: String| Stop::Failed(format!("template, object {}: {why}", index + 1));
            let text = self
                .replaced(&template.to_string(), values, firing.uid)
                .map_err(place)?;
            let made: Value = serde_json::from_str(&text).map_err(|error| {
                place(format!(
                    "with its values it is no longer JSON: {}; a value holds quotes or an object",
                    json_error(&error)
                ))
            })?;
            for path in differences(template, &made) {
                warnings.push(format!("object {}: a value changed its shape at {path}", index + 1));
            }
            if let Some(name) = left_over(&text) {
                warnings.push(format!("object {}: parameter {name:?} has no value", index + 1));
            }
            objects.push(finished(made, firing).map_err(place)?);
        }
        Ok((objects, warnings))
    }

    /// Replaces text in raw JSON, in one pass: a value is not looked at again.
    fn replaced(&self, template: &str, values: &Values, uid: &str) -> Result<String, String> {
        let mut text = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(at) = rest.find("$(") {
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            let named = rest.strip_prefix(PARAM).and_then(|after| {
                let (name, after) = after.split_once(')')?;
                Some((values.get(name)?, after))
            });
            if let Some((value, after)) = named {
                match self.escapes_quotes {
                    true => text.push_str(&value.replace('"', "\\\"")),
                    false => text.push_str(value),
                }
                rest = after;
            } else if let Some(after) = rest.strip_prefix(UID) {
                text.push_str(uid);
                rest = after;
            } else {
                text.push_str("$(");
                rest = &rest[2..];
            }
            if text.len() > OBJECT_BYTES_MAX {
                return Err(format!("it has more than {OBJECT_BYTES_MAX} bytes"));
            }
        }
        text.push_str(rest);
        Ok(text)
    }
}

/// Adds what every made object has: a namespace and the labels that lead back.
fn finished(made: Value, firing: &Firing<'_>) -> Result<Value, String> {
    let Value::Object(mut object) = made else {
        return Err("it is no object".to_owned());
    };
    let field = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (field("apiVersion"), field("kind"));
    if api_version.is_empty() || kind.is_empty() {
        return Err("it has no apiVersion or no kind".to_owned());
    }
    let metadata = map_in(&mut object, "metadata")?;
    let is_namespaced = Kind::of(&api_version, &kind).is_none_or(|kind| kind.namespaced);
    let has_namespace = metadata
        .get("namespace")
        .and_then(Value::as_str)
        .is_some_and(|namespace| !namespace.is_empty());
    if is_namespaced && !has_namespace {
        metadata.insert("namespace".to_owned(), firing.namespace.into());
    }
    let labels = map_in(metadata, "labels")?;
    for (label, value) in [
        (LABEL_LISTENER, firing.listener),
        (LABEL_TRIGGER, firing.trigger),
        (LABEL_EVENT_ID, firing.event_id),
    ] {
        labels.insert(label.to_owned(), value.into());
    }
    Ok(Value::Object(object))
}

/// The map in a field, made if there is none.
fn map_in<'a>(fields: &'a mut Map<String, Value>, name: &str) -> Result<&'a mut Map<String, Value>, String> {
    let field = fields.entry(name).or_insert(Value::Null);
    if field.is_null() {
        *field = Value::Object(Map::new());
    }
    field.as_object_mut().ok_or_else(|| format!("its {name} is no object"))
}

/// The first parameter that was left as it is.
fn left_over(text: &str) -> Option<&str> {
    let mut from = 0;
    while let Some(at) = text[from..].find(PARAM) {
        let at = from + at;
        let after = &text[at + PARAM.len()..];
        let (name, _) = after.split_once(')')?;
        // One out of an event came in as `$$(` and is meant to stay.
        if !text[..at].ends_with('$') {
            return Some(name);
        }
        from = at + PARAM.len();
    }
    None
}

/// Warnings about values that could end the text they stand in.
fn risky(values: &Values) -> Vec<String> {
    let risky = values.iter().filter(|(_, value)| ends_a_text(value));
    risky
        .map(|(name, _)| {
            format!("the value of {name:?} holds quotes, line breaks or an object: it can change an object's shape")
        })
        .collect()
}

/// Whether a value holds what may not stand inside the quotes of JSON.
fn ends_a_text(value: &str) -> bool {
    let mut escaped = false;
    for c in value.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' | '\0'..='\x1f' => return true,
            _ => {}
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
