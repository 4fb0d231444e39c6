//! What an event is about, for people.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Event, Headers};

/// Characters of a revision that are shown.
const REVISION_CHARS: usize = 7;
/// Characters of a text out of the payload that are kept.
const TEXT_CHARS: usize = 200;
/// Where an event's type stands, and whose it then is.
const FORGES: &[(&str, &str)] = &[
    ("X-Gitea-Event", "gitea"),
    ("X-Github-Event", "github"),
    ("X-Gitlab-Event", "gitlab"),
    ("X-Event-Key", "bitbucket"),
    ("Ce-Type", "cloudevents"),
];
/// Where a payload names its branch or tag.
const REFS: &[&str] = &[
    "/ref",
    "/object_attributes/source_branch",
    "/pull_request/head/ref",
    "/push/changes/0/new/name",
    "/changes/0/ref/displayId",
];
/// Where a payload names its commit.
const REVISIONS: &[&str] = &[
    "/checkout_sha",
    "/after",
    "/object_attributes/last_commit/id",
    "/pull_request/head/sha",
    "/push/changes/0/new/target/hash",
    "/changes/0/toHash",
];
/// Where a payload names its repository.
const REPOSITORIES: &[&str] = &[
    "/project/path_with_namespace",
    "/repository/full_name",
    "/repository/name",
];

/// What an event is about: what lists show and filters ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Whose webhook it is, such as `gitlab`; empty when unknown.
    pub forge: String,
    /// What happened, such as `Push Hook`.
    pub event: String,
    /// Branch or tag, without `refs/heads/`.
    pub branch: String,
    /// Commit, whole.
    pub revision: String,
    /// Repository.
    pub repository: String,
}

/// Whose webhook it is and what happened, as far as headers tell; empty when they do not.
#[must_use]
pub fn forge(headers: &Headers) -> (String, String) {
    let (event, forge) = FORGES
        .iter()
        .find_map(|(header, forge)| Some((headers.first(header)?, *forge)))
        .unwrap_or_default();
    (forge.to_owned(), event.chars().take(TEXT_CHARS).collect())
}

impl Event {
    /// What the event is about, as far as its headers and payload tell.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let (forge, event) = forge(&self.headers);
        let branch = self.text(REFS);
        Origin {
            forge,
            event,
            branch: branch
                .trim_start_matches("refs/heads/")
                .trim_start_matches("refs/tags/")
                .to_owned(),
            revision: self.text(REVISIONS),
            repository: self.text(REPOSITORIES),
        }
    }

    fn text(&self, pointers: &[&str]) -> String {
        let found = pointers.iter().find_map(|pointer| {
            let text = self.payload()?.pointer(pointer).and_then(Value::as_str)?;
            (!text.is_empty()).then_some(text)
        });
        found.unwrap_or_default().chars().take(TEXT_CHARS).collect()
    }
}

impl Origin {
    /// One line such as `Push Hook main 3f2c1aa`.
    #[must_use]
    pub fn summary(&self) -> String {
        let revision: String = self.revision.chars().take(REVISION_CHARS).collect();
        let words = [self.event.as_str(), self.branch.as_str(), revision.as_str()];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        words.join(" ")
    }
}
