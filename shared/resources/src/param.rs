//! Parameters: declarations and values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod number;
mod value;

pub use number::go_number;
pub use value::ParamValue;

words! {
    /// Type of a parameter or result.
    #[derive(Default)]
    pub enum ParamType {
        /// Text.
        #[default]
        String = "string",
        /// List of texts.
        Array = "array",
        /// Texts by key.
        Object = "object",
    }
}

record! {
    /// One property of an object parameter.
    pub struct PropertySpec {
        /// Always `string`.
        #[serde(rename = "type")]
        pub kind: Option<ParamType>,
    }
}

record! {
    /// A declared parameter.
    pub struct ParamSpec {
        /// Name, unique among the declarations whatever its case.
        pub name: String,
        /// Type; inferred from `properties` and `default` when absent.
        #[serde(rename = "type")]
        pub kind: Option<ParamType>,
        /// Prose.
        pub description: String,
        /// Keys of an object parameter.
        pub properties: BTreeMap<String, PropertySpec>,
        /// Value when the run gives none.
        pub default: Option<ParamValue>,
        /// Allowed values of a string parameter; empty means all.
        #[serde(rename = "enum")]
        pub allowed: Vec<String>,
    }
}

impl ParamSpec {
    /// The declared type, or the one that `properties` or `default` imply, else string.
    #[must_use]
    pub fn effective_type(&self) -> ParamType {
        self.kind.unwrap_or_else(|| match &self.default {
            _ if !self.properties.is_empty() => ParamType::Object,
            Some(value) => value.kind(),
            None => ParamType::String,
        })
    }
}

/// A parameter given a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Param {
    /// Name of the declaration it meets.
    pub name: String,
    /// The value, written even when empty.
    pub value: ParamValue,
}
