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
use host::Hidden;
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
    hidden: Arc<Hidden>,
    lookup: Arc<dyn Lookup>,
}

impl ProcessBackend {
    /// A backend whose attempts and volumes lie in `state_directory`, which exists.
    ///
    /// # Errors
    /// [`Error::Place`] if the step binary is not found or the directory cannot be used.
    pub fn new(state_directory: &Path, settings: Settings, lookup: Arc<dyn Lookup>) -> Result<Self, Error> {
        let state_directory = std::path::absolute(state_directory).map_err(place("resolve the state directory"))?;
        let hidden = Arc::new(Hidden::new(&settings.hidden, &state_directory));
        Ok(Self {
            supervisors: Supervisors::new(
                find_step_binary(settings.step_binary.as_deref(), "process.step-binary")?,
                state_directory.join("memory"),
                Arc::clone(&hidden),
                settings.warm,
            ),
            environment: host::environment(&settings.environment, std::env::vars_os()),
            hidden,
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
        let (mut free, mut sandbox) = match (placed, sandbox) {
            (Ok(free), Ok(sandbox)) => (free, sandbox),
            (Ok(free), Err(error)) => {
                if free.spare.is_none() {
                    // Its supervisor is not in it yet.
                    directory.empty(None).await?;
                }
                self.supervisors.give_back(free);
                return Err(error);
            }
            (Err(error), _) => return Err(error),
        };
        let spare = free.spare.take();
        sandbox.is_entered = spare.is_some();
        let supervisor = free.supervisor.identity.clone();
        let named = async {
            match spare {
                Some(spare) => directory.create(supervisor, Some(spare)).await,
                None => Ok(()),
            }
        };
        let (named, built) = futures::join!(named, self.build_in_time(&directory, free, sandbox));
        match (named, built) {
            (Ok(()), Ok(by)) => {
                let pool = Arc::clone(&self.supervisors);
                Ok(Played::new(by, pool, directory, &play, plan, events, false))
            }
            // What has this name is another's; the supervisor ends with its link.
            (Err(error), _) => Err(error),
            (Ok(()), Err(error)) => {
                directory.remove().await?;
                Err(error)
            }
        }
    }

    /// A supervisor. One that is in no directory gets one that names it; any other's gets its name while the sandbox is
    /// built in it: where the disk is busy that takes as long.
    async fn place(&self, directory: &Directory) -> Result<Free, Error> {
        let free = self.supervisors.take().await?;
        if free.spare.is_none() {
            directory.create(free.supervisor.identity.clone(), None).await?;
        }
        Ok(free)
    }

    async fn build_in_time(
        &self,
        directory: &Directory,
        free: Free,
        sandbox: Sandbox,
    ) -> Result<(Link, Supervisor), Error> {
        let limit = Duration::from_millis(self.settings.prepare_limit_ms);
        let built = tokio::time::timeout(limit, self.build(directory, free, sandbox)).await;
        let late = place("build the sandbox in time (setting process.prepare-limit-ms)");
        built.unwrap_or_else(|elapsed| Err(late(elapsed)))
    }

    async fn translate(&self, play: &Play, plan: &Plan, directory: &Directory) -> Result<Sandbox, Error> {
        let given = translate::Given {
            limits: self.limits(),
            lookup: self.lookup.as_ref(),
            state_directory: &self.state_directory,
            environment: self.environment.clone(),
            hidden: self.hidden.places().to_vec(),
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
        let mut is_unstarted = false;
        if let Some(mut by) = connect(&directory).await {
            let limit = Duration::from_millis(self.settings.prepare_limit_ms);
            let word = tokio::time::timeout(limit, by.0.receive()).await;
            match word {
                Ok(Ok(Some(Word::Ready { started: true }))) => {
                    let pool = Arc::clone(&self.supervisors);
                    let played = Played::new(by, pool, directory, &play, plan, events, true);
                    return Ok(Adoption::Playing(Box::new(played)));
                }
                Ok(Ok(Some(Word::Ready { started: false }))) => is_unstarted = true,
                Ok(Ok(None) | Err(_)) if !directory.supervisor_ends().await? => return Err(ousted(&play.key)),
                _ => {}
            }
        }
        directory.end_supervisor().await?;
        if !is_unstarted && directory.has_started() {
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
    let (identity, socket) = directory.supervisor_and_socket()?;
    let supervisor = Supervisor {
        identity,
        born: Instant::now(),
    };
    Some((Link::connect_to(directory.path(), &socket).await?, supervisor))
}
