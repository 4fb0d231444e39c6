//! Finding events by an expression.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::compile::{Compiled, compile};
use super::run::once;
use super::secrets::Secrets;
use crate::event::Event;
use crate::interceptor::{Asked, Extensions};
use crate::lookup::Known;

/// An expression over `body`, `header` and `requestURL`, as filters of triggers have it.
#[derive(Clone, Debug)]
pub struct Search {
    compiled: Compiled,
}

impl Search {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read(expression: &str) -> Result<Self, String> {
        compile(expression).map(|compiled| Self { compiled })
    }

    /// Whether it is true of an event. What has no value for it is not found; secrets are not known.
    #[must_use]
    pub fn finds(&self, event: &Event) -> bool {
        let (extensions, lookups) = (Extensions::new(), Known::complete());
        let asked = Asked {
            event,
            extensions: &extensions,
            namespace: "",
            trigger: "",
            lookups: &lookups,
        };
        let secrets = Arc::new(Secrets::new(BTreeMap::new()));
        once(&self.compiled, &asked, &secrets) == Ok(Value::Bool(true))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::Search;
    use crate::event::{Event, Headers, Request};

    #[test]
    fn events_are_found_by_what_they_hold() {
        let request = Request {
            url: "/ci/git".to_owned(),
            headers: Headers::from_iter([("X-Gitlab-Event", "Push Hook")]),
            body: br#"{"ref": "refs/heads/main", "commits": [{"id": "3f2c"}]}"#.to_vec(),
        };
        let event = Event::read(&request, "e".to_owned(), Timestamp::UNIX_EPOCH, true).unwrap();
        for (expression, found) in [
            ("body.ref == 'refs/heads/main'", true),
            ("body.commits.exists(c, c.id.startsWith('3f'))", true),
            ("header.match('X-Gitlab-Event', 'Push Hook')", true),
            ("body.ref == 'refs/heads/docs'", false),
            ("body.absent == 'x'", false),
            ("body.ref", false),
            ("'x'.compareSecret('key', 'name')", false),
        ] {
            assert_eq!(Search::read(expression).unwrap().finds(&event), found, "{expression}");
        }
        assert!(Search::read("body.").is_err());
    }
}
