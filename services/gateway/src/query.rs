//! The parameters of a request.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::Uri;

use crate::status::Refusal;

/// Parameters by name; of one given twice the last counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(crate) fn of(uri: &Uri) -> Result<Self, Refusal> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| Refusal::bad_request("the query of the address cannot be read"))?;
        Ok(Self(pairs.into_iter().collect()))
    }

    /// The text of a parameter; empty when it is absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A parameter as a number (or what else can be read from text); `None` when absent or empty.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let read = text.parse().map(Some);
        read.map_err(|_| Refusal::bad_request(format!("the parameter {name}={text:?} cannot be read")))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name) {
            "" if self.0.contains_key(name) => Ok(true),
            "" | "0" | "false" => Ok(false),
            "1" | "true" => Ok(true),
            text => Err(Refusal::bad_request(format!(
                "the parameter {name}={text:?} must be true or false"
            ))),
        }
    }

    /// Whether nothing is to be stored.
    pub(crate) fn dry_run(&self) -> Result<bool, Refusal> {
        match self.text("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            text => Err(Refusal::bad_request(format!("dryRun={text:?}: expected All"))),
        }
    }

    /// How unknown fields are met.
    pub(crate) fn validation(&self) -> Result<Validation, Refusal> {
        match self.text("fieldValidation") {
            "" | "Warn" => Ok(Validation::Warn),
            "Strict" => Ok(Validation::Strict),
            "Ignore" => Ok(Validation::Ignore),
            text => Err(Refusal::bad_request(format!(
                "fieldValidation={text:?}: expected Ignore, Warn or Strict"
            ))),
        }
    }
}

/// What becomes of unknown fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validation {
    /// Dropped without a word.
    Ignore,
    /// Dropped with a warning.
    Warn,
    /// Refused.
    Strict,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> Parameters {
        Parameters::of(&format!("/x?{query}").parse().unwrap()).unwrap()
    }

    #[test]
    fn parameters_are_read_or_refused() {
        let given = parameters("limit=5&watch&labelSelector=a%3Db%2Cc&follow=false&dryRun=All");
        assert_eq!(given.parsed::<usize>("limit").unwrap(), Some(5));
        assert!(given.flag("watch").unwrap() && !given.flag("follow").unwrap() && !given.flag("other").unwrap());
        assert_eq!(given.text("labelSelector"), "a=b,c");
        assert!(given.dry_run().unwrap());
        assert_eq!(given.validation().unwrap(), Validation::Warn);
        let wrong = parameters("limit=x&watch=maybe&dryRun=some&fieldValidation=no");
        assert!(wrong.parsed::<usize>("limit").is_err());
        assert!(wrong.flag("watch").is_err() && wrong.dry_run().is_err() && wrong.validation().is_err());
    }
}
