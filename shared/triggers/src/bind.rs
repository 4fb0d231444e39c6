//! From an event to the values of a template's parameters.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::event::{Event, canonical};
use crate::interceptor::{Extensions, Stop};
use crate::kinds::{Binding, BindingParam, BindingUse, TemplateParam};
use crate::lookup::{Found, Lookups, Need};
use crate::path::span::{Piece, pieces};
use crate::path::{Fault, JsonPath};

/// Most bytes the values of all parameters of one trigger may have together.
pub const VALUES_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Values by name.
pub(crate) type Values = BTreeMap<String, String>;

/// What paths are followed through.
pub(crate) struct Document<'a> {
    body: &'a Value,
    header: Value,
    extensions: Value,
    context: Value,
}

impl<'a> Document<'a> {
    /// The document of an event and what interceptors added.
    pub(crate) fn new(event: &'a Event, extensions: &Extensions) -> Self {
        let headers = event
            .headers
            .iter()
            .map(|(name, values)| (name.to_owned(), values.join(",").into()))
            .collect();
        Self {
            body: event.payload().unwrap_or(&Value::Null),
            header: Value::Object(headers),
            extensions: Value::Object(extensions.clone()),
            context: json!({"eventID": event.id}),
        }
    }

    fn text(&self, expression: &str) -> Result<String, Fault> {
        let path = JsonPath::read(expression)?;
        let begins = || Fault::new("a path begins with body, header, extensions or context");
        let (root, mut rest) = path.split_first().ok_or_else(begins)?;
        let part = match root {
            "body" => self.body,
            "header" => {
                rest.map_first(canonical);
                &self.header
            }
            "extensions" => &self.extensions,
            "context" => &self.context,
            _ => return Err(begins()),
        };
        rest.text(part)
    }
}

/// The parameters of a trigger's bindings, as they are written.
pub(crate) fn params(uses: &[BindingUse], namespace: &str, lookups: &dyn Lookups) -> Result<Vec<BindingParam>, Stop> {
    let mut params: Vec<BindingParam> = Vec::new();
    for binding in uses {
        if let Some(spec) = &binding.spec {
            params.extend(spec.params.iter().cloned());
        } else if binding.reference.is_empty() {
            params.push(BindingParam {
                name: binding.name.clone(),
                value: binding.value.clone().unwrap_or_default(),
            });
        } else {
            params.extend(referenced(binding, namespace, lookups)?);
        }
    }
    let mut names = std::collections::BTreeSet::new();
    match params.iter().find(|param| !names.insert(&param.name)) {
        Some(twice) => Err(Stop::Failed(format!(
            "the bindings have parameter {:?} twice",
            twice.name
        ))),
        None => Ok(params),
    }
}

fn referenced(binding: &BindingUse, namespace: &str, lookups: &dyn Lookups) -> Result<Vec<BindingParam>, Stop> {
    let is_cluster = binding.kind == "ClusterTriggerBinding";
    let need = Need::Object {
        kind: if is_cluster {
            "ClusterTriggerBinding"
        } else {
            "TriggerBinding"
        }
        .to_owned(),
        namespace: if is_cluster { "" } else { namespace }.to_owned(),
        name: binding.reference.clone(),
    };
    match lookups.look(&need) {
        None => Err(Stop::Pending(need)),
        Some(Found::Object(object)) => Binding::read(&object)
            .map(|binding| binding.spec.params)
            .map_err(|error| Stop::Failed(error.to_string())),
        Some(Found::Failed(why)) => Err(Stop::Failed(format!("{} cannot be read: {why}", need.describe()))),
        Some(_) => Err(Stop::Failed(format!("there is no {}", need.describe()))),
    }
}

/// The values of all parameters: of the bindings, else the template's defaults.
///
/// A path that leads nowhere fails unless the template has a default for its parameter.
pub(crate) fn values(
    params: &[BindingParam],
    declared: &[TemplateParam],
    document: &Document<'_>,
) -> Result<Values, Stop> {
    let mut values: Values = declared
        .iter()
        .filter_map(|param| Some((param.name.clone(), param.default.clone()?)))
        .collect();
    let mut bytes: usize = values.values().map(String::len).sum();
    for param in params {
        match value(&param.value, document) {
            Ok(value) => {
                bytes += value.len();
                values.insert(param.name.clone(), value);
            }
            Err(_) if values.contains_key(&param.name) => {}
            Err((expression, fault)) => {
                return Err(Stop::Failed(format!(
                    "parameter {:?}: $({expression}): {fault}",
                    param.name
                )));
            }
        }
        if bytes > VALUES_BYTES_MAX {
            return Err(Stop::Failed(format!(
                "the values of the parameters have more than {VALUES_BYTES_MAX} bytes"
            )));
        }
    }
    Ok(values)
}

/// A value with its paths replaced. A `$(` out of the event arrives as `$$(`,
/// so that nothing that reads the made object takes it for a variable.
fn value<'t>(text: &'t str, document: &Document<'_>) -> Result<String, (&'t str, Fault)> {
    let mut value = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(plain) => value.push_str(plain),
            Piece::Expression(expression) => {
                let found = document.text(expression).map_err(|fault| (expression, fault))?;
                value.push_str(&found.replace("$(", "$$("));
            }
        }
    }
    Ok(value)
}
