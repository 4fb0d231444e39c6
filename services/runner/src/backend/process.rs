//! The process backend: plays a pod as processes of this host.
//!
//! `image` is set aside; each step is a process in namespaces of its own, in which `/workspace` and
//! `/tekton` are where Tekton has them, and the state directory and the usual places of credentials
//! are covered. It isolates; it does not contain hostile code.
//!
//! What happens in an attempt is the business of its supervisor (`tidemill-step`), a process that is
//! not this one's child and goes on without it (R6). This side looks up what the supervisor cannot,
//! hands it over on a socket, and turns what it says into events. That a supervisor is gone is learnt
//! from the kernel (a pidfd), and with it all processes of the attempt are.
//!
//! A step's log holds what the step wrote and nothing else, as `tkn logs` has it; that its image was set
//! aside is said by the `imageID` of its state, [`IMAGE_ID`].

mod directory;
mod host;
mod played;
mod settings;
mod spare;
mod start;
mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tidemill_messages::AttemptKey;
use tidemill_messages::plan::Plan;
use tidemill_messages::sandbox::{Limits, Order, Sandbox, Variable, Word};
use tokio::sync::mpsc;

pub use settings::{ENVIRONMENT, HIDDEN, Settings};

use super::link::Link;
use super::{Adoption, Backend, Error, Event, Lookup, Play, Playing, ousted, place, plan_of, translate};
use crate::credentials::{self, Home};
use directory::Directory;
use played::Played;
pub(in crate::backend) use start::find_step_binary;
use start::{Free, Supervisor, Supervisors};

/// What the state of a step shows as its image: none, the host's programs.
pub const IMAGE_ID: &str = "process:host";

/// Plays pods as processes.
pub struct ProcessBackend {
    settings: Settings,
    state_directory: PathBuf,
    supervisors: Arc<Supervisors>,
    environment: Vec<Variable>,
    own_home: Option<PathBuf>,
    /// The socket of the user's ssh-agent, which may lie anywhere.
    agent: Option<PathBuf>,
    lookup: Arc<dyn Lookup>,
}

impl ProcessBackend {
    /// A backend whose attempts and volumes lie in `state_directory`, which exists.
    ///
    /// # Errors
    /// [`Error::Place`] if the step binary is not found or the directory cannot be used.
    pub fn new(state_directory: &Path, settings: Settings, lookup: Arc<dyn Lookup>) -> Result<Self, Error> {
        let state_directory = std::path::absolute(state_directory).map_err(place("resolve the state directory"))?;
        Ok(Self {
            supervisors: Supervisors::new(
                find_step_binary(settings.step_binary.as_deref(), "process.step-binary")?,
                state_directory.join("memory"),
                settings.warm,
            ),
            environment: host::environment(&settings.environment, std::env::vars_os()),
            own_home: std::env::var_os("HOME").map(PathBuf::from),
            agent: std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from),
            settings,
            state_directory,
            lookup,
        })
    }

    /// Builds a sandbox in which nothing runs, and removes it again.
    ///
    /// # Errors
    /// [`Error::Place`] whose source says which setting of the kernel or the container is missing, and
    /// how to set it.
    pub async fn probe(&self) -> Result<(), Error> {
        let (pod, plan) = support::smallest_pod();
        let play = support::play_of(pod);
        let (events, _unused) = mpsc::channel(1);
        match self.prepare_planned(play, plan, events).await {
            Ok(played) => Box::new(played).remove().await,
            Err(Error::Place { action, source }) => Err(support::explain(action, source)),
            Err(other) => Err(other),
        }
    }

    fn directory(&self, key: &AttemptKey) -> Directory {
        Directory::new(&self.attempts(), key)
    }

    fn attempts(&self) -> PathBuf {
        self.state_directory.join("attempts")
    }

    async fn prepare_planned(&self, play: Play, plan: Plan, events: mpsc::Sender<Event>) -> Result<Played, Error> {
        let directory = self.directory(&play.key);
        if directory.exists() {
            // Another runner's, or of an earlier life: only who owns the attempt may discard it.
            let action = format!("make a second sandbox in {}", directory.path().display());
            return Err(place(action)("one is there already"));
        }
        let (sandbox, placed) = futures::join!(self.translate(&play, &plan, &directory), self.place(&directory));
        let (free, sandbox) = match (placed, sandbox) {
            (Ok(free), Ok(sandbox)) => (free, sandbox),
            (Ok(mut free), Err(error)) => {
                free.spare = directory.empty().await?;
                self.supervisors.give_back(free);
                return Err(error);
            }
            (Err(error), _) => return Err(error),
        };
        let limit = Duration::from_millis(self.settings.prepare_limit_ms);
        let built = self.build(&directory, free, sandbox);
        let built = match tokio::time::timeout(limit, built).await {
            Ok(built) => built,
            Err(late) => Err(place("build the sandbox in time (setting process.prepare-limit-ms)")(
                late,
            )),
        };
        match built {
            Ok((link, supervisor)) => {
                let pool = Arc::clone(&self.supervisors);
                Ok(Played::new(link, supervisor, pool, directory, &play, plan, events))
            }
            Err(error) => {
                directory.remove().await?;
                Err(error)
            }
        }
    }

    /// A supervisor, and a directory that names it.
    async fn place(&self, directory: &Directory) -> Result<Free, Error> {
        let mut free = self.supervisors.take().await?;
        let spare = free.spare.take();
        directory.create(free.supervisor.identity.clone(), spare).await?;
        Ok(free)
    }

    async fn translate(&self, play: &Play, plan: &Plan, directory: &Directory) -> Result<Sandbox, Error> {
        let is_root = rustix::process::geteuid().is_root();
        let homes = host::homes(self.own_home.clone(), is_root);
        let mut hidden = host::hidden(&self.settings.hidden, &homes, rustix::process::getuid().as_raw());
        hidden.extend(self.agent.clone().filter(|path| path.is_absolute()));
        hidden.push(self.state_directory.clone());
        let given = translate::Given {
            limits: self.limits(),
            lookup: self.lookup.as_ref(),
            state_directory: &self.state_directory,
            environment: self.environment.clone(),
            hidden,
        };
        let account = &play.command.service_account_name;
        let namespace = &play.command.run.namespace;
        let (mut sandbox, credentials) = tokio::try_join!(
            translate::sandbox(given, play, plan, directory.path().to_owned()),
            credentials::of(self.lookup.as_ref(), namespace, account, Home::Credentials),
        )?;
        super::accounts::give(&mut sandbox, credentials, &play.key);
        Ok(sandbox)
    }

    fn limits(&self) -> Limits {
        let settings = &self.settings;
        Limits {
            log_bytes: settings.log_bytes,
            result_bytes: settings.result_bytes,
            results_bytes: settings.results_bytes,
            kill_grace_ms: settings.kill_grace_ms,
            orphan_s: settings.orphan_s,
        }
    }

    /// Hands the sandbox to a supervisor and waits until it stands.
    async fn build(&self, directory: &Directory, free: Free, sandbox: Sandbox) -> Result<(Link, Supervisor), Error> {
        let supervisor = free.supervisor.clone();
        let mut link = free.into_link()?;
        let built = async {
            link.send(&Order::Prepare(Box::new(sandbox))).await?;
            match link.receive().await? {
                Some(Word::Ready { .. }) => Ok(()),
                Some(Word::Refused { by_task: true, message }) => Err(translate::config_error(message)),
                Some(Word::Refused { message, .. }) => Err(place("build the sandbox")(message)),
                Some(Word::Report(_) | Word::Free { .. } | Word::Wanted { .. }) => {
                    Err(place("build the sandbox")("the supervisor speaks out of turn"))
                }
                None => Err(place("build the sandbox")(directory.last_words().await)),
            }
        };
        built.await?;
        Ok((link, supervisor))
    }
}

#[async_trait]
impl Backend for ProcessBackend {
    fn class(&self) -> &str {
        "process"
    }

    fn ends_with_boot(&self) -> bool {
        true
    }

    fn prepares_ahead(&self) -> bool {
        true
    }

    async fn prepare(&self, play: Play, events: mpsc::Sender<Event>) -> Result<Box<dyn Playing>, Error> {
        let plan = plan_of(&play)?;
        Ok(Box::new(self.prepare_planned(play, plan, events).await?))
    }

    async fn adopt(&self, play: Play, events: mpsc::Sender<Event>) -> Result<Adoption, Error> {
        let plan = plan_of(&play)?;
        let directory = self.directory(&play.key);
        if !directory.exists() {
            return Ok(Adoption::NotStarted);
        }
        if let Some((mut link, supervisor)) = connect(&directory).await {
            let limit = Duration::from_millis(self.settings.prepare_limit_ms);
            let word = tokio::time::timeout(limit, link.receive()).await;
            match word {
                Ok(Ok(Some(Word::Ready { started: true }))) => {
                    let pool = Arc::clone(&self.supervisors);
                    let played = Played::new(link, supervisor, pool, directory, &play, plan, events);
                    return Ok(Adoption::Playing(Box::new(played)));
                }
                Ok(Ok(None) | Err(_)) if !directory.supervisor_ends().await? => return Err(ousted(&play.key)),
                _ => {}
            }
        }
        directory.end_supervisor().await?;
        if directory.has_started() {
            return Ok(Adoption::Gone {
                message: "its supervisor is gone, and all its processes with it".to_owned(),
            });
        }
        directory.remove().await?;
        Ok(Adoption::NotStarted)
    }

    async fn found(&self) -> Result<Vec<AttemptKey>, Error> {
        directory::keys(self.attempts()).await
    }

    async fn discard(&self, key: &AttemptKey) -> Result<(), Error> {
        self.directory(key).remove().await
    }

    async fn close(&self) {
        self.supervisors.close();
    }
}

/// To the supervisor of an attempt that goes on; `None` if none listens.
async fn connect(directory: &Directory) -> Option<(Link, Supervisor)> {
    let supervisor = Supervisor {
        identity: directory.supervisor()?,
        born: Instant::now(),
    };
    Some((Link::connect(directory.path()).await?, supervisor))
}
