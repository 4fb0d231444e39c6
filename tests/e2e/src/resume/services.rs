//! The services as processes of their own: two planners, two runners, a gateway, one nats-server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tidemill_kit::{NatsServer, Running, command, wait_until};

/// How long a service may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// What the streams may take of the kit's nats-server.
const STORE: &str = "700MiB";
/// What says which service dies where.
const FAIL_POINT: &str = "TIDEMILL_FAIL_POINT";

/// A service of the set: the arguments of its command, and its name where it needs one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Role {
    arguments: &'static [&'static str],
    id: &'static str,
}

/// The gateway.
pub(crate) const GATEWAY: Role = role(&["gateway"], "");
/// The two planners.
pub(crate) const PLANNERS: [Role; 2] = [role(&["planner"], "first"), role(&["planner"], "second")];
/// The two runners of one machine.
pub(crate) const RUNNERS: [Role; 2] = [
    role(&["runner", "--backend", "process"], "first"),
    role(&["runner", "--backend", "process"], "second"),
];
/// A runner whose tasks are pods.
pub(crate) const CLUSTER_RUNNER: Role = role(&["runner", "--backend", "kubernetes"], "cluster");

/// Watches releases.
pub(crate) const DEPLOYER: Role = role(&["deployer"], "");

/// Takes webhooks in, where `TIDEMILL_INGEST_LISTEN` says.
pub(crate) const INGEST: Role = role(&["ingest"], "");

const fn role(arguments: &'static [&'static str], id: &'static str) -> Role {
    Role { arguments, id }
}

impl Role {
    /// Every service of the set.
    pub(crate) fn all() -> Vec<Self> {
        [&PLANNERS[..], &RUNNERS[..], &[GATEWAY]].concat()
    }

    fn name(self) -> &'static str {
        self.arguments.first().copied().unwrap_or_default()
    }
}

/// The running set, ended when dropped: the services first, then their nats-server.
pub(crate) struct Services {
    services: Vec<(Role, Running)>,
    state: PathBuf,
    environment: Vec<(&'static str, String)>,
    /// The nats-server they share.
    pub(crate) server: NatsServer,
}

impl Services {
    /// Starts these services on one nats-server and waits until all are ready. A planner and a runner
    /// die at `fail_point` if it is one of theirs.
    ///
    /// # Errors
    /// With what the service said that did not become ready.
    pub(crate) fn start(state: &Path, roles: &[Role], fail_point: Option<&str>) -> Result<Self> {
        let mut set = Self::none(state, &[])?;
        for role in roles {
            let point = fail_point.filter(|point| point.starts_with(role.name()));
            set.spawn(*role, point)?;
        }
        set.wait_until_ready()?;
        Ok(set)
    }

    /// A nats-server without services; those that are added have these variables.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn none(state: &Path, environment: &[(&'static str, String)]) -> Result<Self> {
        Self::on(NatsServer::start()?, state, environment)
    }

    /// No services yet, on this nats-server.
    ///
    /// # Errors
    /// If the state directory cannot be made.
    pub(crate) fn on(server: NatsServer, state: &Path, environment: &[(&'static str, String)]) -> Result<Self> {
        std::fs::create_dir_all(state)?;
        Ok(Self {
            services: Vec::new(),
            state: state.to_owned(),
            environment: environment.to_vec(),
            server,
        })
    }

    /// Adds a service and waits until it is ready.
    ///
    /// # Errors
    /// With what it said.
    pub(crate) fn add(&mut self, role: Role) -> Result<()> {
        self.spawn(role, None)?;
        self.wait_until_ready()
    }

    /// Kills the service as a power cut would. It stays away.
    ///
    /// # Errors
    /// If it does not run.
    pub(crate) fn kill(&mut self, role: Role) -> Result<()> {
        let place = self.services.iter().position(|(running, _)| *running == role);
        let (_, mut running) = self.services.remove(place.context("the service does not run")?);
        running.kill()
    }

    /// Starts each service anew that has ended, without a fail point, as a supervisor of processes
    /// would.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn restart_ended(&mut self) -> Result<()> {
        let ended = |(role, running): &mut (Role, Running)| running.has_ended().then_some(*role);
        let dead: Vec<Role> = self.services.iter_mut().filter_map(ended).collect();
        self.services.retain(|(role, _)| !dead.contains(role));
        dead.into_iter().try_for_each(|role| self.spawn(role, None))
    }

    /// Waits until one has ended by itself.
    ///
    /// # Errors
    /// When none has within `limit`.
    pub(crate) fn wait_until_one_ended(&mut self, limit: Duration) -> Result<()> {
        let ended = wait_until(limit, || self.has_dead());
        ensure!(ended, "none of the services has ended:\n{}", self.spoken());
        Ok(())
    }

    /// All that they said.
    pub(crate) fn spoken(&self) -> String {
        let said = |(role, running): &(Role, Running)| format!("{} {}:\n{}", role.name(), role.id, running.spoken());
        self.services.iter().map(said).collect::<Vec<_>>().join("\n")
    }

    /// Whether one has ended by itself.
    pub(crate) fn has_dead(&mut self) -> bool {
        self.services.iter_mut().any(|(_, running)| running.has_ended())
    }

    /// Ends the services in order.
    ///
    /// # Errors
    /// When one does not end.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.services
            .iter_mut()
            .try_for_each(|(_, running)| running.stop().map(drop))
    }

    fn spawn(&mut self, role: Role, fail_point: Option<&str>) -> Result<()> {
        let mut service = command(&self.state, role.arguments)?;
        service
            .args(["--nats", &self.server.url()])
            .env("TIDEMILL_STREAMS_STORE", STORE)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        if !role.id.is_empty() && role.name() == "runner" {
            service.env("TIDEMILL_RUNNER_ID", role.id);
        }
        if let Some(point) = fail_point {
            service.env(FAIL_POINT, point);
        }
        self.services.push((role, Running::start(service)?));
        Ok(())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        for (role, running) in &mut self.services {
            running
                .wait_until_says("Ctrl-C", READY_LIMIT)
                .with_context(|| format!("{} {}", role.name(), role.id))?;
        }
        Ok(())
    }
}
