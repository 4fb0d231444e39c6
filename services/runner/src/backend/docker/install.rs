//! The step binary where the engine finds it.

use std::path::{Path, PathBuf};

use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::engine::Engine;
use super::images::POD_IMAGE;
use super::names::Place;
use crate::backend::process::find_step_binary;
use crate::backend::{Error, place};

/// Where the binary is mounted to be tried.
const TARGET: &str = "/tidemill-step";

/// A copy of the binary below `directory`, named by its content: containers that run keep theirs when another
/// version comes.
pub(super) async fn step_binary(setting: Option<&Path>, directory: &Path) -> Result<PathBuf, Error> {
    let binary = find_step_binary(setting, "docker.step-binary")?;
    let folder = directory.join("bin");
    let action = format!("copy {} to {}", binary.display(), folder.display());
    let copied = tokio::task::spawn_blocking(move || -> std::io::Result<PathBuf> {
        let content = std::fs::read(&binary)?;
        let digest = hex::encode(&Sha256::digest(&content)[..8]);
        let path = folder.join(format!("tidemill-step-{digest}"));
        if !path.exists() {
            std::fs::create_dir_all(&folder)?;
            let partial = folder.join(format!("{}.partial", Uuid::new_v4()));
            std::fs::copy(&binary, &partial)?;
            std::fs::rename(&partial, &path)?;
        }
        Ok(path)
    });
    copied.await.map_err(place(action.clone()))?.map_err(place(action))
}

/// Runs the binary in an empty container: the engine must see this machine's files, and the binary must need
/// no library.
pub(super) async fn probe(engine: &Engine, greeting: &str, binary: &Path, owner: &Place) -> Result<(), Error> {
    // What has worked with this engine is not tried at each start.
    let mark = binary.with_extension("works");
    let told = format!("{} {greeting}", engine.host());
    if tokio::fs::read_to_string(&mark).await.is_ok_and(|text| text == told) {
        return Ok(());
    }
    try_it(engine, binary, owner).await?;
    let written = tokio::fs::write(&mark, told).await;
    written.map_err(place(format!("write {}", mark.display())))
}

async fn try_it(engine: &Engine, binary: &Path, owner: &Place) -> Result<(), Error> {
    let name = format!("tidemill-probe-{}", Uuid::new_v4().simple());
    let mount = Mount {
        typ: Some(MountType::BIND),
        source: Some(binary.to_string_lossy().into_owned()),
        target: Some(TARGET.to_owned()),
        read_only: Some(true),
        ..Mount::default()
    };
    let body = ContainerCreateBody {
        image: Some(POD_IMAGE.to_owned()),
        entrypoint: Some(vec![TARGET.to_owned(), "version".to_owned()]),
        labels: Some(owner.labels()),
        host_config: Some(HostConfig {
            mounts: Some(vec![mount]),
            network_mode: Some("none".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let tried = async {
        engine.create(&name, body).await?;
        engine.start(&name).await?;
        engine.wait(&name).await
    }
    .await;
    engine.remove(&name).await?;
    match tried {
        Ok(0) => Ok(()),
        Ok(code) => Err(place("run tidemill-step in a container")(format!(
            "it exited with {code}"
        ))),
        Err(Error::Task { message, .. }) if message.contains("bind source path does not exist") => {
            Err(place("share files with the engine")(format!(
                "it does not see {}: the state directory must be at the same path for the engine (a runner in a \
                 container mounts it there)",
                binary.display()
            )))
        }
        Err(Error::Task { message, .. }) if message.contains("no such file") => {
            Err(place("run tidemill-step in a container")(
                "it needs libraries: build it with `-C target-feature=+crt-static`",
            ))
        }
        Err(Error::Task { message, .. }) => Err(place("run tidemill-step in a container")(message)),
        Err(other) => Err(other),
    }
}
