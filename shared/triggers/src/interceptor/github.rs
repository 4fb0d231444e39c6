//! GitHub: an HMAC-SHA-256 of the body, and the files a push changed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Asked, Extensions, SecretRef, Stop, event_type, secret};
use crate::event::is_form;

const SIGNATURE: &str = "X-Hub-Signature-256";
const OLD_SIGNATURE: &str = "X-Hub-Signature";
const EVENT: &str = "X-Github-Event";

record! {
    /// Parameters of the interceptor.
    pub(super) struct Params {
        /// Where the secret is.
        pub(super) secret_ref: Option<SecretRef>,
        /// Events that pass; absent: all.
        pub(super) event_types: Option<Vec<String>>,
        /// Adds the changed files.
        pub(super) add_changed_files: ChangedFiles,
        /// Lets only owners pass.
        pub(super) github_owners: Owners,
    }

    /// Whether changed files are added.
    pub(super) struct ChangedFiles {
        /// Whether they are.
        pub(super) enabled: bool,
        /// Token for private repositories.
        pub(super) personal_access_token: Option<SecretRef>,
    }

    /// Whether only owners pass.
    pub(super) struct Owners {
        /// Whether they do.
        pub(super) enabled: bool,
        /// Token to ask with.
        pub(super) personal_access_token: Option<SecretRef>,
        /// orgMembers, repoMembers, all or none.
        pub(super) check_type: String,
    }
}

pub(super) fn ask(params: &Params, asked: &Asked<'_>) -> Result<Extensions, Stop> {
    if is_form(&asked.event.headers) {
        return Err(Stop::Failed(
            "the webhook sends a form; set its content type to application/json at GitHub".to_owned(),
        ));
    }
    if let Some(reference) = &params.secret_ref {
        signature(reference, asked)?;
    }
    event_type(params.event_types.as_ref(), EVENT, asked.event)?;
    let event = asked.event.headers.first(EVENT).unwrap_or_default();
    if params.github_owners.enabled && matches!(event, "pull_request" | "issue_comment") {
        return Err(Stop::Failed(
            "githubOwners needs GitHub's API, which is not asked; filter by body.sender.login with cel".to_owned(),
        ));
    }
    let mut added = Extensions::new();
    if params.add_changed_files.enabled {
        match event {
            "push" => {
                added.insert("changed_files".to_owned(), changed_files(asked)?.into());
            }
            "pull_request" => {
                return Err(Stop::Failed(
                    "addChangedFiles of a pull_request needs GitHub's API, which is not asked".to_owned(),
                ));
            }
            _ => {}
        }
    }
    Ok(added)
}

fn signature(reference: &SecretRef, asked: &Asked<'_>) -> Result<(), Stop> {
    let key = secret::value(reference, asked)?;
    let headers = &asked.event.headers;
    let Some(signature) = headers.first(SIGNATURE) else {
        let mut why = format!("there is no header {SIGNATURE}");
        if headers.first(OLD_SIGNATURE).is_some() {
            why.push_str(&format!("; {OLD_SIGNATURE} with sha1 is not taken"));
        }
        return Err(Stop::Refused(why));
    };
    secret::signed(signature, &asked.event.body, &key, &["sha256"])
        .map_err(|why| Stop::Refused(format!("{SIGNATURE} {why}")))
}

/// The files the commits of a push added, changed or removed, each once, joined by commas.
fn changed_files(asked: &Asked<'_>) -> Result<String, Stop> {
    let commits = asked.event.payload().and_then(|body| body.get("commits"));
    let Some(commits) = commits.and_then(Value::as_array) else {
        return Err(Stop::Failed("addChangedFiles: the push has no commits".to_owned()));
    };
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for commit in commits {
        for field in ["added", "modified", "removed"] {
            let named = commit.get(field).and_then(Value::as_array).into_iter().flatten();
            for file in named.filter_map(Value::as_str) {
                if seen.insert(file) {
                    files.push(file);
                }
            }
        }
    }
    Ok(files.join(","))
}
