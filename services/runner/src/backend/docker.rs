//! The Docker backend: plays a pod as containers of an engine on this machine.
//!
//! The supervisor (`tidemill-step`), which holds the order of the steps, their logs and results, is the first
//! process of a container: of the task's own where one is enough, else of a small one whose network the
//! others share. So a task goes on without its runner, and the next owner finds it by its socket, which lies
//! in the attempt's directory and is mounted into that container.
//!
//! Everything of an attempt has its label. Claims are named volumes, removed once their claim is. Secrets
//! reach no disk: variables go over the socket, files lie in memory.

mod containers;
mod credentials;
mod design;
mod directory;
mod engine;
mod images;
mod install;
mod names;
mod played;
mod security;
mod settings;
mod starting;
mod volumes;
mod watch;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use tidemill_messages::AttemptKey;
use tidemill_messages::plan::Plan;
use tidemill_messages::sandbox::{Order, Sandbox, Word};
use tidemill_telemetry::Chain;
use tokio::sync::mpsc;
use tokio::sync::watch::Receiver;
use tokio::time::sleep;

pub use settings::Settings;

use super::link::Link;
use super::{Adoption, Backend, Error, Event, Lookup, Play, Playing, ousted, place, plan_of, translate};
use containers::Containers;
use design::{Design, Draft, Given};
use directory::Directory;
use engine::{Condition, Engine};
use images::Image;
use names::Place;
use played::{Known, Played};
use watch::Watch;

/// Between two looks whether a supervisor listens.
const LOOK: Duration = Duration::from_millis(5);

/// Plays pods as containers.
pub struct DockerBackend {
    settings: Settings,
    directory: PathBuf,
    memory: PathBuf,
    engine: Engine,
    watch: Watch,
    greeting: String,
    binary: PathBuf,
    place: Place,
    lookup: Arc<dyn Lookup>,
}

impl DockerBackend {
    /// A backend whose attempts lie in `state_directory`, which exists, on the engine that the settings or
    /// `DOCKER_HOST` name.
    ///
    /// # Errors
    /// [`Error::Place`] if the engine does not answer, does not see the same files, or cannot run the step
    /// binary; with what to do about it.
    pub async fn new(state_directory: &Path, settings: Settings, lookup: Arc<dyn Lookup>) -> Result<Self, Error> {
        let state = std::path::absolute(state_directory).map_err(place("resolve the state directory"))?;
        let (engine, greeting) = Engine::new(&settings)?.greet().await?;
        images::make_pod_image(&engine).await?;
        let directory = state.join("docker");
        let binary = install::step_binary(settings.step_binary.as_deref(), &directory).await?;
        let uid = rustix::process::geteuid().as_raw();
        let memory = settings.memory_dir.clone();
        let place = Place::new(&state);
        let memory = memory.unwrap_or_else(|| PathBuf::from(format!("/dev/shm/tidemill-{uid}")));
        install::probe(&engine, &greeting, &binary, &place).await?;
        Ok(Self {
            memory: memory.join(place.name()),
            settings,
            directory,
            watch: Watch::start(engine.clone()),
            engine,
            greeting,
            binary,
            place,
            lookup,
        })
    }

    /// Name and version of the engine.
    #[must_use]
    pub fn engine(&self) -> &str {
        &self.greeting
    }

    fn attempts(&self) -> PathBuf {
        self.directory.join("attempts")
    }

    fn containers(&self, key: &AttemptKey) -> Containers {
        let directory = Directory::new(&self.attempts(), &self.memory, key);
        Containers::new(self.engine.clone(), &self.place, key, directory)
    }

    async fn prepare_planned(&self, play: Play, plan: Plan, events: mpsc::Sender<Event>) -> Result<Played, Error> {
        let containers = self.containers(&play.key);
        if containers.directory().exists() {
            // Another runner's, or of an earlier life: only who owns the attempt may discard it.
            let action = format!("make a second pod of {}", play.key);
            return Err(place(action)("one is there already"));
        }
        let images = images::of_pod(&self.engine, &self.settings, self.lookup.as_ref(), &play.pod).await?;
        containers.directory().create().await?;
        let limit = Duration::from_millis(self.settings.prepare_limit_ms);
        let built = self.build(&play, &plan, &images, &containers);
        let built = match tokio::time::timeout(limit, built).await {
            Ok(built) => built,
            Err(late) => Err(place("start the containers in time (setting docker.prepare-limit-ms)")(
                late,
            )),
        };
        match built {
            Err(Error::Task { message, .. }) if !containers.directory().exists() => {
                // Whatever the engine makes of it: no task is at fault for that.
                containers.remove().await?;
                Err(place("keep the attempt's directory, which somebody removed")(message))
            }
            Ok(link) => {
                let known = self.known(&play, plan, images);
                Ok(Played::new(link, containers, known, events))
            }
            Err(error) => {
                containers.remove().await?;
                Err(error)
            }
        }
    }

    fn known(&self, play: &Play, plan: Plan, images: HashMap<String, Image>) -> Known {
        Known {
            key: play.key.clone(),
            pod: Arc::clone(&play.pod),
            plan,
            images,
            kill_grace: Duration::from_millis(self.settings.kill_grace_ms),
            silence_limit: Duration::from_secs(self.settings.silence_limit_s),
        }
    }

    /// Makes volumes and containers, starts those the task begins with, and hands the sandbox over.
    async fn build(
        &self,
        play: &Play,
        plan: &Plan,
        images: &HashMap<String, Image>,
        containers: &Containers,
    ) -> Result<Link, Error> {
        let given = Given {
            settings: &self.settings,
            lookup: self.lookup.as_ref(),
            place: &self.place,
            binary: &self.binary,
        };
        let mut draft = Draft::of(&given, play, plan, images, containers.directory()).await?;
        let requests = draft.volumes.requests().cloned();
        try_join_all(requests.map(|request| self.engine.create_volume(request))).await?;
        self.make_parts(&mut draft).await?;
        let design = draft.finish()?;
        self.start(design, containers).await
    }

    /// Makes the parts of volumes that are to be mounted.
    async fn make_parts(&self, draft: &mut Draft<'_>) -> Result<(), Error> {
        let parts = draft.parts();
        if parts.is_empty() {
            return Ok(());
        }
        let maker = draft.part_maker(&parts);
        let name = maker.name.clone();
        self.engine.create(&name, maker.body).await?;
        self.engine.start(&name).await?;
        if self.engine.wait(&name).await? != 0 {
            return Err(translate::config_error(self.engine.last_words(&name).await));
        }
        self.engine.remove(&name).await?;
        let volumes: BTreeSet<&str> = parts.iter().map(|(_, volume, _)| volume.as_str()).collect();
        for volume in volumes {
            draft.volumes.keep(volume, self.engine.volume_path(volume).await?);
        }
        Ok(())
    }

    async fn start(&self, design: Design, containers: &Containers) -> Result<Link, Error> {
        let Design {
            sandbox,
            supervisor,
            rooms,
            steps,
        } = design;
        let first: Vec<String> = begin_with(&sandbox, steps, !rooms.is_empty());
        containers.create(supervisor).await?;
        let (link, ()) = tokio::try_join!(
            async {
                containers.start_supervisor().await?;
                self.reach(containers).await
            },
            containers.create_all(rooms),
        )?;
        let mut link = link;
        let prepared = async {
            link.send(&Order::Prepare(Box::new(sandbox))).await?;
            let mut word = link.receive().await?;
            while let Some(Word::Free { .. }) = word {
                word = link.receive().await?;
            }
            match word {
                Some(Word::Ready { .. }) => Ok(()),
                Some(Word::Refused { by_task: true, message }) => Err(translate::config_error(message)),
                Some(Word::Refused { message, .. }) => Err(place("prepare the pod")(message)),
                Some(_) => Err(place("prepare the pod")("the supervisor speaks out of turn")),
                None => Err(place("prepare the pod")(self.last_words(containers).await)),
            }
        };
        let started = try_join_all(first.iter().map(|container| containers.start(container)));
        tokio::try_join!(prepared, started)?;
        Ok(link)
    }

    /// Waits until the supervisor listens.
    async fn reach(&self, containers: &Containers) -> Result<Link, Error> {
        let socket = containers.directory().socket();
        loop {
            if let Some(link) = Link::connect(&socket).await {
                return Ok(link);
            }
            if let Condition::Ended(_) | Condition::Missing = containers.supervisor().await? {
                return Err(place("start the supervisor")(self.last_words(containers).await));
            }
            sleep(LOOK).await;
        }
    }

    async fn last_words(&self, containers: &Containers) -> String {
        let words = self.engine.last_words(&containers.supervisor_name()).await;
        if words.is_empty() {
            "its container ended without a word".to_owned()
        } else {
            words
        }
    }

    /// Removes the volumes of claims that are gone. One that is in use, or whose claim cannot be asked
    /// about, stays until the next time.
    async fn sweep_claims(&self) -> Result<(), Error> {
        for (name, labels) in self.engine.volumes(&self.place.label()).await? {
            let claim = labels.get(names::CLAIM).and_then(|claim| claim.split_once('/'));
            let Some((namespace, claim)) = claim else { continue };
            if self.lookup.claim(namespace, claim).await?.is_none()
                && let Err(error) = self.engine.remove_volume(&name).await
            {
                tracing::debug!(volume = name, error = %Chain(&error), "The volume of a claim that is gone stays.");
            }
        }
        Ok(())
    }
}

/// The containers that must run before the first step: its own and the sidecars'.
fn begin_with(sandbox: &Sandbox, steps: usize, has_rooms: bool) -> Vec<String> {
    if !has_rooms {
        return Vec::new();
    }
    let first = sandbox
        .steps
        .iter()
        .take(1.min(steps))
        .map(|step| step.container.name.clone());
    let sidecars = sandbox.sidecars.iter().map(|sidecar| sidecar.container.name.clone());
    first.chain(sidecars).collect()
}

#[async_trait]
impl Backend for DockerBackend {
    fn class(&self) -> &str {
        "docker"
    }

    fn trouble(&self) -> Option<Receiver<Option<String>>> {
        Some(self.watch.trouble())
    }

    async fn prepare(&self, play: Play, events: mpsc::Sender<Event>) -> Result<Box<dyn Playing>, Error> {
        let plan = plan_of(&play)?;
        Ok(Box::new(self.prepare_planned(play, plan, events).await?))
    }

    async fn adopt(&self, play: Play, events: mpsc::Sender<Event>) -> Result<Adoption, Error> {
        let plan = plan_of(&play)?;
        let containers = self.containers(&play.key);
        if !containers.directory().exists() {
            containers.remove().await?;
            return Ok(Adoption::NotStarted);
        }
        let limit = Duration::from_millis(self.settings.prepare_limit_ms);
        if let Some(mut link) = Link::connect(&containers.directory().socket()).await {
            match tokio::time::timeout(limit, link.receive()).await {
                Ok(Ok(Some(Word::Ready { started: true }))) => {
                    // It goes on without the engine, and so does its owner.
                    let images = images::known(&self.engine, &play.pod).await.unwrap_or_default();
                    let known = self.known(&play, plan, images);
                    let played = Played::new(link, containers, known, events);
                    return Ok(Adoption::Playing(Box::new(played)));
                }
                // The word to start was never heard, whatever the mark says.
                Ok(Ok(Some(Word::Ready { started: false } | Word::Free { .. }))) => {
                    containers.remove().await?;
                    return Ok(Adoption::NotStarted);
                }
                Ok(Ok(None) | Err(_)) if !containers.supervisor_ends().await? => return Err(ousted(&play.key)),
                _ => {}
            }
        }
        let is_unstarted = containers.ended_unstarted().await?;
        containers.end().await?;
        if containers.directory().has_started() && !is_unstarted {
            return Ok(Adoption::Gone {
                message: "its supervisor is gone, and all its containers with it".to_owned(),
            });
        }
        containers.remove().await?;
        Ok(Adoption::NotStarted)
    }

    async fn found(&self) -> Result<Vec<AttemptKey>, Error> {
        let label = self.place.label();
        let (containers, volumes) = tokio::try_join!(self.engine.containers(&label), self.engine.volumes(&label))?;
        let labels = containers.iter().chain(&volumes).map(|(_, labels)| labels);
        let mut keys: Vec<AttemptKey> = labels.filter_map(names::attempt_of).collect();
        keys.extend(directory::keys(self.attempts()).await?);
        keys.sort_by_key(ToString::to_string);
        keys.dedup();
        self.sweep_claims().await?;
        Ok(keys)
    }

    async fn discard(&self, key: &AttemptKey) -> Result<(), Error> {
        self.containers(key).remove().await
    }
}
