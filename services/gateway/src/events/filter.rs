//! Which events are wanted.

use jiff::Timestamp;
use tidemill_messages::event::{Class, Summary};
use tidemill_triggers::{Event, Search};

use crate::query::Parameters;
use crate::status::Refusal;

/// Longest text of one filter, in bytes; expressions have a limit of their own.
const TEXT_BYTES_MAX: usize = 1_024;

/// What lists and watches take as parameters. Everything given must hold.
///
/// | parameter | holds for |
/// |---|---|
/// | `id` | events whose id begins so |
/// | `listener` | events of this EventListener |
/// | `outcome` | one of these words, separated by commas: [`Class`] |
/// | `since`, `until` | events received from, and before, these times (RFC 3339) |
/// | `from` | this forge, such as `gitlab` |
/// | `event` | a type that holds this text, in any case |
/// | `branch` | this branch or tag, with or without `refs/heads/` |
/// | `commit` | a commit that begins so |
/// | `repository` | a repository that holds this text, in any case |
/// | `text` | a payload that holds this text |
/// | `where` | this CEL expression, over `body`, `header` and `requestURL` |
#[derive(Default)]
pub(super) struct Filter {
    id: String,
    classes: Vec<Class>,
    pub(super) since: Option<Timestamp>,
    until: Option<Timestamp>,
    listener: String,
    from: String,
    event: String,
    branch: String,
    commit: String,
    repository: String,
    text: String,
    search: Option<Search>,
}

impl Filter {
    /// From the parameters of a request.
    pub(super) fn of(parameters: &Parameters) -> Result<Self, Refusal> {
        let text = |name: &str| -> Result<String, Refusal> {
            let text = parameters.text(name);
            if text.len() > TEXT_BYTES_MAX {
                let message = format!("the parameter {name} has more than {TEXT_BYTES_MAX} bytes");
                return Err(Refusal::bad_request(message));
            }
            Ok(text.to_owned())
        };
        let search = match parameters.text("where") {
            "" => None,
            expression => Some(
                Search::read(expression)
                    .map_err(|why| Refusal::bad_request(format!("where={expression:?} is no expression: {why}")))?,
            ),
        };
        Ok(Self {
            id: text("id")?,
            classes: classes(parameters.text("outcome"))?,
            since: parameters.parsed("since")?,
            until: parameters.parsed("until")?,
            listener: text("listener")?,
            from: text("from")?.to_lowercase(),
            event: text("event")?.to_lowercase(),
            branch: short(&text("branch")?).to_owned(),
            commit: text("commit")?,
            repository: text("repository")?.to_lowercase(),
            text: text("text")?,
            search,
        })
    }

    /// Only what has a name that begins so.
    pub(super) fn by_name(name: &str) -> Self {
        Self {
            id: name.to_owned(),
            ..Self::default()
        }
    }

    /// Whether what is known without the payload fits.
    pub(super) fn takes(&self, name: &str, summary: &Summary, classes: &[Class]) -> bool {
        let holds = |wanted: &str, found: &str| wanted.is_empty() || found.to_lowercase().contains(wanted);
        let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        name.starts_with(&self.id)
            && self.since.is_none_or(|since| summary.received_at >= since)
            && self.until.is_none_or(|until| summary.received_at < until)
            && is(&self.listener, &summary.listener)
            && is(&self.from, &summary.from)
            && is(&self.branch, short(&summary.branch))
            && summary.revision.starts_with(&self.commit)
            && holds(&self.event, &summary.event)
            && holds(&self.repository, &summary.repository)
            && self.takes_classes(classes)
    }

    /// Whether one of the classes is wanted.
    pub(super) fn takes_classes(&self, classes: &[Class]) -> bool {
        self.classes.is_empty() || classes.iter().any(|class| self.classes.contains(class))
    }

    /// Whether the payload has to be read to know.
    pub(super) fn needs_payload(&self) -> bool {
        !self.text.is_empty() || self.search.is_some()
    }

    /// Whether the payload fits.
    pub(super) fn takes_payload(&self, event: &Event) -> bool {
        let holds = self.text.is_empty() || contains(&event.body, self.text.as_bytes());
        holds && self.search.as_ref().is_none_or(|search| search.finds(event))
    }
}

fn classes(words: &str) -> Result<Vec<Class>, Refusal> {
    let words = words.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| {
            Class::from_word(word).ok_or_else(|| {
                let known: Vec<&str> = Class::ALL.into_iter().map(Class::as_str).collect();
                Refusal::bad_request(format!("outcome {word:?}: expected one of {}", known.join(", ")))
            })
        })
        .collect()
}

/// A branch or tag without what a reference has in front.
fn short(reference: &str) -> &str {
    let name = reference.strip_prefix("refs/heads/");
    name.or_else(|| reference.strip_prefix("refs/tags/"))
        .unwrap_or(reference)
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(query: &str) -> Result<Filter, Refusal> {
        Filter::of(&Parameters::of(&format!("/x?{query}").parse().unwrap()).unwrap())
    }

    fn summary() -> Summary {
        Summary {
            listener: "git".to_owned(),
            received_at: "2026-11-23T13:05:02Z".parse().unwrap(),
            from: "gitlab".to_owned(),
            event: "Push Hook".to_owned(),
            branch: "main".to_owned(),
            revision: "3f2c1aa9".to_owned(),
            repository: "Course/Demo".to_owned(),
            ..Summary::default()
        }
    }

    #[test]
    fn everything_given_must_hold() {
        for (query, expected) in [
            ("", true),
            (
                "id=41c9&listener=git&from=GitLab&event=push&branch=refs/heads/main",
                true,
            ),
            ("commit=3f2c&repository=course/", true),
            ("since=2026-11-23T13:05:02Z&until=2026-11-23T13:05:03Z", true),
            ("until=2026-11-23T13:05:02Z", false),
            ("since=2026-11-23T13:05:03Z", false),
            ("branch=mai", false),
            ("listener=gi", false),
            ("id=41c8", false),
            ("commit=2c", false),
            ("outcome=accepted,dead", true),
            ("outcome=dead", false),
        ] {
            let takes = filter(query)
                .unwrap()
                .takes("41c9f0", &summary(), &[Class::Failed, Class::Accepted]);
            assert_eq!(takes, expected, "{query}");
        }
    }

    #[test]
    fn filters_that_are_none_are_refused() {
        for query in ["outcome=good", "since=yesterday", "where=body.", "where=%20"] {
            assert!(filter(query).is_err(), "{query}");
        }
        assert!(filter(&format!("text={}", "x".repeat(TEXT_BYTES_MAX + 1))).is_err());
    }
}
