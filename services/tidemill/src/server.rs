//! Everything beside nats-server in one process: gateway, ingest, intake, planner, runner, and where
//! a cluster is configured the deployer.

mod backends;
mod banner;
mod bus;
mod deployer;
mod gateway;
mod health;
mod ingest;
mod parts;
mod pods;
mod running;
mod service;
mod settings;
mod telemetry;

use std::net::SocketAddr;
use std::path::PathBuf;

use tidemill_bus::Bus;
use tidemill_objects::Objects;
use tidemill_runner::Runner;

pub(crate) use backends::KINDS as BACKENDS;
pub(crate) use bus::Nats;
pub(crate) use health::ask as ask_health;
pub(crate) use service::Service;

use backends::Backends;
use parts::Parts;
use settings::Settings;

use crate::error::Error;
use crate::output::Palette;
use crate::state::{Lock, StateDir};

/// How long the bus may take to send what is under way when it is closed.
const CLOSE_GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// What the command line may say about a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Which nats-server.
    pub(crate) nats: Nats,
    /// Where the gateway listens; by default where it did the last time, else on a free port of
    /// loopback.
    pub(crate) listen: Option<SocketAddr>,
    /// The settings file; by default `tidemill.toml` of the state directory, which may be missing.
    pub(crate) settings: Option<PathBuf>,
    /// Do not start where nothing could run.
    pub(crate) needs_backend: bool,
}

/// A server of this process. It must be ended by [`Server::stop`] or [`Server::drain`].
pub(crate) struct Server {
    state: StateDir,
    bus: Bus,
    objects: Objects,
    nats: bus::Opened,
    parts: Parts,
    backends: (String, String),
    address: String,
    webhooks: String,
    deployer: Option<String>,
    // The last to go: until then nobody else may start on the directory.
    _lock: Lock,
}

/// The services of a server, before it is announced.
struct Assembled {
    bus: Bus,
    objects: Objects,
    parts: Parts,
    backends: (String, String),
    address: String,
    webhooks: String,
    deployer: Option<String>,
    authority: Option<String>,
    token: String,
}

impl Server {
    /// Starts everything and writes the kubeconfig. When it returns, requests are answered.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`], [`Error::NatsServer`], [`Error::Usage`] for settings,
    /// [`Error::Service`] when a part does not start. What was started has been ended.
    pub(crate) async fn start(state: &StateDir, options: &Options) -> Result<Self, Error> {
        state.create()?;
        let lock = state.lock()?;
        let settings = Settings::load(state, options.settings.as_deref())?;
        let nats = bus::open(state, &options.nats).await?;
        let assembled = Self::assemble(state, options, settings, &nats).await;
        let assembled = match assembled {
            Ok(assembled) => assembled,
            Err(error) => {
                nats.end().await;
                return Err(error);
            }
        };
        let server = Self {
            state: state.clone(),
            bus: assembled.bus,
            objects: assembled.objects,
            nats,
            parts: assembled.parts,
            backends: assembled.backends,
            address: assembled.address,
            webhooks: assembled.webhooks,
            deployer: assembled.deployer,
            _lock: lock,
        };
        if let Err(error) = state.announce(&server.address, assembled.authority.as_deref(), &assembled.token) {
            server.stop().await;
            return Err(error);
        }
        Ok(server)
    }

    async fn assemble(
        state: &StateDir,
        options: &Options,
        settings: Settings,
        nats: &bus::Opened,
    ) -> Result<Assembled, Error> {
        let (bus, objects) = nats.connect("tidemill up", &settings).await?;
        let runner = settings.runner(state);
        let nats_place = nats.place();
        let backends = Backends::find(&runner, &bus, &objects, &nats_place, &[]);
        let gateway_settings = settings.gateway(state)?;
        let gateway = gateway::bind(&gateway_settings, options.listen, state, &bus, &objects);
        let (mut backends, gateway) = tokio::join!(backends, gateway);
        let gateway::Bound {
            gateway,
            address,
            authority,
        } = gateway?;
        if options.needs_backend {
            backends.must_be(&[])?;
        }
        let cluster = deployer::connect(&settings.deployer).await?;
        let planner = match cluster {
            Some(_) => settings.planner.clone(),
            None => settings.planner_alone(),
        };
        let ingest = ingest::bind(&settings.ingest(state)?, &bus, &objects).await?;
        let webhooks = format!("http://{}/<namespace>/<listener>", ingest.local_addr());
        let told = (backends.names(), backends.missing.join("; "));
        let mut parts = Parts::default();
        parts.front("gateway", |shutdown| gateway.serve(shutdown));
        parts.front("ingest", |shutdown| ingest.serve(shutdown));
        parts.front("intake", |shutdown| tidemill_planner::run_intake(bus.clone(), shutdown));
        parts.front("planner", |shutdown| {
            tidemill_planner::run(planner, bus.clone(), objects.clone(), shutdown)
        });
        telemetry::attend(&settings.telemetry, &mut parts).await?;
        telemetry::trace(&settings.telemetry, &bus, &mut parts)?;
        backends.attend(&mut parts);
        let watched = cluster.as_ref().map(|cluster| cluster.watched(&settings.deployer));
        if let Some(cluster) = cluster {
            parts.front("deployer", |shutdown| {
                tidemill_deployer::run(
                    settings.deployer.clone(),
                    bus.clone(),
                    objects.clone(),
                    cluster,
                    shutdown,
                )
            });
        }
        parts.runner(Runner::new(runner, bus.clone(), backends.found));
        objects.ready().await.map_err(Error::service("objects"))?;
        Ok(Assembled {
            bus,
            objects,
            parts,
            backends: told,
            address,
            webhooks,
            deployer: watched,
            authority,
            token: gateway_settings.token.expose().to_owned(),
        })
    }

    /// The lines that tell what there is.
    pub(crate) fn banner(&self, palette: Palette) -> String {
        let banner = banner::Banner {
            address: &self.address,
            webhooks: &self.webhooks,
            kubeconfig: &self.state.kubeconfig(),
            backends: &self.backends.0,
            missing: &self.backends.1,
            deployer: self.deployer.as_deref(),
            state: self.state.path(),
            nats: &self.nats.what,
        };
        banner.text(palette)
    }

    /// What runs now, for people.
    pub(crate) async fn running(&self) -> String {
        running::said(&self.objects).await
    }

    /// Returns when a part ended that should not.
    pub(crate) async fn failed(&mut self) -> Error {
        tokio::select! {
            error = self.parts.failed() => error,
            error = self.nats.given_up() => error,
        }
    }

    /// Starts no new task and waits for those that run.
    pub(crate) async fn drain(&mut self) {
        self.parts.drain().await;
    }

    /// Ends everything at once. Steps that run go on in their sandboxes, until the next server on
    /// this directory takes them over.
    pub(crate) async fn stop(self) {
        self.state.withdraw();
        self.parts.end().await;
        drop(self.objects);
        self.bus.close(CLOSE_GRACE).await;
        self.nats.end().await;
    }
}
