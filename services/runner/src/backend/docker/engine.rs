//! The engine: one connection, and its answers in our words.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as Answer;
use bollard::models::{ContainerCreateBody, ContainerState, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, KillContainerOptions, ListContainersOptions, ListVolumesOptions,
    LogsOptions, RemoveContainerOptions, RemoveVolumeOptions, StartContainerOptions, WaitContainerOptions,
};
use futures::StreamExt;
use tokio::time::sleep;

use super::settings::Settings;
use crate::backend::translate::config_error;
use crate::backend::{Error, place};

/// Where an engine listens unless something says otherwise.
const SOCKET: &str = "unix:///var/run/docker.sock";
/// Kubernetes' reason for a container that cannot be made.
const CREATE_ERROR: &str = "CreateContainerError";
/// Kubernetes' reason for a container that cannot be started.
const START_ERROR: &str = "RunContainerError";
/// How often a list that cannot be understood is asked for again.
const LIST_TRIES: u32 = 50;
/// Between two of these tries.
const LIST_PAUSE: Duration = Duration::from_millis(100);
/// Longest wait for the engine to say who it is. Podman takes long beside much writing, and who does not wait has no engine.
const GREETING_LIMIT: Duration = Duration::from_secs(15);

/// A connection to the engine; cheap to clone.
#[derive(Clone)]
pub(super) struct Engine {
    /// For what has no words here.
    pub(super) api: Docker,
    host: String,
}

/// What the engine says of a container.
pub(super) enum Condition {
    /// There is none of that name.
    Missing,
    /// It was made and never started.
    Created,
    /// It runs.
    Running,
    /// It has ended, or cannot go on.
    Ended(Box<ContainerState>),
}

impl Engine {
    /// Where the settings or the environment say it is; it need not answer yet.
    ///
    /// # Errors
    /// [`Error::Place`] if the address is none that can be reached.
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let asked = std::env::var("DOCKER_HOST").unwrap_or_default();
        let host = [settings.host.as_str(), asked.as_str(), SOCKET]
            .into_iter()
            .find(|host| !host.is_empty())
            .unwrap_or(SOCKET)
            .to_owned();
        if !host.starts_with("unix://") {
            return Err(place(format!("use the engine at {host}"))(
                "only an engine of this machine sees the same files: expected unix://<path> (setting docker.host, \
                 else DOCKER_HOST)",
            ));
        }
        let api = Docker::connect_with_host(&host).map_err(place(format!("reach the engine at {host}")))?;
        Ok(Self { api, host })
    }

    /// Where it listens.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The same, speaking the engine's version of the API; with its name and version.
    ///
    /// # Errors
    /// [`Error::Place`] if it does not answer.
    pub(super) async fn greet(self) -> Result<(Self, String), Error> {
        let action = || format!("reach an engine at {}", self.host);
        let greeting = async {
            let api = self.api.clone().negotiate_version().await?;
            let version = api.version().await?;
            Ok::<_, Answer>((api, version))
        };
        let greeted = tokio::time::timeout(GREETING_LIMIT, greeting).await;
        let (api, version) = greeted.map_err(place(action()))?.map_err(place(action()))?;
        let host = self.host.clone();
        let number = version.version.unwrap_or_default();
        let components = version.components.unwrap_or_default();
        let is_podman = components.iter().any(|part| part.name.starts_with("Podman"));
        let name = if is_podman { "Podman" } else { "Docker" };
        Ok((Self { api, host }, format!("{name} {number}")))
    }

    /// Makes a container. What it asks for that cannot be is the task's fault.
    pub(super) async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<(), Error> {
        let options = CreateContainerOptions {
            name: Some(name.to_owned()),
            ..CreateContainerOptions::default()
        };
        match self.api.create_container(Some(options), body).await {
            Ok(_) => Ok(()),
            Err(Answer::DockerResponseServerError {
                status_code: 400 | 404,
                message,
            }) => Err(Error::Task {
                reason: CREATE_ERROR.to_owned(),
                message: format!("container {name} cannot be made: {message}"),
            }),
            Err(other) => Err(place(format!("make container {name}"))(other)),
        }
    }

    /// Starts a container. What the runtime refuses is the task's fault.
    pub(super) async fn start(&self, name: &str) -> Result<(), Error> {
        match self.api.start_container(name, None::<StartContainerOptions>).await {
            Ok(()) => Ok(()),
            Err(Answer::DockerResponseServerError { status_code: 304, .. }) => Ok(()),
            Err(Answer::DockerResponseServerError { message, .. }) if is_refusal(&message) => Err(Error::Task {
                reason: START_ERROR.to_owned(),
                message: format!("container {name} cannot be started: {message}"),
            }),
            Err(other) => Err(place(format!("start container {name}"))(other)),
        }
    }

    /// What became of a container.
    pub(super) async fn condition(&self, name: &str) -> Result<Condition, Error> {
        let found = self.api.inspect_container(name, None::<InspectContainerOptions>).await;
        let state = match found {
            Ok(found) => found.state.unwrap_or_default(),
            Err(error) if is_missing(&error) => return Ok(Condition::Missing),
            Err(other) => return Err(place(format!("look at container {name}"))(other)),
        };
        use bollard::models::ContainerStateStatusEnum as Status;
        Ok(match state.status {
            Some(Status::CREATED) => Condition::Created,
            Some(Status::RUNNING | Status::PAUSED | Status::RESTARTING) => Condition::Running,
            _ => Condition::Ended(Box::new(state)),
        })
    }

    /// Ends a container; one that does not run counts as ended.
    pub(super) async fn kill(&self, name: &str) -> Result<(), Error> {
        match self.api.kill_container(name, None::<KillContainerOptions>).await {
            Ok(())
            | Err(Answer::DockerResponseServerError {
                status_code: 404 | 409, ..
            }) => Ok(()),
            // Podman answers 500 for one that does not run.
            Err(other) => match self.condition(name).await {
                Ok(Condition::Running) | Err(_) => Err(place(format!("end container {name}"))(other)),
                Ok(_) => Ok(()),
            },
        }
    }

    /// Waits until a container has ended; its exit code.
    pub(super) async fn wait(&self, name: &str) -> Result<i64, Error> {
        let mut ends = self.api.wait_container(name, None::<WaitContainerOptions>);
        match ends.next().await {
            Some(Ok(end)) => Ok(end.status_code),
            Some(Err(Answer::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(other)) => Err(place(format!("wait for container {name}"))(other)),
            None => Err(place(format!("wait for container {name}"))("the engine said nothing")),
        }
    }

    /// Where the engine keeps a volume.
    pub(super) async fn volume_path(&self, name: &str) -> Result<PathBuf, Error> {
        let found = self.api.inspect_volume(name).await;
        let found = found.map_err(place(format!("look at volume {name}")))?;
        Ok(found.mountpoint.into())
    }

    /// What a container said.
    pub(super) async fn last_words(&self, name: &str) -> String {
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            ..LogsOptions::default()
        };
        let lines = self.api.logs(name, Some(options));
        let lines: Vec<String> = lines
            .filter_map(|line| async { Some(line.ok()?.to_string()) })
            .collect()
            .await;
        lines.concat().trim().to_owned()
    }

    /// Ends and removes a container with what it wrote; one that is not there counts as removed.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Error> {
        let options = RemoveContainerOptions {
            v: true,
            force: true,
            ..RemoveContainerOptions::default()
        };
        match self.api.remove_container(name, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if is_missing(&error) || is_going(&error) => Ok(()),
            Err(other) => Err(place(format!("remove container {name}"))(other)),
        }
    }

    /// Names and labels of containers that have this label, also of those that have ended.
    pub(super) async fn containers(&self, label: &str) -> Result<Vec<(String, HashMap<String, String>)>, Error> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([("label".to_owned(), vec![label.to_owned()])])),
            ..ListContainersOptions::default()
        };
        let mut tries = 1;
        let found = loop {
            match self.api.list_containers(Some(options.clone())).await {
                // Podman has a word of its own for a container that has just ended, for a moment.
                Err(Answer::JsonDataError { .. }) if tries < LIST_TRIES => {
                    tries += 1;
                    sleep(LIST_PAUSE).await;
                }
                other => break other,
            }
        };
        let found = found.map_err(place("list the engine's containers"))?;
        Ok(found
            .into_iter()
            .map(|container| {
                let names = container.names.unwrap_or_default();
                let name = names
                    .first()
                    .map(|name| name.trim_start_matches('/').to_owned())
                    .unwrap_or_else(|| container.id.unwrap_or_default());
                (name, container.labels.unwrap_or_default())
            })
            .collect())
    }

    /// Makes a volume; one of that name is left as it is.
    pub(super) async fn create_volume(&self, request: VolumeCreateRequest) -> Result<(), Error> {
        let name = request.name.clone().unwrap_or_default();
        match self.api.create_volume(request).await {
            Ok(_) => Ok(()),
            Err(Answer::DockerResponseServerError {
                status_code: 400,
                message,
            }) => Err(config_error(format!("volume {name} cannot be made: {message}"))),
            Err(other) => Err(place(format!("make volume {name}"))(other)),
        }
    }

    /// Removes a volume; one that is not there counts as removed.
    pub(super) async fn remove_volume(&self, name: &str) -> Result<(), Error> {
        match self.api.remove_volume(name, None::<RemoveVolumeOptions>).await {
            Ok(()) => Ok(()),
            Err(error) if is_missing(&error) => Ok(()),
            Err(other) => Err(place(format!("remove volume {name}"))(other)),
        }
    }

    /// Names and labels of volumes that have this label.
    pub(super) async fn volumes(&self, label: &str) -> Result<Vec<(String, HashMap<String, String>)>, Error> {
        let options = ListVolumesOptions {
            filters: Some(HashMap::from([("label".to_owned(), vec![label.to_owned()])])),
        };
        let found = self.api.list_volumes(Some(options)).await;
        let found = found.map_err(place("list the engine's volumes"))?;
        let volumes = found.volumes.unwrap_or_default().into_iter();
        Ok(volumes.map(|volume| (volume.name, volume.labels)).collect())
    }
}

/// The runtime could not do what the container asks for. What an engine that was killed left of an earlier start is
/// not the container's wish.
fn is_refusal(message: &str) -> bool {
    let is_leftover = message.contains("already exists");
    let words = [
        "OCI runtime",
        "oci runtime",
        "failed to create shim",
        "runc create failed",
    ];
    !is_leftover && words.iter().any(|words| message.contains(words))
}

fn is_missing(error: &Answer) -> bool {
    matches!(error, Answer::DockerResponseServerError { status_code: 404, .. })
}

/// It is being removed already.
fn is_going(error: &Answer) -> bool {
    matches!(error, Answer::DockerResponseServerError { status_code: 409, message } if message.contains("already in progress"))
}

#[cfg(test)]
mod tests {
    use super::is_refusal;

    #[test]
    fn what_a_start_that_was_cut_off_left_is_no_refusal() {
        let failed = "failed to create task for container: failed to create shim task: OCI runtime create failed";
        assert!(is_refusal(&format!("{failed}: exec: \"nothing\": not found in $PATH")));
        assert!(!is_refusal(&format!(
            "{failed}: container with given ID already exists"
        )));
    }
}
