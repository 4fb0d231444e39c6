//! What a failure does.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a failing step or pipeline task does to what comes after it.
///
/// The text may hold variables, so any text decodes; validation refuses other
/// texts without `$(`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnError {
    /// `stopAndFail`: nothing new starts.
    StopAndFail,
    /// `continue`: go on as if it had succeeded.
    Continue,
    /// Not decided before substitution.
    Text(String),
}

impl OnError {
    /// The text as it is written in YAML.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::StopAndFail => "stopAndFail",
            Self::Continue => "continue",
            Self::Text(text) => text,
        }
    }
}

impl From<&str> for OnError {
    fn from(text: &str) -> Self {
        match text {
            "stopAndFail" => Self::StopAndFail,
            "continue" => Self::Continue,
            other => Self::Text(other.to_owned()),
        }
    }
}

impl fmt::Display for OnError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for OnError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for OnError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| text.as_str().into())
    }
}
