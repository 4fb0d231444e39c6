//! Volumes of a pod, as the engine has them.
//!
//! emptyDirs are volumes of the attempt, claims are named volumes that outlive it. Files of Secrets and
//! ConfigMaps lie in a directory in memory and are mounted read only. A part of an engine's volume is
//! mounted from where the engine keeps it; before, it is made in a container that sees only the volume, so
//! that no symbolic link leads out of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use bollard::models::{Mount, MountTmpfsOptions, MountType, MountVolumeOptions, VolumeCreateRequest};
use k8s_openapi::api::core::v1::{Pod, PodSpec, Volume as PodVolume};
use tidemill_messages::sandbox::{File, Mount as PodMount, Source, Volume};

use super::directory::Directory;
use super::names::{Names, Place};
use super::security::Reader;
use super::settings::Settings;
use crate::backend::translate::config_error;
use crate::backend::translate::sources::Sources;
use crate::backend::translate::volumes;
use crate::backend::{Error, Lookup};

/// Where supervisors see the volumes of other containers.
pub(super) const SUPERVISOR_VOLUMES: &str = "/volumes";

/// Where a volume of the pod is.
#[derive(Clone, Debug, PartialEq)]
enum Home {
    /// A volume of the engine.
    Engine(Box<VolumeCreateRequest>),
    /// The memory of one container.
    Memory(Option<u64>),
    /// A path of the host.
    Host(PathBuf),
    /// The same, made before anything is mounted, and never written by a container.
    Files(PathBuf),
}

/// The volumes of an attempt.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    homes: BTreeMap<String, Home>,
    /// Those that may only be read.
    pub(super) read_only: Vec<String>,
    /// Where the engine keeps those of which parts are mounted, by the engine's name.
    kept: HashMap<String, PathBuf>,
}

/// What volumes are made of.
pub(super) struct Making<'a> {
    pub(super) settings: &'a Settings,
    pub(super) lookup: &'a dyn Lookup,
    pub(super) place: &'a Place,
    pub(super) names: &'a Names,
    pub(super) directory: &'a Directory,
    /// All is played in one container.
    pub(super) is_single: bool,
}

impl Volumes {
    /// Those of a pod; the files of Secrets and ConfigMaps are written.
    pub(super) async fn of(
        making: &Making<'_>,
        pod: &Pod,
        spec: &PodSpec,
        sources: &mut Sources<'_>,
    ) -> Result<Self, Error> {
        let mut all = Self::default();
        for volume in spec.volumes.iter().flatten() {
            let (home, only_read) = making.home(pod, spec, volume, sources).await?;
            if only_read {
                all.read_only.push(volume.name.clone());
            }
            all.homes.insert(volume.name.clone(), home);
        }
        Ok(all)
    }

    /// The credentials of a ServiceAccount, as the user of a container may read them: programs insist that
    /// nobody else may. Gives the volume's name.
    pub(super) async fn add_credentials(
        &mut self,
        directory: &Directory,
        files: &[File],
        reader: Reader,
    ) -> Result<String, Error> {
        let name = reader.volume();
        if !self.homes.contains_key(&name) {
            let mut files = files.to_vec();
            let owner = match reader {
                Reader::Root => None,
                Reader::User(user) => Some(user),
                Reader::Unknown => {
                    files.iter_mut().for_each(|file| file.mode |= 0o044);
                    None
                }
            };
            let path = directory.write_volume(&name, files, None, owner).await?;
            self.homes.insert(name.clone(), Home::Files(path));
        }
        Ok(name)
    }

    /// The engine's volumes to be made.
    pub(super) fn requests(&self) -> impl Iterator<Item = &VolumeCreateRequest> {
        self.homes.values().filter_map(|home| match home {
            Home::Engine(request) => Some(&**request),
            _ => None,
        })
    }

    /// Parts of the engine's volumes that are mounted: volume of the pod, volume of the engine, part.
    pub(super) fn parts<'a>(
        &'a self,
        mounts: impl Iterator<Item = &'a PodMount>,
    ) -> BTreeSet<(&'a str, &'a str, &'a str)> {
        let parts = mounts.filter(|mount| !mount.sub_path.is_empty()).filter_map(|mount| {
            match self.homes.get(&mount.volume)? {
                Home::Engine(request) => {
                    Some((mount.volume.as_str(), request.name.as_deref()?, mount.sub_path.as_str()))
                }
                _ => None,
            }
        });
        parts.collect()
    }

    /// Notes where the engine keeps a volume.
    pub(super) fn keep(&mut self, volume: &str, path: PathBuf) {
        self.kept.insert(volume.to_owned(), path);
    }

    /// The engine's volumes where a supervisor beside the other containers sees them.
    pub(super) fn for_supervisor(&self) -> Vec<Mount> {
        let engine = self.homes.iter().filter(|(_, home)| matches!(home, Home::Engine(_)));
        let mounts = engine.filter_map(|(name, home)| {
            let target = format!("{SUPERVISOR_VOLUMES}/{name}");
            self.mount_home(home, &target, "", false).ok()
        });
        mounts.collect()
    }

    /// A mount of a container.
    pub(super) fn mount(&self, container: &str, mount: &PodMount) -> Result<Mount, Error> {
        let home = self.homes.get(&mount.volume).ok_or_else(|| {
            config_error(format!(
                "container {container} mounts volume `{}`, which is not there",
                mount.volume
            ))
        })?;
        let target = Path::new("/workspace").join(&mount.path);
        self.mount_home(home, &target.to_string_lossy(), &mount.sub_path, mount.read_only)
    }

    fn mount_home(&self, home: &Home, target: &str, part: &str, read_only: bool) -> Result<Mount, Error> {
        let read_only = read_only || matches!(home, Home::Files(_));
        let mount = Mount {
            target: Some(target.to_owned()),
            read_only: Some(read_only),
            ..Mount::default()
        };
        let bind = |path: PathBuf| Mount {
            typ: Some(MountType::BIND),
            source: Some(path.to_string_lossy().into_owned()),
            ..mount.clone()
        };
        Ok(match home {
            Home::Host(path) | Home::Files(path) => bind(join(path, part)),
            Home::Engine(request) if !part.is_empty() => {
                let name = request.name.as_deref().unwrap_or_default();
                let kept = self.kept.get(name);
                let kept =
                    kept.ok_or_else(|| config_error(format!("the engine does not say where volume {name} is")))?;
                bind(kept.join(part))
            }
            Home::Engine(request) => Mount {
                typ: Some(MountType::VOLUME),
                source: request.name.clone(),
                volume_options: Some(MountVolumeOptions {
                    no_copy: Some(true),
                    ..MountVolumeOptions::default()
                }),
                ..mount
            },
            Home::Memory(limit) => Mount {
                typ: Some(MountType::TMPFS),
                tmpfs_options: Some(MountTmpfsOptions {
                    size_bytes: limit.and_then(|bytes| i64::try_from(bytes).ok()),
                    mode: Some(0o1777),
                    ..MountTmpfsOptions::default()
                }),
                ..mount
            },
        })
    }

    /// What the supervisor is to open to the containers' users: the engine's volumes, where it sees them.
    pub(super) fn for_sandbox(&self, mounts: &[PodMount], is_single: bool) -> Vec<Volume> {
        let engine = self.homes.iter().filter(|(_, home)| matches!(home, Home::Engine(_)));
        let seen = engine.filter_map(|(name, _)| {
            let is_whole = |mount: &&PodMount| mount.volume == *name && mount.sub_path.is_empty() && !mount.read_only;
            let path = match is_single {
                true => Path::new("/workspace").join(&mounts.iter().find(is_whole)?.path),
                false => Path::new(SUPERVISOR_VOLUMES).join(name),
            };
            Some(Volume {
                name: name.clone(),
                source: Source::Mounted(path),
            })
        });
        seen.collect()
    }
}

impl Making<'_> {
    async fn home(
        &self,
        pod: &Pod,
        spec: &PodSpec,
        volume: &PodVolume,
        sources: &mut Sources<'_>,
    ) -> Result<(Home, bool), Error> {
        let name = &volume.name;
        if let Some(claim) = &volume.persistent_volume_claim {
            let home = self.claim(pod, &claim.claim_name, name).await?;
            return Ok((home, claim.read_only == Some(true)));
        }
        if let Some(path) = &volume.host_path {
            return Ok((Home::Host(self.host_path(name, &path.path)?), false));
        }
        let (translated, _) = volumes::volume(pod, volume, sources).await?;
        let home = match translated.source {
            Source::Empty => Home::Engine(Box::new(self.own(name, HashMap::new()))),
            Source::Memory { limit_bytes } if self.is_single => Home::Memory(limit_bytes),
            Source::Memory { limit_bytes } => Home::Engine(Box::new(self.own(name, in_memory(limit_bytes)))),
            Source::Files(files) => {
                let group = spec.security_context.as_ref().and_then(|shared| shared.fs_group);
                let group = group.and_then(|group| u32::try_from(group).ok());
                Home::Files(self.directory.write_volume(name, files, group, None).await?)
            }
            Source::Directory(path) | Source::HostPath(path) | Source::Mounted(path) => Home::Host(path),
        };
        Ok((home, false))
    }

    /// A volume of the attempt.
    fn own(&self, name: &str, driver_opts: HashMap<String, String>) -> VolumeCreateRequest {
        VolumeCreateRequest {
            name: Some(self.names.of(&format!("v-{name}"))),
            driver_opts: Some(driver_opts),
            labels: Some(self.names.labels()),
            ..VolumeCreateRequest::default()
        }
    }

    async fn claim(&self, pod: &Pod, claim: &str, volume: &str) -> Result<Home, Error> {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        match self.lookup.claim(namespace, claim).await? {
            Some(Some(path)) if !self.settings.host_path_claims => {
                Ok(Home::Host(self.host_path(volume, &path.to_string_lossy())?))
            }
            Some(Some(path)) => {
                // What stands in the way is told by the engine.
                drop(std::fs::create_dir_all(&path));
                Ok(Home::Host(path))
            }
            Some(None) => Ok(Home::Engine(Box::new(VolumeCreateRequest {
                name: Some(self.place.claim(namespace, claim)),
                labels: Some(self.place.claim_labels(namespace, claim)),
                ..VolumeCreateRequest::default()
            }))),
            None => Err(config_error(format!(
                "volume `{volume}` wants PersistentVolumeClaim \"{claim}\", which is not in namespace \"{namespace}\""
            ))),
        }
    }

    fn host_path(&self, volume: &str, path: &str) -> Result<PathBuf, Error> {
        let asked = PathBuf::from(path);
        // What links lead to counts, not what the path looks like.
        let real = std::fs::canonicalize(&asked);
        let prefixes = &self.settings.host_path_prefixes;
        if prefixes.iter().any(|prefix| asked.starts_with(prefix)) && asked.is_absolute() {
            let real = real.map_err(|error| {
                config_error(format!(
                    "volume `{volume}` names the host's path {path}, which the runner does not see ({error}): make it, \
                     and mount it into a runner in a container at the same path"
                ))
            })?;
            if prefixes.iter().any(|prefix| real.starts_with(prefix)) {
                return Ok(real);
            }
        }
        let listed: Vec<_> = prefixes.iter().map(|prefix| prefix.display().to_string()).collect();
        Err(config_error(format!(
            "volume `{volume}` names the host's path {path}; allowed are paths below: {} (setting \
             docker.host-path-prefixes)",
            if listed.is_empty() {
                "none".to_owned()
            } else {
                listed.join(", ")
            }
        )))
    }
}

/// Options of a volume that all containers of a pod share and that never reaches a disk. Its limit is told in pages:
/// Podman takes `size` for a quota of the disk, and refuses it.
fn in_memory(limit_bytes: Option<u64>) -> HashMap<String, String> {
    let pages = limit_bytes.map(|bytes| bytes.div_ceil(rustix::param::page_size() as u64));
    let size = pages
        .map(|pages| format!(",nr_blocks={}", pages.max(1)))
        .unwrap_or_default();
    HashMap::from([
        ("type".to_owned(), "tmpfs".to_owned()),
        ("device".to_owned(), "tmpfs".to_owned()),
        ("o".to_owned(), format!("mode=1777{size}")),
    ])
}

fn join(path: &Path, part: &str) -> PathBuf {
    if part.is_empty() {
        path.to_owned()
    } else {
        path.join(part)
    }
}
