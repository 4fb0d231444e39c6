//! Credentials of a task's ServiceAccount: in `/tekton/creds`, where variables lead git, ssh and docker. The
//! home of a step is the user's own and stays as it is.

use tidemill_messages::sandbox::{Container, File, Mount, Sandbox, Source, Variable, Volume};

use crate::credentials::{CREDENTIALS_PATH, Credentials};

/// The volume they are in.
pub(super) const VOLUME: &str = "tidemill-creds";

/// Variables for a file, where the step does not have its own.
const VARIABLES: [(&str, &str, &str); 3] = [
    (".gitconfig", "GIT_CONFIG_GLOBAL", "/tekton/creds/.gitconfig"),
    (".ssh/config", "GIT_SSH_COMMAND", "ssh -F /tekton/creds/.ssh/config"),
    (".docker/config.json", "DOCKER_CONFIG", "/tekton/creds/.docker"),
];

/// Gives them to every step.
pub(super) fn give(sandbox: &mut Sandbox, credentials: Credentials, attempt: &impl std::fmt::Display) {
    note(&credentials, attempt);
    if credentials.files.is_empty() {
        return;
    }
    for step in &mut sandbox.steps {
        lead(&mut step.container, &credentials.files, VOLUME);
    }
    sandbox.masked.extend(credentials.masked);
    sandbox.volumes.push(Volume {
        name: VOLUME.to_owned(),
        source: Source::Files(credentials.files),
    });
}

/// Says what of them is missing.
pub(super) fn note(credentials: &Credentials, attempt: &impl std::fmt::Display) {
    for note in &credentials.notes {
        tracing::warn!(%attempt, "{note}");
    }
}

/// Lets a step find the files in this volume, unless it has something of its own there.
pub(super) fn lead(container: &mut Container, files: &[File], volume: &str) {
    if container
        .mounts
        .iter()
        .any(|mount| mount.path.trim_end_matches('/') == CREDENTIALS_PATH)
    {
        return;
    }
    container.mounts.push(Mount {
        volume: volume.to_owned(),
        path: CREDENTIALS_PATH.to_owned(),
        sub_path: String::new(),
        read_only: true,
    });
    for (path, name, value) in VARIABLES {
        let is_set = container.environment.iter().any(|variable| variable.name == name);
        if !is_set && files.iter().any(|file| file.path == path) {
            container.environment.push(Variable {
                name: name.to_owned(),
                value: value.to_owned(),
            });
        }
    }
}
