//! Credentials of a ServiceAccount's Secrets, as files for git, ssh and docker.
//!
//! Secrets of type basic-auth and ssh-auth count where annotations `tekton.dev/git-<n>` or
//! `tekton.dev/docker-<n>` say for which server; those of docker's own types always do. A Secret that is
//! not there is a line in the log of the first step, no more.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidemill_messages::sandbox::{Content, File};

use crate::backend::{Error, Lookup};

mod docker;
mod git;

/// Annotations for git servers begin with it.
const GIT: &str = "tekton.dev/git-";
/// Annotations for registries begin with it.
const DOCKER: &str = "tekton.dev/docker-";
const BASIC_AUTH: &str = "kubernetes.io/basic-auth";
const SSH_AUTH: &str = "kubernetes.io/ssh-auth";

/// A Secret with what says what it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretObject {
    /// Its `type`.
    pub kind: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its data.
    pub data: BTreeMap<String, Bytes>,
}

/// Where programs look for credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// In the step's home, where each file is copied to.
    Own,
    /// In `/tekton/creds` alone: the home is the user's.
    Credentials,
}

/// Where Tekton has them.
pub(crate) const CREDENTIALS_PATH: &str = "/tekton/creds";

impl Home {
    fn path(self) -> &'static str {
        match self {
            Self::Own => "~",
            Self::Credentials => CREDENTIALS_PATH,
        }
    }
}

/// What steps get.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Credentials {
    /// Below `/tekton/creds` and the home.
    pub(crate) files: Vec<File>,
    /// Lines for the log.
    pub(crate) notes: Vec<String>,
    /// Values to be masked.
    pub(crate) masked: Vec<Content>,
}

/// The credentials of a ServiceAccount; `default` when it has no name.
///
/// # Errors
/// [`Error::Place`] when the objects cannot be read.
pub(crate) async fn of(lookup: &dyn Lookup, namespace: &str, account: &str, home: Home) -> Result<Credentials, Error> {
    let account = if account.is_empty() { "default" } else { account };
    let mut notes = Vec::new();
    let mut secrets = Vec::new();
    for name in lookup.secrets_of_account(namespace, account).await?.unwrap_or_default() {
        match lookup.secret_object(namespace, &name).await? {
            Some(secret) => secrets.push((name, secret)),
            None => notes.push(format!(
                "ServiceAccount \"{account}\" names Secret \"{name}\", which is not in namespace \"{namespace}\": its \
                 credentials are missing"
            )),
        }
    }
    let mut credentials = from(&secrets, home);
    credentials.notes.splice(0..0, notes);
    Ok(credentials)
}

/// The files of these Secrets, in the order of their names in the account.
fn from(secrets: &[(String, SecretObject)], home: Home) -> Credentials {
    let mut credentials = Credentials::default();
    let mut git = git::Git::new(home);
    let mut registries = docker::Registries::default();
    for (name, secret) in secrets {
        let mut used = false;
        for server in values(secret, GIT) {
            used |= match secret.kind.as_str() {
                BASIC_AUTH => git.basic(server, text(secret, "username"), text(secret, "password")),
                SSH_AUTH => git.ssh(server, name, secret),
                _ => false,
            };
        }
        if secret.kind == BASIC_AUTH {
            for registry in values(secret, DOCKER) {
                used |= registries.basic(registry, text(secret, "username"), text(secret, "password"));
            }
        }
        used |= registries.own(secret, name, &mut credentials.notes);
        if used {
            let values = secret
                .data
                .iter()
                .filter(|(key, _)| is_secret(key))
                .map(|(_, value)| value);
            credentials.masked.extend(values.map(|value| Content(value.to_vec())));
        }
    }
    credentials.masked.extend(registries.masked());
    credentials.files.extend(git.files());
    credentials.files.extend(registries.file());
    credentials
}

/// Names of users and servers' keys are none.
fn is_secret(key: &str) -> bool {
    !matches!(key, "username" | "known_hosts")
}

fn values<'a>(secret: &'a SecretObject, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    let annotations = secret.annotations.iter();
    annotations
        .filter(move |(key, _)| key.starts_with(prefix))
        .map(|(_, value)| value.as_str())
}

fn text<'a>(secret: &'a SecretObject, key: &str) -> std::borrow::Cow<'a, str> {
    String::from_utf8_lossy(secret.data.get(key).map(Bytes::as_ref).unwrap_or_default())
}

fn private(path: impl Into<String>, content: impl Into<Vec<u8>>) -> File {
    File {
        path: path.into(),
        content: Content(content.into()),
        mode: 0o600,
    }
}

#[cfg(test)]
mod tests;
