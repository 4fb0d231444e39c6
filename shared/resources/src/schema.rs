//! The shape of objects as JSON schemas, for tools that explain or check what a person writes.
//!
//! They come from the types and their documentation. Core types of Kubernetes stand for themselves:
//! tools know them.

mod kinds;
mod leaf;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub use kinds::of_kind;

/// Prefix of the names of schemas.
const PREFIX: &str = "dev.tidemill.";

/// What has a schema.
pub trait Described {
    /// The schema of a value of this type; what it refers to is put into `schemas`.
    fn describe(schemas: &mut Schemas) -> Value;
}

/// Gives the schema of a field.
pub type Describe = fn(&mut Schemas) -> Value;

/// Named schemas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schemas(BTreeMap<String, Value>);

/// A field as the declaration of its type has it.
pub struct FieldText {
    /// Name in Rust.
    pub name: &'static str,
    /// The attributes, documentation among them, as text.
    pub attributes: &'static [&'static str],
}

impl Schemas {
    /// The schemas by name.
    #[must_use]
    pub fn into_map(self) -> BTreeMap<String, Value> {
        self.0
    }

    /// Adds a schema under its name.
    pub fn insert(&mut self, name: &str, schema: Value) {
        self.0.insert(name.to_owned(), schema);
    }

    /// A reference to the schema of a record, which is made on first use.
    pub fn record(&mut self, name: &str, attributes: &[&str], fields: &[(FieldText, Describe)]) -> Value {
        let full = format!("{PREFIX}{name}");
        if !self.0.contains_key(&full) {
            // First the name: a record may hold itself.
            self.0.insert(full.clone(), Value::Null);
            let mut properties = serde_json::Map::new();
            for (text, schema) in fields {
                let schema = described(schema(self), &documentation(text.attributes));
                properties.insert(text.wire_name(), schema);
            }
            let schema = json!({
                "type": "object", "description": documentation(attributes), "properties": properties,
            });
            self.0.insert(full.clone(), schema);
        }
        json!({"$ref": format!("#/components/schemas/{full}")})
    }
}

impl FieldText {
    /// Name in YAML.
    fn wire_name(&self) -> String {
        let renamed = self.attributes.iter().find_map(|attribute| {
            let (_, after) = attribute.split_once("rename")?;
            after.split('"').nth(1)
        });
        renamed.map_or_else(|| camel_case(self.name), str::to_owned)
    }
}

/// A schema with a description; a reference needs a shell for it.
fn described(mut schema: Value, description: &str) -> Value {
    if schema.get("$ref").is_some() {
        return json!({"description": description, "allOf": [schema]});
    }
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("description".to_owned(), description.into());
    }
    schema
}

/// The documentation among attributes, as one line.
fn documentation(attributes: &[&str]) -> String {
    let lines = attributes.iter().filter_map(|attribute| {
        let text = attribute
            .trim()
            .strip_prefix("doc")?
            .trim_start()
            .strip_prefix('=')?
            .trim();
        let text = text.trim_start_matches('r').trim_matches('#');
        let text = text.strip_prefix('"')?.strip_suffix('"')?;
        Some(text.replace("\\\"", "\"").replace("[`", "`").replace("`]", "`"))
    });
    let lines: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
    lines.join(" ").trim().to_owned()
}

fn camel_case(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.trim_start_matches("r#").chars() {
        if letter == '_' {
            upper = true;
        } else if std::mem::take(&mut upper) {
            text.extend(letter.to_uppercase());
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Described, Schemas, of_kind};
    use crate::Kind;
    use crate::step::Step;

    #[test]
    fn fields_have_the_names_and_words_of_their_declaration() {
        let mut schemas = Schemas::default();
        let reference = Step::describe(&mut schemas);
        assert_eq!(reference["$ref"], "#/components/schemas/dev.tidemill.Step");
        let schemas = schemas.into_map();
        let step = &schemas["dev.tidemill.Step"];
        assert_eq!(step["properties"]["workingDir"]["type"], "string");
        let described = step["properties"]["workingDir"]["description"].as_str().unwrap();
        assert!(described.starts_with("Working directory"), "{described}");
        assert_eq!(
            step["properties"]["ref"]["allOf"][0]["$ref"],
            "#/components/schemas/dev.tidemill.StepRef"
        );
        assert_eq!(step["properties"]["onError"]["type"], "string");
    }

    #[test]
    fn every_kind_has_a_schema_whose_references_lead_somewhere() {
        for kind in Kind::all() {
            for version in kind.versions {
                let mut schemas = Schemas::default();
                let name = of_kind(kind, version, &mut schemas);
                let all = schemas.into_map();
                let own = &all[&name];
                assert_eq!(own["x-kubernetes-group-version-kind"][0]["kind"], kind.kind);
                assert!(own["properties"]["metadata"].is_object(), "{name}");
                let text = serde_json::to_string(&all).unwrap();
                for part in text.split("#/components/schemas/").skip(1) {
                    let target = part.split('"').next().unwrap();
                    assert!(all.get(target).is_some_and(|schema| !schema.is_null()), "{target}");
                }
            }
        }
    }
}
