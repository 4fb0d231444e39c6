//! Images: pulled as the pod says, and asked what they run.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error as Answer;
use bollard::models::ImageInspect;
use bollard::query_parameters::CreateImageOptions;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{Container, Pod};

use super::credentials::Credentials;
use super::engine::Engine;
use super::settings::Settings;
use crate::backend::translate::ImageDefaults;
use crate::backend::{Error, Lookup, place};

/// Tekton's reason.
const PULL_FAILED: &str = "TaskRunImagePullFailed";
/// The empty image in which supervisors run; the step binary is mounted. With a registry that is none: Podman looks for
/// names without one elsewhere.
pub(super) const POD_IMAGE: &str = "localhost/tidemill/pod:1";
/// Times a pull is tried.
const TRIES: u32 = 2;
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// An archive without entries.
const EMPTY_ARCHIVE: [u8; 1024] = [0; 1024];

/// What is known of an image.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    /// Its content's digest.
    pub(super) id: String,
    /// What it runs.
    pub(super) defaults: ImageDefaults,
    /// As whom; empty for root.
    pub(super) user: String,
}

impl Image {
    /// Whether it runs as root unless the pod says otherwise.
    pub(super) fn is_root(&self) -> bool {
        let user = self.user.split(':').next().unwrap_or_default();
        matches!(user, "" | "0" | "root")
    }

    fn of(found: ImageInspect) -> Self {
        let config = found.config.unwrap_or_default();
        Self {
            id: found.id.unwrap_or_default(),
            defaults: ImageDefaults {
                entrypoint: config.entrypoint.unwrap_or_default(),
                arguments: config.cmd.unwrap_or_default(),
                working_directory: config.working_dir.unwrap_or_default(),
            },
            user: config.user.unwrap_or_default(),
        }
    }
}

/// The images of a pod by name, pulled where its containers' policies say so.
pub(super) async fn of_pod(
    engine: &Engine,
    settings: &Settings,
    lookup: &dyn Lookup,
    pod: &Pod,
) -> Result<HashMap<String, Image>, Error> {
    let mut images = HashMap::new();
    let Some(spec) = &pod.spec else { return Ok(images) };
    let credentials = Credentials::new(lookup, pod);
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    for container in containers {
        let name = name_of(container)?;
        if let Entry::Vacant(entry) = images.entry(name.clone()) {
            entry.insert(of_container(engine, settings, &credentials, container, &name).await?);
        }
    }
    Ok(images)
}

/// What the engine knows of a pod's images now; for an attempt that runs already.
pub(super) async fn known(engine: &Engine, pod: &Pod) -> Result<HashMap<String, Image>, Error> {
    let mut images = HashMap::new();
    for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
        if let Ok(name) = name_of(container)
            && let Some(image) = inspect(engine, &name).await?
        {
            images.insert(name, image);
        }
    }
    Ok(images)
}

/// The image of a container with its tag.
pub(super) fn name_of(container: &Container) -> Result<String, Error> {
    let name = container.image.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(failed(container, "", "it names no image"));
    }
    let last = name.rsplit('/').next().unwrap_or(name);
    Ok(if last.contains(':') || last.contains('@') {
        name.to_owned()
    } else {
        format!("{name}:latest")
    })
}

async fn of_container(
    engine: &Engine,
    settings: &Settings,
    credentials: &Credentials<'_>,
    container: &Container,
    name: &str,
) -> Result<Image, Error> {
    let policy = container.image_pull_policy.as_deref();
    let always = match policy {
        Some(policy) => policy == "Always",
        None => name.ends_with(":latest"),
    };
    let present = inspect(engine, name).await?;
    if let (Some(image), false) = (&present, always) {
        return Ok(image.clone());
    }
    if policy == Some("Never") {
        let why = "the engine does not have it, and imagePullPolicy is Never (ErrImageNeverPull)";
        return Err(failed(container, name, why));
    }
    let pulled = pull(engine, settings, credentials, container, name).await;
    match (pulled, present) {
        (Ok(()), _) => match inspect(engine, name).await? {
            Some(image) => Ok(image),
            None => Err(failed(container, name, "it was pulled and is gone again")),
        },
        (Err(error), Some(image)) if policy.is_none() && settings.local_when_pull_fails => {
            tracing::warn!(image = name, %error, "An image cannot be pulled; the local one serves.");
            Ok(image)
        }
        (Err(error), _) => Err(error),
    }
}

async fn inspect(engine: &Engine, name: &str) -> Result<Option<Image>, Error> {
    match engine.api.inspect_image(name).await {
        Ok(found) => Ok(Some(Image::of(found))),
        Err(Answer::DockerResponseServerError {
            status_code: 404 | 400, ..
        }) => Ok(None),
        Err(other) => Err(place(format!("look at image {name}"))(other)),
    }
}

async fn pull(
    engine: &Engine,
    settings: &Settings,
    credentials: &Credentials<'_>,
    container: &Container,
    name: &str,
) -> Result<(), Error> {
    let credentials = credentials.of_image(name).await?;
    let limit = Duration::from_secs(settings.pull_limit_s);
    let mut tries = 1;
    loop {
        let pulled = tokio::time::timeout(limit, pull_once(engine, name, credentials.clone())).await;
        let why = match pulled {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {limit:?} (setting docker.pull-limit-s)"),
        };
        if tries == TRIES || is_final(&why) {
            return Err(failed(container, name, &why));
        }
        tries += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn pull_once(engine: &Engine, name: &str, credentials: Option<DockerCredentials>) -> Result<(), Answer> {
    let options = CreateImageOptions {
        from_image: Some(name.to_owned()),
        ..CreateImageOptions::default()
    };
    let progress = engine.api.create_image(Some(options), None, credentials);
    progress.try_for_each(|_| async { Ok(()) }).await
}

/// The registry has said no; asking again changes nothing.
fn is_final(why: &str) -> bool {
    [
        "not found",
        "denied",
        "unauthorized",
        "manifest unknown",
        "invalid reference",
    ]
    .iter()
    .any(|words| why.contains(words))
}

fn failed(container: &Container, image: &str, why: &str) -> Error {
    Error::Task {
        reason: PULL_FAILED.to_owned(),
        message: format!(
            "container {:?} failed to pull the image {image:?}: {why}",
            container.name
        ),
    }
}

/// Makes the supervisors' image where the engine lacks it.
///
/// # Errors
/// [`Error::Place`].
pub(super) async fn make_pod_image(engine: &Engine) -> Result<(), Error> {
    if inspect(engine, POD_IMAGE).await?.is_some() {
        return Ok(());
    }
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        // With its tag, which Podman would pass over if it came apart.
        repo: Some(POD_IMAGE.to_owned()),
        ..CreateImageOptions::default()
    };
    let archive = bollard::body_full(bytes::Bytes::from_static(&EMPTY_ARCHIVE));
    let progress = engine.api.create_image(Some(options), Some(archive), None);
    let made = progress.try_for_each(|_| async { Ok(()) }).await;
    made.map_err(place(format!("make the image {POD_IMAGE}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(image: &str) -> Option<String> {
        let container = Container {
            image: Some(image.to_owned()),
            ..Container::default()
        };
        name_of(&container).ok()
    }

    #[test]
    fn an_image_without_a_tag_is_the_latest() {
        assert_eq!(named("alpine").as_deref(), Some("alpine:latest"));
        assert_eq!(named("host:5000/a/b").as_deref(), Some("host:5000/a/b:latest"));
        assert_eq!(named("host:5000/a/b:v1").as_deref(), Some("host:5000/a/b:v1"));
        assert_eq!(named("a@sha256:00").as_deref(), Some("a@sha256:00"));
        assert_eq!(named(""), None);
    }

    #[test]
    fn root_is_recognised() {
        for (user, expected) in [
            ("", true),
            ("0", true),
            ("root:root", true),
            ("1000", false),
            ("node", false),
        ] {
            let image = Image {
                user: user.to_owned(),
                ..Image::default()
            };
            assert_eq!(image.is_root(), expected, "{user}");
        }
    }
}
